"""Activation: the integer operators clamp, so that it costs nothing behind one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from .base import FloatOp, Shape
from .max_pool import FloatMaxPool

if TYPE_CHECKING:
    from resarray.golden.float_graph import FloatGraph


@dataclass(frozen=True, eq=False)
class FloatActivation(FloatOp):
    """Every value limited to [lo, hi], either of them infinite or not: a ReLU is [0, inf)."""

    lo: float
    hi: float

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[0].clamp(self.lo, self.hi)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def refusal(self, graph: FloatGraph) -> str | None:
        if isinstance(graph.producers.get(self.inputs[0]), FloatMaxPool):
            return "put the ReLU before the max pool: the result is the same"
        return (
            "a ReLU is supported only directly after a convolution, linear layer or addition whose "
            "result nothing else reads"
        )
