"""Concatenation of channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import FloatOp, Operand, Shape


@dataclass(frozen=True, eq=False)
class FloatConcat(FloatOp):
    """The channels of the inputs one after the other; heights and widths are equal."""

    def compute(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)

    def shape(self, *shapes: Shape) -> Shape:
        return sum(shape[0] for shape in shapes), shapes[0][1], shapes[0][2]

    def refusal(self, *operands: Operand) -> str | None:
        sizes = {operand.shape[1:] for operand in operands}
        return None if len(sizes) == 1 else "its inputs differ in height or width"
