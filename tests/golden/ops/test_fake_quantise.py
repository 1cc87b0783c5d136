"""Scales that a file brings along: which are such of int8."""

import math

import pytest

from resarray.golden.ops import FloatQuantise

pytestmark = pytest.mark.verifies("operators", "quantiser", by="unit")


def quantise(scale: float, zero_point: int) -> FloatQuantise:
    return FloatQuantise("q", ("x",), "y", scale, zero_point)


@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_of_int8(zero_point):
    assert quantise(0.1, zero_point).valid
    assert quantise(0.1, zero_point).refusal() is None


WRONG = [(0.0, 0), (-1.0, 0), (math.inf, 0), (math.nan, 0), (0.1, -129), (0.1, 128)]


@pytest.mark.parametrize(("scale", "zero_point"), WRONG)
def test_not_of_int8(scale, zero_point):
    assert not quantise(scale, zero_point).valid
    assert "a scale is positive" in str(quantise(scale, zero_point).refusal())
