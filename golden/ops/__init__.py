"""The operators, one file each: their float and integer records with all that is known of them."""

from .add import QAdd
from .average_pool import QGlobalAvgPool
from .base import QOp, QTensor, Shape
from .conv import QConv
from .max_pool import QMaxPool

__all__ = ["QAdd", "QConv", "QGlobalAvgPool", "QMaxPool", "QOp", "QTensor", "Shape"]
