"""Upsampling by whole factors: each pixel becomes a rectangle of its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .base import FloatOp, Operand, QOp, QTensor, Shape, by

MAX_FACTOR = 4
MAX_SIDE = 1023  # pixels of a map


@dataclass(frozen=True, eq=False)
class FloatUpsample(FloatOp):
    """Each pixel becomes ``factor`` (rows, columns) pixels of its value."""

    factor: tuple[int, int]

    @property
    def keeps_scale(self) -> bool:
        return True

    def compute(self, *inputs: Tensor) -> Tensor:
        return _repeated(inputs[0], self.factor)

    def shape(self, *shapes: Shape) -> Shape:
        channels, height, width = shapes[0]
        return channels, height * self.factor[0], width * self.factor[1]

    def refusal(self, *operands: Operand) -> str | None:
        if not all(1 <= factor <= MAX_FACTOR for factor in self.factor):
            return f"factor {by(self.factor)}: 1 to {MAX_FACTOR} is supported"
        size = self.shape(operands[0].shape)[1:]
        if max(size) > MAX_SIDE:
            return f"its result of {by(size)} pixels: at most {MAX_SIDE} are supported"
        return None

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        (x,) = inputs
        return QUpsample(self.name, x.name, y.name, self.factor)


@dataclass(frozen=True)
class QUpsample(QOp):
    """y[c, row, column] = x[c, row // factor[0], column // factor[1]]. Scale and zero point are its
    input's."""

    name: str
    input: str
    output: str
    factor: tuple[int, int]
    op: str = "upsample"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        (x,) = inputs
        y = np.empty(tensors[self.output].shape, np.int8)
        for c, row, column in np.ndindex(y.shape):
            y[c, row, column] = x[c, row // self.factor[0], column // self.factor[1]]
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        return _repeated(inputs[0], self.factor)


def _repeated(x: Tensor, factor: tuple[int, int]) -> Tensor:
    return x.repeat_interleave(factor[0], 2).repeat_interleave(factor[1], 3)
