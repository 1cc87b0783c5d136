"""The integer arithmetic against exact rational arithmetic."""

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resarray.spec import numerics as nx
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("operators", by="unit")

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
INT8 = st.integers(-128, 127)
MULT = st.one_of(st.just(0), st.integers(1 << 16, (1 << 17) - 1))
SHIFT = st.integers(0, 63)
HALF = Fraction(1, 2)


@given(INT32, MULT, SHIFT, INT8)
@example((1 << 31) - 1, (1 << 17) - 1, 0, 127)
@example(-(1 << 31), (1 << 17) - 1, 0, -128)
@example(1, 1 << 16, 1, 0)  # exactly a half: up
@example(-1, 1 << 16, 1, 0)  # exactly minus a half: up, to 0
def test_requantise_rounds_the_exact_value_half_up(t, mult, shift, zero_point):
    exact = Fraction(t * mult, 1 << (shift + nx.GUARD_BITS))
    expected = nx.clamp(math.floor(exact + HALF) + zero_point, -128, 127)
    assert nx.requantise(t, 0, mult, shift, zero_point, -128, 127) == expected
    assert nx.requantise(0, t, mult, shift, zero_point, -128, 127) == expected


@given(INT32, MULT, SHIFT, INT8, INT8, MULT, SHIFT)
@example((1 << 31) - 1, (1 << 17) - 1, 0, 127, -128, (1 << 17) - 1, 0)
def test_residual_costs_at_most_two_guard_steps(t, mult, shift, r, r_zp, r_mult, r_shift):
    term = nx.residual_term(r, r_zp, r_mult, r_shift)
    assert abs(term) <= 1 << 29
    fixed = (t * mult >> shift) + term
    assert abs(fixed) < 1 << 49  # 50 bits signed
    scale = 1 << nx.GUARD_BITS
    exact = Fraction(t * mult, scale << shift)
    exact += Fraction((r - r_zp) * r_mult << nx.RESIDUAL_HEADROOM, scale << r_shift)
    out = nx.requantise(t, 0, mult, shift, 0, -(1 << 60), 1 << 60, term)
    assert math.floor(exact + HALF - Fraction(2, scale)) <= out <= math.floor(exact + HALF)


@given(INT32, MULT, SHIFT, INT8, INT8, INT8)
def test_requantise_stays_in_its_clamp(t, mult, shift, zero_point, a, b):
    lo, hi = min(a, b), max(a, b)
    assert lo <= nx.requantise(t, 0, mult, shift, zero_point, lo, hi) <= hi


@given(st.floats(2.0**-40, 1.0, allow_nan=False), st.sampled_from([0, nx.RESIDUAL_HEADROOM]))
@example(1.0, 0)
@example(1.0, nx.RESIDUAL_HEADROOM)
def test_quantise_factor_is_within_its_error_bound(fraction, headroom):
    factor = fraction * (2 << headroom)
    if factor >= 2 << headroom:
        factor = math.nextafter(factor, 0)
    mult, shift = nx.quantise_factor(factor, headroom)
    assert 1 << 16 <= mult < 1 << 17 and 0 <= shift < 1 << nx.SHIFT_BITS
    value = Fraction(mult << headroom, 1 << (shift + nx.GUARD_BITS))
    # Above the largest representable factor it is the largest: an error of 2**-17 as well.
    assert abs(value / Fraction(factor) - 1) <= Fraction(1, 1 << 17)


@pytest.mark.parametrize("factor", [0.0, 1e-30])
def test_factors_too_small_are_zero(factor):
    assert nx.quantise_factor(factor) == (0, 0)


def test_identity_factor():
    assert nx.quantise_factor(1.0) == (nx.IDENTITY_MULT, 0)


@pytest.mark.parametrize(("factor", "headroom"), [(2.0, 0), (32.0, 4), (-0.1, 0), (math.nan, 0)])
def test_factors_out_of_range_are_refused(factor, headroom):
    with pytest.raises(ResarrayError, match="outside"):
        nx.quantise_factor(factor, headroom)


@pytest.mark.parametrize("exponent", [0, -3, -12])
def test_a_mantissa_that_rounds_up_is_the_next_power_of_two(exponent):
    below = math.ldexp(1 - 2**-20, exponent)
    assert nx.quantise_factor(below) == nx.quantise_factor(math.ldexp(1.0, exponent))


def test_factors_that_round_up_to_a_power_of_two_fit_their_field():
    """The mantissa of 1 - 2**-20 has no 17 bits."""
    for exponent in range(-20, 1):
        mult, shift = nx.quantise_factor((1 - 2.0**-20) * 2.0**exponent)
        assert mult == 1 << nx.MULT_BITS - 1
        assert mult * 2.0 ** (-shift - nx.GUARD_BITS) == 2.0**exponent


def test_signal_to_noise():
    assert nx.sqnr(200.0, 1.0) == pytest.approx(23.0103)
    assert nx.sqnr(1.0, 2.0) == pytest.approx(-3.0103)
    assert nx.sqnr(1.0, 0.0) is None
    assert nx.sqnr(0.0, 1.0) is None
