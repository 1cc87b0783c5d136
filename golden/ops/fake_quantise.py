"""Quantisation that is in the network already: its scales hold, nothing is measured again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from resarray.spec.numerics import INT8_MAX, INT8_MIN

from .base import FloatOp, Operand, Range, Shape
from .scales import range_of


@dataclass(frozen=True, eq=False)
class FloatQuantise(FloatOp):
    """A tensor rounded to int8 and back: scale * (clamp(round(x / scale) + zero_point) -
    zero_point), rounded half to even. ``zero_point`` is that of int8, so 128 less than of uint8.

    The pass `take_scales` makes it the scale of its tensor.
    """

    scale: float
    zero_point: int

    def compute(self, *inputs: Tensor) -> Tensor:
        q = (inputs[0] / self.scale).round_().add_(self.zero_point).clamp_(INT8_MIN, INT8_MAX)
        return q.sub_(self.zero_point).mul_(self.scale)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    @property
    def bounds(self) -> Range:
        """The lowest and the highest number that it can give."""
        return range_of(self.scale, self.zero_point)

    @property
    def valid(self) -> bool:
        """Whether its scale and zero point are such of int8."""
        return (
            math.isfinite(self.scale) and self.scale > 0 and INT8_MIN <= self.zero_point <= INT8_MAX
        )

    def refusal(self, *operands: Operand) -> str | None:
        if self.valid:
            return None
        return (
            f"scale {self.scale:g} and zero point {self.zero_point}: a scale is positive, a zero "
            f"point of int8 from {INT8_MIN} to {INT8_MAX} (of uint8 from 0 to 255)"
        )
