"""The fast integer reference: the integers of `reference`, vectorised with torch."""

import numpy as np
import torch

from .graph import QGraph


@torch.inference_mode()
def run(graph: QGraph, inputs: np.ndarray, keep_all: bool = True) -> dict[str, np.ndarray]:
    """Every tensor, int8 [N][C][H][W], for int8 ``inputs`` [N][C][H][W]; only the outputs
    where ``keep_all`` is false."""
    values = {graph.input: torch.from_numpy(np.ascontiguousarray(inputs))}
    last_read = {name: op for op in graph.ops for name in op.inputs}
    for op in graph.ops:
        values[op.output] = op.fast(graph.tensors, *(values[name] for name in op.inputs))
        if not keep_all:
            for name in op.inputs:
                if last_read[name] is op and name not in graph.outputs:
                    values.pop(name, None)
    if not keep_all:
        values = {name: values[name] for name in graph.outputs}
    return {name: value.numpy() for name, value in values.items()}
