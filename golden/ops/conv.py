"""Convolution and fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from resarray.spec.config import MAX_DOT_LENGTH
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import MAX_PADDING
from resarray.spec.numerics import (
    INT8_MAX,
    INT8_MIN,
    WEIGHT_MAX,
    quantise_factor,
    requantise,
    residual_term,
)

from .base import ClampedOp, FloatOp, Operand, QOp, QTensor, Shape, by
from .requantise import requantise_tensor, residual_tensor
from .scales import (
    MAX_FACTOR,
    MAX_RESIDUAL_FACTOR,
    integer_clamp,
    residual_factor,
)

MAX_KERNEL = 31
MAX_REACH = 127  # pixels from a dilated kernel's first to its last, both counted
MAX_STRIDE = 16

# Integers up to 2**24 are exact in float32.
EXACT = 1 << 24
# |x - zero_point| of int8 values.
MAX_DIFFERENCE = 255
MAX_PRODUCT = MAX_DIFFERENCE * WEIGHT_MAX
MAX_BIAS = 1 << 29
# Values of a map that `QConv.fast` works on at once: 4 bytes each.
BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class FloatConv(ClampedOp):
    """weight: float [Cout][Cin / groups][kh][kw], bias: float [Cout]; zero padding (top, bottom,
    left, right). A second input, of the output's shape [C, H, W] or [C, 1, 1], is added before the
    clamp. ``own_range``: the output has a range of its own even where it only selects.
    ``weight_scale``: float64 [Cout], of weights that are quantised already; None: by magnitude."""

    weight: Tensor
    bias: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    op: str = "conv"  # "conv" or "linear"
    own_range: bool = False
    weight_scale: Tensor | None = None

    @property
    def keeps_scale(self) -> bool:
        return self.selects and len(self.inputs) == 1 and not self.own_range

    @cached_property
    def selects(self) -> bool:
        """Whether every output channel is one input channel as it is, or zero: then the output
        takes over the input's scale and is exact."""
        flat = self.weight.flatten(1)
        ones = ((flat == 1).sum(1) <= 1) & ((flat == 0) | (flat == 1)).all(1)
        return bool(ones.all()) and not self.bias.any() and not self.clamps

    def compute(self, *inputs: Tensor) -> Tensor:
        top, bottom, left, right = self.padding
        x = functional.pad(inputs[0], (left, right, top, bottom))
        y = functional.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return self.clamp(y if len(inputs) == 1 else y + inputs[1])

    def shape(self, *shapes: Shape) -> Shape:
        _, height, width = shapes[0]
        rows, columns = reach(self.weight.shape[2:], self.dilation)
        top, bottom, left, right = self.padding
        return (
            len(self.weight),
            (height + top + bottom - rows) // self.stride[0] + 1,
            (width + left + right - columns) // self.stride[1] + 1,
        )

    def refusal(self, *operands: Operand) -> str | None:
        _, _, kh, kw = self.weight.shape
        dot_length = self.weight[0].numel()
        if max(self.stride) > MAX_STRIDE:
            return f"stride {by(self.stride)}: at most {MAX_STRIDE} is supported"
        if max(kh, kw) > MAX_KERNEL:
            return f"kernel {kh}x{kw}: at most {MAX_KERNEL} is supported"
        if max(reach(self.weight.shape[2:], self.dilation)) > MAX_REACH:
            return (
                f"dilation {by(self.dilation)} of a kernel {kh}x{kw}: one that reaches over at "
                f"most {MAX_REACH} pixels is supported"
            )
        if max(self.padding) > MAX_PADDING:
            return f"padding {self.padding}: at most {MAX_PADDING} is supported"
        if dot_length > MAX_DOT_LENGTH:
            return (
                f"sums of {dot_length} products: at most {MAX_DOT_LENGTH} fit the accumulator; use "
                "fewer channels or a smaller kernel"
            )
        return None

    @cached_property
    def largest(self) -> np.ndarray:
        """float64 [Cout]: the largest magnitude of each channel's weights."""
        return self.weight.flatten(1).abs().amax(1).double().numpy()

    def min_scale(self, *inputs: QTensor) -> float:
        x, *residual = inputs
        scale = x.scale * weight_scales(self, x.scale).max() / MAX_FACTOR
        return max(scale, *(r.scale / MAX_RESIDUAL_FACTOR for r in residual), 0.0)

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        x, residual = inputs[0], inputs[1] if len(inputs) > 1 else None
        weight, bias, weight_scale = quantise_weights(self, x.scale)
        factors = [quantise_factor(x.scale * s / y.scale) for s in weight_scale]
        res_mult, res_shift = residual_factor(residual, y) if residual else (0, 0)
        lo, hi = integer_clamp(self.lo, self.hi, y)
        return QConv(
            name=self.name,
            input=x.name,
            output=y.name,
            weight=weight,
            bias=bias,
            mult=np.array([mult for mult, _ in factors], np.int64),
            shift=np.array([shift for _, shift in factors], np.int64),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            lo=lo,
            hi=hi,
            residual=residual.name if residual else None,
            res_mult=res_mult,
            res_shift=res_shift,
            groups=self.groups,
            op=self.op,
        )


