"""Concatenation of channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .base import FloatOp, Operand, QOp, QTensor, Shape


@dataclass(frozen=True, eq=False)
class FloatConcat(FloatOp):
    """The channels of the inputs one after the other; heights and widths are equal."""

    @property
    def keeps_scale(self) -> bool:
        return True

    def compute(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)

    def shape(self, *shapes: Shape) -> Shape:
        return sum(shape[0] for shape in shapes), shapes[0][1], shapes[0][2]

    def refusal(self, *operands: Operand) -> str | None:
        sizes = {operand.shape[1:] for operand in operands}
        return None if len(sizes) == 1 else "its inputs differ in height or width"

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        return QConcat(self.name, y.name, tuple(x.name for x in inputs))


@dataclass(frozen=True)
class QConcat(QOp):
    """The channels of the operands one after the other. All operands and the output have one scale
    and zero point."""

    name: str
    output: str
    operands: tuple[str, ...]
    op: str = "concat"

    @property
    def input(self) -> str:  # type: ignore[override]
        return self.operands[0]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.operands

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        return np.concatenate(inputs)

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)
