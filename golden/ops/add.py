"""Addition of two feature maps."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from resarray.spec.numerics import requantise, residual_term

from .base import QOp, QTensor
from .requantise import requantise_tensor, residual_tensor


@dataclass(frozen=True)
class QAdd(QOp):
    """out = requantise(a - zp_a, 0, mult, shift, residual = b): an addition that no convolution
    could take in."""

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
        a, b = inputs
        zp_a, zp_b = (tensors[name].zero_point for name in self.inputs)
        tensor_y = tensors[self.output]
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
