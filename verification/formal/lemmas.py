"""Lemmas about numbers alone: identities and widths on which the proofs of units rely, by
calculation over all cases."""

from collections.abc import Callable
from itertools import product

import numpy as np

from resarray.compiler.functional import Machine
from resarray.compiler.winograd import biases, wrapped
from resarray.hw.multiplier import MAX_BITS
from resarray.spec import numerics as n
from resarray.spec import winograd
from resarray.spec.config import ELEMENTS, LIMITS, MAX_DOT_LENGTH, Config

INT8 = np.arange(n.INT8_MIN, n.INT8_MAX + 1, dtype=np.int64)
WEIGHTS = np.arange(-n.WEIGHT_MAX, n.WEIGHT_MAX + 1, dtype=np.int64)
CUT = MAX_BITS - 1
ENDS = (n.INT8_MIN, n.INT8_MAX)
# By how much the quotient by 24 is shifted up in each cycle.
QUOTIENT = (2, 4, 8, 16)


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


def quotient(shifts: tuple[int, ...] = QUOTIENT) -> bool:
    """Minus the 24-fold of every output, modulo 2**32, added up with its shifted selves and shifted
    right by 3, is the output."""
    step = 1 << 24
    for first in range(0, 1 << winograd.SUM_BITS, step):
        output = np.arange(first, first + step, dtype=np.uint32)
        value = output * np.uint32(-winograd.FACTOR % (1 << 32))
        for shift in shifts:
            value += value << np.uint32(shift)
        if ((value >> np.uint32(3)) != output).any():
            return False
    return True


def winograd_identity(output: np.ndarray = winograd.OUTPUT) -> bool:
    """Six products make four outputs of three weights, 24-fold."""

    def difference(*point) -> int:
        x, w = np.array(point[: winograd.POSITIONS]), np.array(point[winograd.POSITIONS :])
        made = output @ ((winograd.INPUT @ x) * (winograd.WEIGHT @ w))
        direct = [x[j : j + winograd.TAPS] @ w for j in range(winograd.TILE)]
        return int(abs(made - winograd.FACTOR * np.array(direct)).max())

    return vanishes(difference, winograd.POSITIONS + winograd.TAPS)


def output_identity(weight: int = 3) -> bool:
    """What the output transform adds up is `winograd.OUTPUT` times the accumulators; ``weight``: of
    a triple."""

    def difference(*a: int) -> int:
        made = [sum(terms) for terms in output_sums(list(a), weight)]
        return int(abs(winograd.OUTPUT @ a - np.array(made)).max())

    return vanishes(difference, winograd.POSITIONS)


def _reaches() -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The least and the largest activation, and weight, of each position."""

    def reach(row, least: int, most: int) -> tuple[int, int]:
        up, down = int(row[row > 0].sum()), int(row[row < 0].sum())
        return up * least + down * most, up * most + down * least

    activations = [reach(row, *ENDS) for row in winograd.INPUT]
    return activations, [reach(row, -n.WEIGHT_MAX, n.WEIGHT_MAX) for row in winograd.WEIGHT]


def operand_width(less: int = 0) -> bool:
    """Each position's activations and weights, factors of pair products, and what elements give."""
    bits = n.WINOGRAD
    for activations, weights in zip(*_reaches(), strict=True):
        factors = [activations[0] + weights[0], activations[1] + weights[1]]
        products = [x * y for x, y in product(factors, repeat=2)]
        plain = [2 * a * w for a, w in product(activations, weights)]
        if not (
            fits(activations, bits.activation - less)
            and fits(weights, bits.weight - less)
            and fits(factors, bits.factor)
            and fits(products + plain, bits.product)
        ):
            return False
    return True


def tile_dot_width(less: int = 0) -> bool:
    """The column's sums of every configuration and position, with w0 w1 too, and those of a0 a1 not
    yet taken off; linear in each operand, they are largest at the ends."""
    rows = LIMITS["rows"]
    sizes = [r for r in range(rows.lowest, rows.highest + 1) if r in rows]
    for a, w in zip(*_reaches(), strict=True):
        sums = [
            a0 * w0 + a1 * w1 + w0 * w1 + shared * a0 * a1
            for a0, a1 in product(a, repeat=2)
            for w0, w1 in product(w, repeat=2)
            for shared in (0, 1)
        ]
        for r in sizes:
            if not fits([r // 2 * min(sums), r // 2 * max(sums)], n.dot_bits(r, n.WINOGRAD) - less):
                return False
    return True


def tile_model(folded: bool = True) -> bool:
    """The functional model's tiles are direct convolutions, with both elements: of a pair of
    channels all pixels and weights that are 0 or 1, in which the outputs have degree 1 each.
    ``folded``: the products of weights are taken off."""
    return all(_tile_model(element, folded) for element in ELEMENTS)


def _tile_model(element: str, folded: bool) -> bool:
    config = Config(name="lemma", rows=4, columns=64, lanes=4, element=element)
    machine = Machine(config, np.zeros(config.rows, np.uint8), check=False)
    bits = np.arange(1 << 2 * winograd.POSITIONS)
    x = np.zeros((len(bits), winograd.POSITIONS, 1, config.rows), np.int64)
    w = np.zeros((1, config.columns, winograd.TAPS, config.rows), np.int8)
    for channel in range(2):
        for i in range(winograd.POSITIONS):
            x[:, i, 0, channel] = bits >> (channel * winograd.POSITIONS + i) & 1
        for i in range(winograd.TAPS):
            w[0, :, i, channel] = np.arange(config.columns) >> (channel * winograd.TAPS + i) & 1
    acc = wrapped(machine._tile_sums(x.reshape(-1, 1, config.rows), w))
    pair = folded and element == "pair"
    machine.params[0, 0] = biases(np.zeros(config.columns, np.int64), w, pair)
    fields = {"width": winograd.TILE * len(bits), "height": 1}
    made = machine._tile_outputs(fields, acc, 0).reshape(len(bits), winograd.TILE, -1)
    direct = sum(
        x[:, t : t + winograd.TILE, 0] @ w[0, :, t].astype(np.int64).T for t in range(winograd.TAPS)
    )
    return bool((made == direct).all())


def output_sums(a: list, weight: int = 3) -> list[list]:
    """For each output of a tile what is added up of the accumulators ``a`` of its first positions:
    positions 1 and 2, and 3 and 4, come in pairs; ``weight``: of a triple."""
    triple = [(x + (x << (weight - 2))) for x in a]
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
