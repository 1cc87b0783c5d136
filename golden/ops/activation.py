"""Activation: the integer operators clamp, so that it costs nothing behind one of them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import FloatOp, Shape


@dataclass(frozen=True, eq=False)
class FloatActivation(FloatOp):
    """Every value limited to [lo, hi], either of them infinite or not: a ReLU is [0, inf)."""

    lo: float
    hi: float

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[0].clamp(self.lo, self.hi)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]
