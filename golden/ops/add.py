"""Addition of two feature maps, or of a map and a value for each channel of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from resarray.spec.numerics import quantise_factor, requantise, residual_term

from .base import ClampedOp, Operand, QOp, QTensor, Shape, broadcast_refusal
from .requantise import requantise_tensor, residual_tensor
from .scales import (
    MAX_FACTOR,
    MAX_RESIDUAL_FACTOR,
    integer_clamp,
    residual_factor,
)


@dataclass(frozen=True, eq=False)
class FloatAdd(ClampedOp):
    """a + b, b of the shape of a [C, H, W] or [C, 1, 1]."""

    def compute(self, *inputs: Tensor) -> Tensor:
        return self.clamp(inputs[0] + inputs[1])

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def refusal(self, *operands: Operand) -> str | None:
        return broadcast_refusal(*operands)

    def min_scale(self, *inputs: QTensor) -> float:
        x, residual = _ordered(*inputs)
        return max(x.scale / MAX_FACTOR, residual.scale / MAX_RESIDUAL_FACTOR)

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        x, residual = _ordered(*inputs)
        mult, shift = quantise_factor(x.scale / y.scale)
        res_mult, res_shift = residual_factor(residual, y)
        lo, hi = integer_clamp(self.lo, self.hi, y)
        return QAdd(
            name=self.name,
            input=x.name,
            residual=residual.name,
            output=y.name,
            mult=mult,
            shift=shift,
            res_mult=res_mult,
            res_shift=res_shift,
            lo=lo,
            hi=hi,
        )


def _ordered(a: QTensor, b: QTensor) -> tuple[QTensor, QTensor]:
    """Input and residual: a map before a value for each channel; of equal shapes the larger scale
    last, since the residual's factor may be larger than the input's."""
    return (b, a) if a.shape == b.shape and a.scale > b.scale else (a, b)


@dataclass(frozen=True)
class QAdd(QOp):
    """out = requantise(a - zp_a, 0, mult, shift, residual = b): an addition that no convolution
    could take in. The residual has the input's shape [C][H][W], or [C][1][1]: one value for each
    channel."""

    name: str
    input: str
    residual: str
    output: str
    mult: int
    shift: int
    res_mult: int
    res_shift: int
    lo: int = -128
    hi: int = 127
    op: str = "add"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input, self.residual)

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """a + b, rounded once."""
        tensor_y = tensors[self.output]
        a, b = (np.broadcast_to(value, tensor_y.shape) for value in inputs)
        zp_a, zp_b = (tensors[name].zero_point for name in self.inputs)
        y = np.empty(tensor_y.shape, np.int8)
        for index in np.ndindex(tensor_y.shape):
            term = residual_term(int(b[index]), zp_b, self.res_mult, self.res_shift)
            y[index] = requantise(
                int(a[index]) - zp_a,
                0,
                self.mult,
                self.shift,
                tensor_y.zero_point,
                self.lo,
                self.hi,
                term,
            )
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        a, b = inputs
        residual = residual_tensor(b, tensors[self.residual], self.res_mult, self.res_shift)
        return requantise_tensor(
            a.long() - tensors[self.input].zero_point,
            self.mult,
            self.shift,
            tensors[self.output],
            self.lo,
            self.hi,
            residual,
        )
