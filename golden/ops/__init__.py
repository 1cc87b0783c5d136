"""The operators, one file each: their float and integer records with all that is known of them."""

from .activation import FloatActivation
from .add import FloatAdd, QAdd
from .average_pool import (
    FloatAdaptiveAvgPool,
    FloatAvgPool,
    FloatGlobalAvgPool,
    QGlobalAvgPool,
)
from .base import ClampedOp, FloatOp, Operand, Origin, QOp, QTensor, Range, Shape
from .concat import FloatConcat
from .conv import FloatConv, FloatLinear, QConv
from .max_pool import FloatMaxPool, QMaxPool
from .scale import FloatAffine, FloatBatchNorm, FloatScale
from .select import FloatPad, FloatSlice
from .unsupported import FloatUnsupported

__all__ = [
    "ClampedOp",
    "FloatActivation",
    "FloatAdaptiveAvgPool",
    "FloatAdd",
    "FloatAffine",
    "FloatAvgPool",
    "FloatBatchNorm",
    "FloatConcat",
    "FloatConv",
    "FloatGlobalAvgPool",
    "FloatLinear",
    "FloatMaxPool",
    "FloatOp",
    "FloatPad",
    "FloatScale",
    "FloatSlice",
    "FloatUnsupported",
    "Operand",
    "Origin",
    "QAdd",
    "QConv",
    "QGlobalAvgPool",
    "QMaxPool",
    "QOp",
    "QTensor",
    "Range",
    "Shape",
]
