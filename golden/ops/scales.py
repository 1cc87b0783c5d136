"""Scales, zero points and factors: from ranges of real values to the integers of an operator."""

import math

from resarray.spec import numerics

from .base import QTensor, Range, Shape

# Largest factors in use, a little below what `quantise_factor` takes.
MAX_FACTOR = 1.999
MAX_RESIDUAL_FACTOR = 31.99


def scale_and_zero_point(lo: float, hi: float, min_scale: float = 0.0) -> tuple[float, int]:
    """Scale (at least ``min_scale``) and int8 zero point that represent [lo, hi] and 0 exactly."""
    scale = max((hi - lo) / 255, min_scale)
    if scale == 0:  # a tensor that is always 0
        scale = 1 / 127
    zero_point = numerics.clamp(round(-128 - lo / scale), numerics.INT8_MIN, numerics.INT8_MAX)
    return scale, zero_point


def range_of(scale: float, zero_point: int) -> Range:
    """The lowest and the highest number that int8 has with this scale and zero point."""
    lo, hi = (scale * (q - zero_point) for q in (numerics.INT8_MIN, numerics.INT8_MAX))
    return lo, hi


def tensor_of_range(name: str, shape: Shape, bounds: Range, min_scale: float = 0.0) -> QTensor:
    """The tensor ``name`` with the scale (at least ``min_scale``) and zero point of its range."""
    return QTensor(name, shape, *scale_and_zero_point(*bounds, min_scale))


def residual_factor(residual: QTensor, y: QTensor) -> tuple[int, int]:
    """(res_mult, res_shift) with which a residual operand is added to ``y``."""
    return numerics.quantise_factor(residual.scale / y.scale, numerics.RESIDUAL_HEADROOM)


def integer_clamp(lo: float, hi: float, y: QTensor) -> tuple[int, int]:
    """The real bounds [lo, hi], infinite ones too, as int8 values of ``y``."""
    return _integer(lo, y), _integer(hi, y)


def _integer(bound: float, y: QTensor) -> int:
    if math.isinf(bound):
        return numerics.INT8_MIN if bound < 0 else numerics.INT8_MAX
    return numerics.clamp(
        round(bound / y.scale) + y.zero_point, numerics.INT8_MIN, numerics.INT8_MAX
    )