@dataclass(frozen=True, eq=False)
class FloatLinear(FloatOp):
    """A fully connected layer: reads all values of its input in the order [C][H][W], and makes
    [Cout][1][1]. weight: float [Cout][C * H * W], bias: float [Cout]; ``weight_scale`` as of a
    convolution."""

    weight: Tensor
    bias: Tensor
    weight_scale: Tensor | None = None

    def compute(self, *inputs: Tensor) -> Tensor:
        y = functional.linear(inputs[0].flatten(1), self.weight, self.bias)
        return y[:, :, None, None]

    def shape(self, *shapes: Shape) -> Shape:
        return len(self.weight), 1, 1

    def refusal(self, *operands: Operand) -> str | None:
        _, height, width = operands[0].shape
        values = math.prod(operands[0].shape)
        if values != self.weight.shape[1]:
            return f"only a flattened vector of all {values} values"
        if max(height, width) > MAX_KERNEL:
            return (
                f"a linear layer on a map of {height}x{width} pixels: at most "
                f"{MAX_KERNEL}x{MAX_KERNEL} are supported; pool before it"
            )
        return None


@dataclass(frozen=True)
class QConv(QOp):
    """out = requantise(sum (x - zp_x) * weight + bias, mult, shift [, residual]), then clamp.

    weight: int8 [Cout][Cin / groups][kh][kw] in [-127, 127]: output channel c sums over the inputs
    of its group, c // (Cout / groups). bias: int32 [Cout] in accumulator units,
    without the input's zero point; mult, shift: int [Cout]. ``stride`` and ``dilation`` are of
    rows and columns: from output to output, from weight to weight. Padding is (top, bottom, left,
    right) pixels of the input's zero point, each at most 15; negative: so many lines of the input
    are left out. A fully connected layer is a 1x1 convolution on a 1x1 map. ``residual`` names a
    tensor of the output's shape [C][H][W], or [C][1][1]: one value for each channel.
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
    dilation: tuple[int, int] = (1, 1)
    lo: int = -128
    hi: int = 127
    residual: str | None = None
    res_mult: int = 0
    res_shift: int = 0
    groups: int = 1
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
        residual = np.broadcast_to(inputs[-1], y.shape) if self.residual is not None else None
        for o, row, column in np.ndindex(tensor_y.shape):
            acc = 0
            first = o // (len(self.weight) // self.groups) * c_in  # input channel of its group
            for i, kh, kw in np.ndindex(c_in, kernel_h, kernel_w):
                r = row * self.stride[0] + kh * self.dilation[0] - top
                c = column * self.stride[1] + kw * self.dilation[1] - left
                # Outside is the zero point, which adds nothing.
                if 0 <= r < height and 0 <= c < width:
                    weight = int(self.weight[o, i, kh, kw])
                    acc += (int(x[first + i, r, c]) - tensor_x.zero_point) * weight
            term = 0
            if residual is not None:
                r, r_zp = int(residual[o, row, column]), tensors[self.inputs[1]].zero_point
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
        x, tensor_x, tensor_y = inputs[0], tensors[self.input], tensors[self.output]
        values = max(math.prod(tensor_x.shape), math.prod(tensor_y.shape))
        weight = torch.from_numpy(self.weight.astype(np.float32))
        parts = exact_parts(self.weight, *differences(tensor_x))
        y = torch.empty((len(x), *tensor_y.shape), dtype=torch.int8)
        images = max(1, BLOCK // values)
        for first in range(0, len(x), images):
            some = slice(first, first + images)
            residual = None
            if self.residual is not None:
                r, tensor_r = inputs[1][some], tensors[self.residual]
                residual = residual_tensor(r, tensor_r, self.res_mult, self.res_shift)
            y[some] = requantise_tensor(
                self._sums(x[some], tensor_x, weight, parts),
                self.mult,
                self.shift,
                tensor_y,
                self.lo,
                self.hi,
                residual,
                self.bias,
            )
        return y

    def _sums(
        self, x: Tensor, tensor_x: QTensor, weight: Tensor, parts: list[tuple[int, int]]
    ) -> Tensor:
        """Sums of products, floats that are integers.

        In float32 over parts of the input channels small enough that every partial sum is an
        integer below 2**24 and so exact in any order; the parts are added in float64.
        """
        top, bottom, left, right = self.padding
        x = x.float() - tensor_x.zero_point
        if top == bottom and left == right and min(top, left) >= 0:
            padding = (top, left)
        else:
            x = functional.pad(x, (left, right, top, bottom))
            padding = (0, 0)
        # [N][groups][Cin / groups][H][W]: of each group the same part.
        x = x.unflatten(1, (self.groups, -1))
        sums = []
        for first, last in parts:
            inputs, part = x[:, :, first:last].flatten(1, 2), weight[:, first:last]
            if last - first == 1 and MAX_PRODUCT * part[0].numel() >= EXACT:  # a very large kernel
                inputs, part = inputs.double(), part.double()
            sums.append(
                functional.conv2d(
                    inputs, part, None, self.stride, padding, self.dilation, self.groups
                )
            )
        total = sums[0] if len(sums) == 1 else sums[0].double()
        for more in sums[1:]:
            total += more
        return total

    def macs(self, tensors: Mapping[str, QTensor]) -> int:
        _, height, width = tensors[self.output].shape
        return self.weight.size * height * width


def reach(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, int]:
    """Rows and columns from a dilated kernel's first pixel to its last, both counted."""
    rows, columns = (d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    return rows, columns


def quantise_weights(
    op: FloatConv, input_scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(weight int8, bias int32, scale float64 [Cout])``."""
    scale, max_bias = weight_scales(op, input_scale), _max_bias(op)
    q = np.rint(op.weight.double().numpy() / scale[:, None, None, None])
    q = np.clip(q, -WEIGHT_MAX, WEIGHT_MAX)  # -128, where others have quantised them
    q_bias = np.clip(np.rint(op.bias.double().numpy() / (input_scale * scale)), -max_bias, max_bias)
    return q.astype(np.int8), q_bias.astype(np.int32), scale


def weight_scales(op: FloatConv, input_scale: float) -> np.ndarray:
    """float64 [Cout]: a channel's scale is its own, if it has one, or its largest magnitude / 127,
    or more where its bias would not fit: then |sum| + |bias| < 2**31, since 65,536 products of at
    most 255 * 127 leave 2.5e7 for the bias."""
    bias = np.abs(op.bias.double().numpy()) / (input_scale * _max_bias(op))
    own = None if op.weight_scale is None else op.weight_scale.double().numpy()
    scale = np.maximum(op.largest / WEIGHT_MAX if own is None else own, bias)
    scale[scale == 0] = 1.0
    return scale


def _max_bias(op: FloatConv) -> int:
    dot_length = op.weight[0].numel()
    max_bias = min(MAX_BIAS, (1 << 31) - 1 - MAX_PRODUCT * dot_length)
    if max_bias <= 0:
        raise ResarrayError(
            f"layer '{op.name}' adds {dot_length} products, more than the 32-bit accumulator "
            "holds: use fewer channels or a smaller kernel"
        )
    return max_bias


def differences(tensor: QTensor) -> tuple[int, int]:
    """How far a value of ``tensor`` can be below and above its zero point."""
    return tensor.zero_point - INT8_MIN, INT8_MAX - tensor.zero_point


def exact_parts(
    weight: np.ndarray, below: int = MAX_DIFFERENCE, above: int = MAX_DIFFERENCE
) -> list[tuple[int, int]]:
    """Ranges of input channels of int8 ``weight`` [Cout][Cin][kh][kw], as long as every sum of
    products with differences in [-below, above] stays below 2**24 in magnitude (or one channel
    long)."""
    parts, first = [], 0
    channels = weight.shape[1]
    # Largest magnitude that any output channel adds up to, input channel by channel.
    sums = _largest(weight, below, above)
    while first < channels:
        totals = np.cumsum(sums[:, :, first:], axis=2).max((0, 1))
        length = max(1, int(np.searchsorted(totals, EXACT)))
        parts.append((first, first + length))
        first += length
    return parts


def _largest(weight: np.ndarray, below: int, above: int) -> np.ndarray:
    """int64 [2][Cout][Cin]: the largest sum of each input channel's products, and the largest
    magnitude of a negative one. Those of some of the products are not larger."""
    flat = torch.from_numpy(weight).flatten(2)
    magnitudes = flat.abs().sum(2, dtype=torch.int64)  # of int8 weights in [-127, 127]
    total = flat.sum(2, dtype=torch.int64)
    positive, negative = (magnitudes + total) >> 1, (magnitudes - total) >> 1
    upwards, downwards = positive * above + negative * below, positive * below + negative * above
    return torch.stack([upwards, downwards]).numpy()
