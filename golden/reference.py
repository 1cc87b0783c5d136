"""The readable integer reference: every operator as the loops that define it.

Slow; `fast` computes the same integers and is proven equal to this by tests.
"""

import numpy as np

from .graph import QGraph


def run(graph: QGraph, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor, int8 [N][C][H][W], for int8 ``inputs`` [N][C][H][W]."""
    images = [_run_image(graph, image) for image in inputs]
    return {name: np.stack([values[name] for values in images]) for name in images[0]}


def _run_image(graph: QGraph, image: np.ndarray) -> dict[str, np.ndarray]:
    values = {graph.input: image}
    for op in graph.ops:
        values[op.output] = op.reference(graph.tensors, *(values[name] for name in op.inputs))
    return values
