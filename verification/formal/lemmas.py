"""Lemmas about numbers alone: identities and widths on which the proofs of units rely, by
calculation over all cases."""

from collections.abc import Callable
from itertools import product

import numpy as np

from resarray.hw.multiplier import MAX_BITS
from resarray.spec import numerics as n
from resarray.spec.config import LIMITS, MAX_DOT_LENGTH

INT8 = np.arange(n.INT8_MIN, n.INT8_MAX + 1, dtype=np.int64)
WEIGHTS = np.arange(-n.WEIGHT_MAX, n.WEIGHT_MAX + 1, dtype=np.int64)
CUT = MAX_BITS - 1
ENDS = (n.INT8_MIN, n.INT8_MAX)


def vanishes(difference: Callable[..., int], variables: int) -> bool:
    """Whether a polynomial with integer coefficients, of degree at most 1 in each variable, is 0
    everywhere: it is where it is 0 for all variables 0 or 1."""
    return all(difference(*point) == 0 for point in product((0, 1), repeat=variables))


def pair_identity(shared: int = 1) -> bool:
    """(a0 + w1)(a1 + w0) - a0 a1 - w0 w1 is the dot product of a pair."""
    return vanishes(
        lambda a0, a1, w0, w1: (
            (a0 + w1) * (a1 + w0) - shared * a0 * a1 - w0 * w1 - (a0 * w0 + a1 * w1)
        ),
        4,
    )


def output_sums(a: list) -> list[list]:
    """For each output of a tile what is added up of the accumulators ``a`` of its first positions:
    positions 1 and 2, and 3 and 4, come in pairs."""
    triple = [(x + (x << 1)) for x in a]
    found: list[list] = [[triple[0] << 1], [], [], []]
    if len(a) > 2:
        total, difference = a[1] + a[2], a[1] - a[2]
        pair = [total << 2, difference << 2, total << 2, difference << 2]
        found = [[*of, more] for of, more in zip(found, pair, strict=True)]
    if len(a) > 4:
        total, difference = a[3] + a[4], a[3] - a[4]
        pair = [total, difference << 1, total << 2, difference << 3]
        found = [[*of, more] for of, more in zip(found, pair, strict=True)]
    if len(a) > 5:
        found[3].append(triple[5] << 3)
    return found


def wide_product(weight: int = CUT) -> bool:
    """A product is that of the high part with its weight, and that of the low part."""
    return vanishes(
        lambda high, low, b: ((high << CUT) + low) * b - ((high * b << weight) + low * b), 3
    )


def fits(values, bits: int) -> bool:
    """Whether all of ``values`` are in ``bits`` bits of two's complement."""
    values = np.asarray(values)
    return bool((values >= -(1 << (bits - 1))).all() and (values < 1 << (bits - 1)).all())


def pair_width(bits: int = n.PRODUCT_BITS) -> bool:
    """All factors a + w, and all products of two of them."""
    factors = np.unique(INT8[:, None] + WEIGHTS)
    return fits(factors, n.FACTOR_BITS) and fits(factors[:, None] * factors, bits)


def dot_width(less: int = 0) -> bool:
    """The column's sums of every configuration, which hold w0 w1 as well. A pair's sum is linear in
    a0 and in a1: over all weights it is largest at their ends."""
    w0, w1 = WEIGHTS[:, None], WEIGHTS
    sums = [a0 * w0 + a1 * w1 + w0 * w1 for a0, a1 in product(ENDS, repeat=2)]
    lowest, highest = min(map(np.min, sums)), max(map(np.max, sums))
    rows = LIMITS["rows"]
    sizes = [r for r in range(rows.lowest, rows.highest + 1) if r in rows]
    return max(-lowest, highest) <= 48_641 and all(
        fits([r // 2 * lowest, r // 2 * highest], n.dot_bits(r) - less) for r in sizes
    )


def accumulator_width(length: int = MAX_DOT_LENGTH) -> bool:
    """Any sum of as many products."""
    return length // 2 * 48_641 < 1 << (n.ACC_BITS - 1)


def requantise_width(bits: int = n.FIXED_BITS) -> bool:
    """The residual's term and the sum in fixed point. Both are monotonous in each of their
    operands: they are largest at the ends."""
    mults = (0, (1 << n.MULT_BITS) - 1)
    terms = [n.residual_term(r, zp, mult, 0) for r in ENDS for zp in ENDS for mult in mults]
    totals = (-(1 << (n.ACC_BITS - 1)), (1 << (n.ACC_BITS - 1)) - 1)
    half = 1 << (n.GUARD_BITS - 1)
    sums = [
        total * mult + term + half + (zp << n.GUARD_BITS)
        for total in totals
        for mult in mults
        for term in (min(terms), max(terms))
        for zp in ENDS
    ]
    return fits(terms, n.TERM_BITS) and fits(sums, bits)


def average_width(bits: int = n.TOTAL_BITS) -> bool:
    """A global average's sum, its bias, and both together, for the most pixels."""
    sums = [q * n.MAX_AVERAGE_PIXELS for q in ENDS]
    biases = [-zp * n.MAX_AVERAGE_PIXELS for zp in ENDS]
    return fits(sums + biases, n.SUM_BITS) and fits([s + b for s in sums for b in biases], bits)
