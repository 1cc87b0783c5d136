"""The float graph: what a front end makes of a user's network, one operator each, and what passes
make of that until it can be quantised. `run_float` computes it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from resarray.spec.errors import ResarrayError

from .ops import FloatOp, Operand, Shape

# Of a tensor: real = scale * (q - zero_point).
Scale = tuple[float, int]


@dataclass(frozen=True, eq=False)
class FloatGraph:
    """A network: ``input`` and ``outputs`` name tensors, ``shape`` is the input's [C, H, W], the
    operators are in execution order. ``outputs`` are as the network returns them: the first is what
    classes are read from, and a tensor may be there twice. ``scales``: the scale and the zero point
    of tensors that are quantised already."""

    name: str
    input: str
    outputs: tuple[str, ...]
    shape: Shape
    ops: tuple[FloatOp, ...]
    scales: Mapping[str, Scale] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Tensor name -> [C, H, W] of one image."""
        shapes = {self.input: self.shape}
        for op in self.ops:
            shapes[op.output] = op.shape(*(shapes[name] for name in op.inputs))
        return shapes

    @cached_property
    def producers(self) -> dict[str, FloatOp]:
        """Tensor name -> the operator that makes it; the input has none."""
        return {op.output: op for op in self.ops}

    def operands(self, op: FloatOp) -> list[Operand]:
        """The inputs of ``op``."""
        return [Operand(self.shapes[name], self.producers.get(name)) for name in op.inputs]

    def uses(self) -> Counter[str]:
        """How often each tensor is read; to be an output counts as one use."""
        return Counter([*(name for op in self.ops for name in op.inputs), *self.outputs])

    def with_ops(
        self, ops: Iterable[FloatOp], outputs: Iterable[str] | None = None
    ) -> "FloatGraph":
        """The same network with other operators, and other outputs where they are given."""
        outputs = self.outputs if outputs is None else tuple(outputs)
        return replace(self, ops=tuple(ops), outputs=outputs)

    def error(self, op: FloatOp, why: str) -> ResarrayError:
        """A sentence that says which operator, in the user's own names, and ``why``."""
        place = f", {op.place}:" if op.place else ""
        return ResarrayError(f"model '{self.name}'{place} {why}")


@torch.inference_mode()
def run_float(
    graph: FloatGraph, x: Tensor, observe: Callable[[str, Tensor], None] | None = None
) -> Tensor:
    """The first output [N][C][H][W] for inputs [N][C][H][W]; ``observe(name, value)`` sees every
    tensor, the input and all outputs included. Values are dropped after their last use."""
    values = {graph.input: x}
    if observe:
        observe(graph.input, x)
    left = graph.uses()
    for op in graph.ops:
        values[op.output] = op.compute(*(values[name] for name in op.inputs))
        if observe:
            observe(op.output, values[op.output])
        for name in op.inputs:
            left[name] -= 1
            if not left[name]:
                values.pop(name, None)
    return values[graph.output]
