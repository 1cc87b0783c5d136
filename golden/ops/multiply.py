"""Product of two feature maps, or of a map and a factor for each channel of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from resarray.spec.numerics import quantise_factor, requantise

from .base import ClampedOp, Operand, QOp, QTensor, Shape, broadcast_refusal
from .requantise import requantise_tensor
from .scales import MAX_FACTOR, integer_clamp


@dataclass(frozen=True, eq=False)
class FloatMultiply(ClampedOp):
    """a * b, b of the shape of a [C, H, W] or [C, 1, 1]."""

    def compute(self, *inputs: Tensor) -> Tensor:
        return self.clamp(inputs[0] * inputs[1])

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def refusal(self, *operands: Operand) -> str | None:
        return broadcast_refusal(*operands)

    def min_scale(self, *inputs: QTensor) -> float:
        x, factor = inputs
        return x.scale * factor.scale / MAX_FACTOR

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        x, factor = inputs
        mult, shift = quantise_factor(x.scale * factor.scale / y.scale)
        lo, hi = integer_clamp(self.lo, self.hi, y)
        return QMultiply(self.name, x.name, factor.name, y.name, mult, shift, lo, hi)


@dataclass(frozen=True)
class QMultiply(QOp):
    """out = requantise((x - zp_x) * (f - zp_f), 0, mult, shift, zp_out, lo, hi).

    The factor f has the input's shape [C][H][W], or [C][1][1]: one for each channel. The product is
    at most 255 * 255 in magnitude.
    """

    name: str
    input: str
    factor: str
    output: str
    mult: int
    shift: int
    lo: int = -128
    hi: int = 127
    op: str = "multiply"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input, self.factor)

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """One product, one rounding."""
        tensor_y = tensors[self.output]
        x, factor = (np.broadcast_to(value, tensor_y.shape) for value in inputs)
        zp_x, zp_f = (tensors[name].zero_point for name in self.inputs)
        y = np.empty(tensor_y.shape, np.int8)
        for index in np.ndindex(tensor_y.shape):
            product = (int(x[index]) - zp_x) * (int(factor[index]) - zp_f)
            y[index] = requantise(
                product, 0, self.mult, self.shift, tensor_y.zero_point, self.lo, self.hi
            )
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        x, factor = (
            value.long() - tensors[name].zero_point
            for name, value in zip(self.inputs, inputs, strict=True)
        )
        return requantise_tensor(
            x * factor, self.mult, self.shift, tensors[self.output], self.lo, self.hi
        )
