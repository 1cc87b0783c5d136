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
from .concat import FloatConcat, QConcat
from .constant import FloatConstant, QConstant
from .conv import FloatConv, FloatLinear, QConv
from .fake_quantise import FloatQuantise
from .function import FloatFunction, QFunction
from .max_pool import FloatMaxPool, QMaxPool
from .multiply import FloatMultiply, QMultiply
from .scale import FloatAffine, FloatBatchNorm, FloatScale
from .select import FloatPad, FloatSlice, QSlice
from .unsupported import FloatUnsupported
from .upsample import FloatUpsample, QUpsample

__all__ = [
    "ClampedOp",
    "FloatActivation",
    "FloatAdaptiveAvgPool",
    "FloatAdd",
    "FloatAffine",
    "FloatAvgPool",
    "FloatBatchNorm",
    "FloatConcat",
    "FloatConstant",
    "FloatConv",
    "FloatFunction",
    "FloatGlobalAvgPool",
    "FloatLinear",
    "FloatMaxPool",
    "FloatMultiply",
    "FloatOp",
    "FloatPad",
    "FloatQuantise",
    "FloatScale",
    "FloatSlice",
    "FloatUnsupported",
    "FloatUpsample",
    "Operand",
    "Origin",
    "QAdd",
    "QConcat",
    "QConstant",
    "QConv",
    "QFunction",
    "QGlobalAvgPool",
    "QMaxPool",
    "QMultiply",
    "QOp",
    "QSlice",
    "QTensor",
    "QUpsample",
    "Range",
    "Shape",
]
