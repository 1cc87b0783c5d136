"""Average pools: of windows, which are convolutions, and of the whole map, which is a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from resarray.spec.numerics import INT8_MAX, INT8_MIN, quantise_factor, requantise

from .base import FloatOp, Operand, QOp, QTensor, Shape, by, pooled_size
from .conv import MAX_KERNEL
from .requantise import requantise_tensor
from .scales import MAX_FACTOR


@dataclass(frozen=True, eq=False)
class FloatAvgPool(FloatOp):
    """Mean of windows; padding on both sides of height and width. ``ceil``: the last window, if it
    begins inside the map, may end outside. ``padded``: pixels of the padding count as zeros, else
    they do not; ``divisor``: instead of the number of pixels."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    ceil: bool = False
    padded: bool = True
    divisor: int | None = None

    def compute(self, *inputs: Tensor) -> Tensor:
        return functional.avg_pool2d(
            inputs[0],
            self.kernel,
            self.stride,
            self.padding,
            self.ceil,
            self.padded,
            self.divisor,
        )

    def shape(self, *shapes: Shape) -> Shape:
        channels, height, width = shapes[0]
        return channels, self._size(height, 0), self._size(width, 1)

    def _size(self, size: int, axis: int) -> int:
        kernel, stride, padding = self.kernel[axis], self.stride[axis], self.padding[axis]
        return pooled_size(size, kernel, stride, padding, self.ceil)

    def refusal(self, *operands: Operand) -> str | None:
        shape = operands[0].shape
        kernel, divisor = by(self.kernel), self.divisor
        if any(self.padding) and not self.padded and divisor is None:
            return (
                f"an average over {kernel} pixels that does not count its padding: give it "
                "count_include_pad=True, or padding 0"
            )
        if self.ceil and self.shape(shape) != replace(self, ceil=False).shape(shape):
            return (
                "ceil_mode = True, by which the last windows end outside the map, is not supported"
            )
        if max(self.kernel) > MAX_KERNEL and (self.kernel != shape[1:] or any(self.padding)):
            return (
                f"an average over windows of {kernel} pixels: at most {MAX_KERNEL}x{MAX_KERNEL}, "
                "or the whole map, are supported"
            )
        return None


@dataclass(frozen=True, eq=False)
class FloatGlobalAvgPool(FloatOp):
    """Mean of the whole map: [C][1][1]."""

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[0].mean((2, 3), keepdim=True)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0][0], 1, 1

    def min_scale(self, *inputs: QTensor) -> float:
        (x,) = inputs
        return x.scale / (x.shape[1] * x.shape[2]) / MAX_FACTOR

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        (x,) = inputs
        mult, shift = quantise_factor(x.scale / (x.shape[1] * x.shape[2]) / y.scale)
        return QGlobalAvgPool(self.name, x.name, y.name, mult, shift)


@dataclass(frozen=True)
class QGlobalAvgPool(QOp):
    """out = requantise(sum of x, -pixels * zp_x, mult, shift, zp_out, -128, 127), [C][1][1]."""

    name: str
    input: str
    output: str
    mult: int
    shift: int
    op: str = "avg_pool"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """Integer sum, one multiplication, one rounding."""
        (x,), tensor_y = inputs, tensors[self.output]
        channels, height, width = x.shape
        bias = -height * width * tensors[self.input].zero_point
        y = np.empty(tensor_y.shape, np.int8)
        for c in range(channels):
            total = sum(int(value) for value in x[c].flat)
            y[c, 0, 0] = requantise(
                total, bias, self.mult, self.shift, tensor_y.zero_point, INT8_MIN, INT8_MAX
            )
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        (x,) = inputs
        pixels = x.shape[2] * x.shape[3]
        total = x.sum((2, 3), keepdim=True, dtype=torch.int64)
        total -= pixels * tensors[self.input].zero_point
        return requantise_tensor(
            total, self.mult, self.shift, tensors[self.output], INT8_MIN, INT8_MAX
        )
