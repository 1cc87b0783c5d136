"""Maximum pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .base import FloatOp, Operand, QOp, QTensor, Shape, by, pooled_size


@dataclass(frozen=True, eq=False)
class FloatMaxPool(FloatOp):
    """Maximum of windows; padding on both sides of height and width does not count. ``ceil``: the
    last window, if it begins inside the map, may end outside."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    ceil: bool = False

    @property
    def keeps_scale(self) -> bool:
        return True

    def compute(self, *inputs: Tensor) -> Tensor:
        return functional.max_pool2d(
            inputs[0], self.kernel, self.stride, self.padding, self.dilation, self.ceil
        )

    def shape(self, *shapes: Shape) -> Shape:
        channels, height, width = shapes[0]
        return channels, self._size(height, 0), self._size(width, 1)

    def _size(self, size: int, axis: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return pooled_size(size, reach, self.stride[axis], self.padding[axis], self.ceil)

    def refusal(self, *operands: Operand) -> str | None:
        if self.kernel not in ((2, 2), (3, 3)):
            return f"kernel {by(self.kernel)}: 2x2 and 3x3 are supported"
        if self.stride != (2, 2):
            return f"stride {by(self.stride)}: only 2 is supported"
        allowed = ((0, 0), (1, 1)) if self.kernel == (3, 3) else ((0, 0),)
        if self.padding not in allowed:
            return (
                f"padding {by(self.padding)}: with kernel {by(self.kernel)}, "
                f"{' and '.join(map(by, allowed))} are supported"
            )
        if self.dilation != (1, 1):
            return f"dilation = {self.dilation}: only 1 is supported"
        shape = operands[0].shape
        if self.padding == (1, 1) and self.shape(shape) != replace(self, ceil=False).shape(shape):
            # Two windows end with the same pixel.
            return "ceil_mode = True with padding 1x1 is supported only on maps of odd sizes"
        return None

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        (x,) = inputs
        kernel, padding = self.kernel[0], self.padding[0]
        return QMaxPool(self.name, x.name, y.name, kernel, padding, self.ceil)


@dataclass(frozen=True)
class QMaxPool(QOp):
    """Exact maximum, kernel 2 or 3, stride 2, ``padding`` on all sides (0, or 1 with kernel 3).

    Output size `pooled_size`: with ``ceil`` the last window may end outside the map. Scale and zero
    point are its input's.
    """

    name: str
    input: str
    output: str
    kernel: int
    padding: int
    ceil: bool = False
    op: str = "max_pool"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """Pixels outside the map do not count."""
        (x,) = inputs
        _, height, width = x.shape
        y = np.empty(tensors[self.output].shape, np.int8)
        for c, row, column in np.ndindex(y.shape):
            top, left = 2 * row - self.padding, 2 * column - self.padding
            y[c, row, column] = max(
                int(x[c, r, k])
                for r in range(max(0, top), min(height, top + self.kernel))
                for k in range(max(0, left), min(width, left + self.kernel))
            )
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        # Padding with the smallest value; float32 holds int8 exactly.
        y = functional.max_pool2d(
            inputs[0].float(), self.kernel, 2, self.padding, ceil_mode=self.ceil
        )
        return y.to(torch.int8)
