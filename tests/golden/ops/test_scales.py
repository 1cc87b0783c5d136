"""Scales and zero points of ranges, and real bounds as integers."""

import math

import pytest

from resarray.golden.ops import QTensor
from resarray.golden.ops.scales import integer_clamp, range_of, scale_and_zero_point

pytestmark = pytest.mark.verifies("operators", by="unit")


@pytest.mark.parametrize(("lo", "hi"), [(0, 1), (-1, 0), (-3, 5), (-1e-3, 100), (0, 0)])
def test_zero_is_represented_exactly(lo, hi):
    scale, zero_point = scale_and_zero_point(lo, hi)
    assert -128 <= zero_point <= 127 and scale > 0
    assert (-128 - zero_point) * scale <= lo + scale and (127 - zero_point) * scale >= hi - scale


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        (-math.inf, math.inf, (-128, 127)),
        (0.0, math.inf, (-28, 127)),
        (0.0, 6.0, (-28, 32)),
        (-0.26, 0.24, (-31, -26)),
        (-50.0, 50.0, (-128, 127)),
    ],
)
def test_bounds_as_integers(lo, hi, expected):
    assert integer_clamp(lo, hi, QTensor("y", (1, 1, 1), 0.1, -28)) == expected


@pytest.mark.parametrize(("scale", "zero_point"), [(0.5, -128), (0.01, 0), (0.25, 100)])
def test_the_range_of_a_scale_has_that_scale(scale, zero_point):
    lo, hi = range_of(scale, zero_point)
    assert lo <= 0 <= hi
    assert scale_and_zero_point(lo, hi) == (pytest.approx(scale), zero_point)
