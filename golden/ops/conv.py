"""Convolution and fully connected layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from resarray.spec.numerics import requantise, residual_term

from .base import QOp, QTensor
from .requantise import requantise_tensor, residual_tensor

# Integers up to 2**24 are exact in float32.
EXACT = 1 << 24
# |x - zero_point| of int8 values.
MAX_DIFFERENCE = 255


@dataclass(frozen=True)
class QConv(QOp):
    """out = requantise(sum (x - zp_x) * weight + bias, mult, shift [, residual]), then clamp.

    weight: int8 [Cout][Cin][kh][kw] in [-127, 127]; bias: int32 [Cout] in accumulator units,
    without the input's zero point; mult, shift: int [Cout]. Padding is (top, bottom, left,
    right) pixels of the input's zero point, each at most 15. A fully connected layer is a 1x1
    convolution on a 1x1 map. ``residual`` names a tensor of the output's shape.
    """

    name: str
    input: str
    output: str
    weight: np.ndarray
    bias: np.ndarray
    mult: np.ndarray
    shift: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    lo: int = -128
    hi: int = 127
    residual: str | None = None
    res_mult: int = 0
    res_shift: int = 0
    op: str = "conv"  # "conv" or "linear"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,) if self.residual is None else (self.input, self.residual)

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """The residual is added before the one rounding."""
        x, tensor_x, tensor_y = inputs[0], tensors[self.input], tensors[self.output]
        _, c_in, kernel_h, kernel_w = self.weight.shape
        _, height, width = tensor_x.shape
        top, _, left, _ = self.padding
        y = np.empty(tensor_y.shape, np.int8)
        for o, row, column in np.ndindex(tensor_y.shape):
            acc = 0
            for i, kh, kw in np.ndindex(c_in, kernel_h, kernel_w):
                r = row * self.stride[0] + kh - top
                c = column * self.stride[1] + kw - left
                # Outside is the zero point, which adds nothing.
                if 0 <= r < height and 0 <= c < width:
                    weight = int(self.weight[o, i, kh, kw])
                    acc += (int(x[i, r, c]) - tensor_x.zero_point) * weight
            term = 0
            if self.residual is not None:
                r, r_zp = int(inputs[1][o, row, column]), tensors[self.residual].zero_point
                term = residual_term(r, r_zp, self.res_mult, self.res_shift)
            y[o, row, column] = requantise(
                acc,
                int(self.bias[o]),
                int(self.mult[o]),
                int(self.shift[o]),
                tensor_y.zero_point,
                self.lo,
                self.hi,
                term,
            )
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        residual = None
        if self.residual is not None:
            tensor_r = tensors[self.residual]
            residual = residual_tensor(inputs[1], tensor_r, self.res_mult, self.res_shift)
        return requantise_tensor(
            self._accumulate(inputs[0], tensors[self.input]),
            torch.from_numpy(self.mult.astype(np.int64)).view(1, -1, 1, 1),
            torch.from_numpy(self.shift.astype(np.int64)).view(1, -1, 1, 1),
            tensors[self.output],
            self.lo,
            self.hi,
            residual,
        )

    def _accumulate(self, x: Tensor, tensor_x: QTensor) -> Tensor:
        """int64 sums of products plus bias.

        In float32 over groups of input channels small enough that every partial sum is an integer
        below 2**24 and so exact in any order; the groups are added as integers.
        """
        top, bottom, left, right = self.padding
        x = x.float() - tensor_x.zero_point
        if top == bottom and left == right:
            padding = (top, left)
        else:
            x = functional.pad(x, (left, right, top, bottom))
            padding = (0, 0)
        weight = torch.from_numpy(self.weight.astype(np.float32))
        acc = torch.from_numpy(self.bias.astype(np.int64)).view(1, -1, 1, 1)
        for first, last in exact_groups(self.weight):
            part = weight[:, first:last]
            if _bound(self.weight[:, first:last]) < EXACT:
                product = functional.conv2d(x[:, first:last], part, None, self.stride, padding)
            else:  # one channel with a very large kernel
                product = functional.conv2d(
                    x[:, first:last].double(), part.double(), None, self.stride, padding
                )
            acc = acc + product.long()
        return acc

    def macs(self, tensors: Mapping[str, QTensor]) -> int:
        _, height, width = tensors[self.output].shape
        return self.weight.size * height * width


def exact_groups(weight: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of input channels of int8 ``weight`` [Cout][Cin][kh][kw], as long as every sum of
    products with differences up to 255 stays below 2**24 in magnitude (or one channel long)."""
    groups, first = [], 0
    channels = weight.shape[1]
    # Largest sum of magnitudes that any output channel adds up to, input channel by channel.
    sums = np.abs(weight.astype(np.int64)).sum((2, 3))
    while first < channels:
        totals = np.cumsum(sums[:, first:], axis=1).max(0) * MAX_DIFFERENCE
        length = max(1, int(np.searchsorted(totals, EXACT)))
        groups.append((first, first + length))
        first += length
    return groups


def _bound(weight: np.ndarray) -> int:
    return int(np.abs(weight.astype(np.int64)).sum((1, 2, 3)).max()) * MAX_DIFFERENCE
