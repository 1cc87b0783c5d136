"""Any function of one value, as SiLU or a sigmoid: a table of all 256 values of an int8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resarray.spec.numerics import INT8_MAX, INT8_MIN

from .base import FloatOp, QOp, QTensor, Shape


@dataclass(frozen=True, eq=False)
class FloatFunction(FloatOp):
    """``apply`` computes each value by itself, in the precision of its argument; ``function`` is
    its name."""

    function: str
    apply: Callable[[Tensor], Tensor]

    def compute(self, *inputs: Tensor) -> Tensor:
        return self.apply(inputs[0])

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        (x,) = inputs
        table = function_table(self.apply, x, y)
        return QFunction(self.name, x.name, y.name, table, self.function)


def function_table(apply: Callable[[Tensor], Tensor], x: QTensor, y: QTensor) -> np.ndarray:
    """int8 [256]: entry q + 128 is clamp(floor(f(x) / scale + 1/2) + zero point), x the real value
    of q, in double precision; what is no number counts as 0."""
    q = torch.arange(INT8_MIN, INT8_MAX + 1, dtype=torch.float64)
    values = apply(x.scale * (q - x.zero_point)).nan_to_num(0.0, torch.inf, -torch.inf)
    entries = (values / y.scale + 0.5).floor() + y.zero_point
    return entries.clamp(INT8_MIN, INT8_MAX).numpy().astype(np.int8)


@dataclass(frozen=True)
class QFunction(QOp):
    """out = table[x + 128], int8 [256]."""

    name: str
    input: str
    output: str
    table: np.ndarray
    op: str = "function"  # or which one, such as "silu"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        (x,) = inputs
        y = np.empty(tensors[self.output].shape, np.int8)
        for index in np.ndindex(y.shape):
            y[index] = self.table[int(x[index]) - INT8_MIN]
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        return torch.from_numpy(self.table)[inputs[0].long() - INT8_MIN]
