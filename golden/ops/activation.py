"""Activation: the integer operators clamp, so that it costs nothing behind one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from .base import FloatOp, Operand, Shape
from .max_pool import FloatMaxPool


@dataclass(frozen=True, eq=False)
class FloatActivation(FloatOp):
    """Every value limited to [lo, hi], either of them infinite or not: a ReLU is [0, inf)."""

    lo: float
    hi: float

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[0].clamp(self.lo, self.hi)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def refusal(self, *operands: Operand) -> str | None:
        kind = "ReLU" if (self.lo, self.hi) == (0.0, math.inf) else "clamp"
        if isinstance(operands[0].maker, FloatMaxPool):
            return f"put the {kind} before the max pool: the result is the same"
        return (
            f"a {kind} is supported only directly after a convolution, linear layer or addition "
            "whose result nothing else reads"
        )
