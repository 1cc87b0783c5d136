"""Average pools: of windows, which are convolutions, and of the whole map, which is a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

    def divisors(self, shape: Shape) -> tuple[list[int], list[int]]:
        """By how many rows each row of windows divides, by how many columns each column. Not with
        a ``divisor``."""
        return self._divisors(shape[1], 0), self._divisors(shape[2], 1)

    def _divisors(self, size: int, axis: int) -> list[int]:
        first = -self.padding[axis]
        counted = (first, size - first) if self.padded else (0, size)
        starts = [first + i * self.stride[axis] for i in range(self._size(size, axis))]
        ends = [start + self.kernel[axis] for start in starts]
        return [
            min(end, counted[1]) - max(start, counted[0])
            for start, end in zip(starts, ends, strict=True)
        ]

    def refusal(self, *operands: Operand) -> str | None:
        shape = operands[0].shape
        kernel = by(self.kernel)
        if max(self.kernel) > MAX_KERNEL and not self.whole(shape):
            return (
                f"an average over windows of {kernel} pixels: at most {MAX_KERNEL}x{MAX_KERNEL}, "
                "or the whole map, are supported"
            )
        return None

    def whole(self, shape: Shape) -> bool:
        """Whether it is the mean of the whole map."""
        return self.divisor is None and self.divisors(shape) == ([shape[1]], [shape[2]])


@dataclass(frozen=True, eq=False)
class FloatAdaptiveAvgPool(FloatOp):
    """Mean of ``size`` windows, between which the map is divided: of ``height`` rows, window i
    begins at i * height / size[0], rounded down, and ends at (i + 1) * height / size[0], rounded
    up."""

    size: tuple[int, int]

    def compute(self, *inputs: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(inputs[0], self.size)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0][0], *self.size

    def refusal(self, *operands: Operand) -> str | None:
        return (
            f"an adaptive average of {by(operands[0].shape[1:])} pixels to {by(self.size)}, which "
            "makes windows of several sizes: it is supported in front of a linear layer (with "
            "nothing but flatten and dropout between), elsewhere to a size that divides the map's; "
            "choose the input size so that it does"
        )


def adaptive_windows(size: int, wanted: int) -> list[tuple[int, int]]:
    """[start, end) of each window of an adaptive pool of ``size`` lines to ``wanted``."""
    return [(i * size // wanted, -(-(i + 1) * size // wanted)) for i in range(wanted)]


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
