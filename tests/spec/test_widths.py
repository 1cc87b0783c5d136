"""The widths of `numerics` hold every value that their definitions allow, and not one bit more."""

import numpy as np
import pytest

from resarray.spec import isa, winograd
from resarray.spec import numerics as n

pytestmark = pytest.mark.verifies("contract", by="unit")


def holds(bits: int, *values: int) -> bool:
    return all(-(1 << (bits - 1)) <= value < 1 << (bits - 1) for value in values)


def test_products():
    # a0, a1 in [-128, 127], w0, w1 in [-127, 127].
    factors = (-128 - 127, 127 + 127)
    assert holds(n.FACTOR_BITS, *factors) and not holds(n.FACTOR_BITS - 1, *factors)
    products = [a * b for a in factors for b in factors]
    assert holds(n.PRODUCT_BITS, *products) and not holds(n.PRODUCT_BITS - 1, *products)
    # The plain element's would fit one fewer; both elements have the same.
    assert holds(n.PRODUCT_BITS - 1, 2 * 128 * 127)


def test_winograds_operands():
    """Each width of the array's by the position that needs most."""
    # The ends of a sum of int8 (of weights) with these factors.
    activations = [
        (-128 * f[f > 0].sum() + 127 * f[f < 0].sum(), 127 * f[f > 0].sum() - 128 * f[f < 0].sum())
        for f in map(np.array, winograd.INPUT)
    ]
    weights = [(-127 * abs(f).sum(), 127 * abs(f).sum()) for f in winograd.WEIGHT]
    factors, products, sums = [], [], []
    for (lowest, highest), (least, most) in zip(activations, weights, strict=True):
        ends = [(a, w) for a in (lowest, highest) for w in (least, most)]
        found = [a + w for a, w in ends]
        factors += found
        products += [x * y for x in found for y in found]
        sums += [a0 * w0 + a1 * w1 + w0 * w1 for a0, w0 in ends for a1, w1 in ends]
    for bits, values in (
        (n.WINOGRAD_ACTIVATION_BITS, [v for ends in activations for v in ends]),
        (n.WINOGRAD_WEIGHT_BITS, [v for ends in weights for v in ends]),
        (n.WINOGRAD_FACTOR_BITS, factors),
        (n.WINOGRAD_PRODUCT_BITS, products),
    ):
        assert holds(bits, *values) and not holds(bits - 1, *values)
    assert max(map(abs, sums)) <= 2_155_825
    for rows in (4, 8, 16):
        bits = n.dot_bits(rows, n.WINOGRAD)
        assert holds(bits, *(rows // 2 * s for s in sums))
        assert not holds(bits - 1, *(rows // 2 * s for s in sums))


@pytest.mark.parametrize("rows", [4, 8, 16])
def test_dot_products(rows):
    ends = [
        a0 * w0 + a1 * w1 + w0 * w1
        for a0 in (-128, 127)
        for a1 in (-128, 127)
        for w0 in (-127, 127)
        for w1 in (-127, 127)
    ]
    assert max(map(abs, ends)) <= 48_641
    sums = [rows // 2 * end for end in ends]
    assert holds(n.dot_bits(rows), *sums) and not holds(n.dot_bits(rows) - 1, *sums)
    # The plain sums that are subtracted from: every pair product at its largest.
    assert holds(n.dot_bits(rows) + 1, rows // 2 * 255**2)


def test_requantisation():
    term = (n.INT8_MIN - n.INT8_MAX) * ((1 << n.MULT_BITS) - 1) << n.RESIDUAL_HEADROOM
    assert holds(n.TERM_BITS, term, -term) and not holds(n.TERM_BITS - 1, term)
    fixed = -(1 << (n.ACC_BITS - 1)) * ((1 << n.MULT_BITS) - 1)
    rounding = (1 << (n.GUARD_BITS - 1)) + (n.INT8_MAX << n.GUARD_BITS)
    assert holds(n.FIXED_BITS, fixed + term - (128 << n.GUARD_BITS), -fixed - term + rounding)


def test_average():
    pixels = n.MAX_AVERAGE_PIXELS
    assert pixels >= 1023 * 1023
    assert holds(n.SUM_BITS, -128 * pixels, 128 * pixels)
    assert not holds(n.SUM_BITS, 128 * (pixels + 1))
    assert holds(n.TOTAL_BITS, 255 * pixels, -255 * pixels)
    assert not holds(n.SUM_BITS, 255 * pixels)


def test_a_value_too_wide_is_named():
    n.require_bits(np.array([-128, 127]), 8, "byte")
    n.require_bits(np.zeros(0), 8, "nothing")
    with pytest.raises(n.WidthError, match=r"byte in \[-129, 0\] does not fit 8 bits"):
        n.require_bits(np.array([0, -129]), 8, "byte")


def test_operands_are_bytes():
    """Two of them make a factor of one bit more."""
    assert n.ACTIVATION_BITS == n.WEIGHT_BITS == n.FACTOR_BITS - 1 == 8
    assert holds(n.ACTIVATION_BITS, n.INT8_MIN, n.INT8_MAX)


@pytest.mark.parametrize(("signed", "ends"), [(True, (-8, 7)), (False, (0, 15))])
def test_values_of_a_field(signed, ends):
    assert isa.Field("x", 4, "", signed).range == ends
