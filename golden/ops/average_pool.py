"""Global average pool."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resarray.spec.numerics import INT8_MAX, INT8_MIN, quantise_factor, requantise

from .base import FloatOp, QOp, QTensor, Range, Shape
from .requantise import requantise_tensor
from .scales import MAX_FACTOR, tensor_of_range


@dataclass(frozen=True, eq=False)
class FloatGlobalAvgPool(FloatOp):
    """Mean of the whole map: [C][1][1]."""

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[0].mean((2, 3), keepdim=True)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0][0], 1, 1

    def quantise(self, shape: Shape, bounds: Range, *inputs: QTensor) -> tuple[QOp, QTensor]:
        (x,) = inputs
        pixels = x.shape[1] * x.shape[2]
        y = tensor_of_range(self.output, shape, bounds, x.scale / pixels / MAX_FACTOR)
        mult, shift = quantise_factor(x.scale / pixels / y.scale)
        return QGlobalAvgPool(self.name, x.name, y.name, mult, shift), y


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
