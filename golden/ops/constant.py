"""A constant map: what a network adds to its maps or multiplies them by, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .base import FloatOp, QOp, QTensor, Shape


@dataclass(frozen=True, eq=False)
class FloatConstant(FloatOp):
    """``value``: float [C][H][W], whatever the input, of which it takes the number of images."""

    value: Tensor

    def compute(self, *inputs: Tensor) -> Tensor:
        return self.value.float().expand(len(inputs[0]), *self.value.shape)

    def shape(self, *shapes: Shape) -> Shape:
        channels, height, width = self.value.shape
        return channels, height, width

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        (x,) = inputs
        steps = torch.round(self.value.double() / y.scale) + y.zero_point
        return QConstant(self.name, x.name, y.name, steps.clamp(-128, 127).numpy().astype(np.int8))


@dataclass(frozen=True)
class QConstant(QOp):
    """out = value, int8 [C][H][W]; the input is not read."""

    name: str
    input: str
    output: str
    value: np.ndarray
    op: str = "constant"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        return self.value.copy()

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        return torch.from_numpy(self.value).expand(len(inputs[0]), *self.value.shape)
