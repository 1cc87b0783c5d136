"""Maximum pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .base import FloatOp, Operand, QOp, QTensor, Shape, by

Padding = tuple[int, int, int, int]  # top, bottom, left, right


@dataclass(frozen=True, eq=False)
class FloatMaxPool(FloatOp):
    """Maximum of windows; ``padding`` (top, bottom, left, right) does not count."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def keeps_scale(self) -> bool:
        return True

    def compute(self, *inputs: Tensor) -> Tensor:
        top, bottom, left, right = self.padding
        x = functional.pad(inputs[0], (left, right, top, bottom), value=-torch.inf)
        return functional.max_pool2d(x, self.kernel, self.stride, 0, self.dilation)

    def shape(self, *shapes: Shape) -> Shape:
        channels, height, width = shapes[0]
        top, bottom, left, right = self.padding
        return channels, self._size(height + top + bottom, 0), self._size(width + left + right, 1)

    def _size(self, size: int, axis: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (size - reach) // self.stride[axis] + 1

    def refusal(self, *operands: Operand) -> str | None:
        if self.dilation != (1, 1):
            return f"dilation = {self.dilation}: only 1 is supported"
        top, bottom, left, right = self.padding
        if max(top, bottom) >= self.kernel[0] or max(left, right) >= self.kernel[1]:
            return (
                f"padding {self.padding}: with kernel {by(self.kernel)} less than that is "
                "supported, so that every window holds a pixel of the map"
            )
        return None

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        (x,) = inputs
        return QMaxPool(self.name, x.name, y.name, self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class QMaxPool(QOp):
    """Exact maximum of windows; ``padding`` (top, bottom, left, right), less than the kernel, does
    not count. Scale and zero point are its input's."""

    name: str
    input: str
    output: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)
    op: str = "max_pool"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """Pixels outside the map do not count."""
        (x,) = inputs
        _, height, width = x.shape
        y = np.empty(tensors[self.output].shape, np.int8)
        for c, row, column in np.ndindex(y.shape):
            top = row * self.stride[0] - self.padding[0]
            left = column * self.stride[1] - self.padding[2]
            y[c, row, column] = max(
                int(x[c, r, k])
                for r in range(max(0, top), min(height, top + self.kernel[0]))
                for k in range(max(0, left), min(width, left + self.kernel[1]))
            )
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        # Padding with the smallest value; float32 holds int8 exactly.
        top, bottom, left, right = self.padding
        x = functional.pad(inputs[0].float(), (left, right, top, bottom), value=-128)
        return functional.max_pool2d(x, self.kernel, self.stride).to(torch.int8)
