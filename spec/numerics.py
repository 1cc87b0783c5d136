"""The arithmetic of the accelerator, integers only. Golden model, compiler and hardware equal it.

A value ``x`` of a tensor with ``scale`` and ``zero_point`` is stored as the int8
``q = round(x / scale) + zero_point``. Weights are int8
in [-127, 127], symmetric, per output channel.

Requantisation of an accumulator (see docs/numerics.md for the derivation)::

    t     = acc + bias                                      int32, exact
    t     = t * (r - r_zp)                                  of a product instead of an addition
    fixed = (t * mult) >> shift                             G guard bits, floor
    fixed += ((r - r_zp) * r_mult << R_HEADROOM) >> r_shift   residual, same fixed point
    out   = clamp(((fixed + 2**(G-1)) >> G) + zp_out, lo, hi)   one rounding, half up

``mult`` is an unsigned normalised 17-bit mantissa (2**16 <= mult < 2**17, or 0), so the real
factor is ``mult * 2**-(shift + G)``, below 2; the residual's is
``r_mult * 2**(R_HEADROOM - r_shift - G)``, below 32.

The widths below are those of the hardware, which is built from them; the functional model asserts
them on every value (`require_bits`), so what would wrap in a register cannot pass below RTL.
"""

import math
from dataclasses import dataclass

import numpy as np

from .errors import ResarrayError

INT8_MIN, INT8_MAX = -128, 127
WEIGHT_MAX = 127
GUARD_BITS = 16
MULT_BITS = 17
SHIFT_BITS = 6
RESIDUAL_HEADROOM = 4

# Operands of the array, and the factors of a pair product: a0 + w1 in [-255, 254].
ACTIVATION_BITS = WEIGHT_BITS = 8
FACTOR_BITS = 9
# One element: |pair product| <= 255**2 = 65,025; two plain products 2 * 128 * 127 = 32,512.
PRODUCT_BITS = 17
# The same with Winograd's transforms (`winograd`) before the array. Activations of position 0:
# 4 + 5 + 1 = 10 times 128; weights of position 3: 1 + 2 + 4 = 7 times 127. The factors of a pair
# product are largest at position 1, 1,280 + 3 * 127 = 1,661; at position 3 they are 6 * 128 + 889.
WINOGRAD_ACTIVATION_BITS = 12
WINOGRAD_WEIGHT_BITS = 11
WINOGRAD_FACTOR_BITS = 12
WINOGRAD_PRODUCT_BITS = 23
# An accumulator, a bias, and their sum t. A column's sums and the folded bias are exact modulo
# 2**32, so t is right wherever it fits; the compiler refuses channels for which it might not.
ACC_BITS = 32
# Accumulator plus bias where it is multiplied by a residual: |x - x_zp| <= 255 uses 9 of them.
OPERAND_BITS = MULT_BITS + 1
# The residual term, 2**8 * 2**17 * 2**4 = 2**29 in magnitude; and its sum with fixed (49 bits at
# shift 0), half a unit and the zero point.
TERM_BITS = 9 + MULT_BITS + RESIDUAL_HEADROOM
FIXED_BITS = ACC_BITS + MULT_BITS + 1
# Sum of a global average's int8 pixels, and its bias -pixels * zero_point: below 2**20 pixels
# (1023 x 1023 are 1,046,529) both stay below 2**27 in magnitude; together one bit more.
SUM_BITS = 28
TOTAL_BITS = SUM_BITS + 1
MAX_AVERAGE_PIXELS = (1 << (SUM_BITS - 8)) - 1


@dataclass(frozen=True)
class Operands:
    """Bits of what the array multiplies: an ``activation`` and a ``weight``; a ``factor`` of a pair
    product; and the ``product`` of an element, which takes a pair of channels."""

    activation: int
    weight: int
    factor: int
    product: int


DIRECT = Operands(ACTIVATION_BITS, WEIGHT_BITS, FACTOR_BITS, PRODUCT_BITS)
WINOGRAD = Operands(
    WINOGRAD_ACTIVATION_BITS, WINOGRAD_WEIGHT_BITS, WINOGRAD_FACTOR_BITS, WINOGRAD_PRODUCT_BITS
)


class WidthError(AssertionError):
    """A value that the hardware's register does not hold: a fault of the compiler."""


def dot_bits(rows: int, operands: Operands = DIRECT) -> int:
    """Bits of a column's result for one k-tile of ``rows`` (a power of two) channels: the sum of
    rows / 2 elements, |a0*w0 + a1*w1 + w0*w1| <= 2*128*127 + 127**2 = 48,641 each; with Winograd's
    transforms 2*768*889 + 889**2 = 2,155,825, at position 3."""
    return operands.product + (rows // 2 - 1).bit_length()


def require_bits(value: np.ndarray | int, bits: int, what: str) -> None:
    """`WidthError` where a value of ``value`` does not fit ``bits`` bits of two's complement."""
    values = np.asarray(value)
    if not values.size:
        return
    lowest, highest = int(values.min()), int(values.max())
    if lowest < -(1 << (bits - 1)) or highest >= 1 << (bits - 1):
        raise WidthError(f"{what} in [{lowest}, {highest}] does not fit {bits} bits")


# The identity factor: (t * IDENTITY_MULT) >> 0 is t with G guard bits.
IDENTITY_MULT = 1 << GUARD_BITS


def clamp(value: int, lo: int, hi: int) -> int:
    """``value`` limited to [lo, hi]."""
    return max(lo, min(hi, value))


def residual_term(r: int, r_zp: int, r_mult: int, r_shift: int) -> int:
    """The residual operand in G-bit fixed point (30-bit signed)."""
    return (((r - r_zp) * r_mult) << RESIDUAL_HEADROOM) >> r_shift


def requantise(
    acc: int, bias: int, mult: int, shift: int, zp_out: int, lo: int, hi: int, residual: int = 0
) -> int:
    """One int8 output from one accumulator; ``residual`` is a `residual_term`."""
    fixed = ((acc + bias) * mult >> shift) + residual
    return clamp(((fixed + (1 << (GUARD_BITS - 1))) >> GUARD_BITS) + zp_out, lo, hi)


def quantise_factor(factor: float, headroom: int = 0) -> tuple[int, int]:
    """``(mult, shift)`` with ``mult * 2**(headroom - shift - G)`` nearest to ``factor``.

    ``factor`` in [0, 2 * 2**headroom); 0 and factors below the smallest representable give (0, 0).
    The relative error is at most 2**-17.
    """
    if not 0 <= factor < 2 << headroom:
        raise ResarrayError(
            f"requantisation factor {factor:g} is outside [0, {2 << headroom}): "
            "the output's scale is too small for its input; widen its calibration range"
        )
    if factor == 0:
        return 0, 0
    mantissa, exponent = math.frexp(factor)  # factor = mantissa * 2**exponent, 0.5 <= mantissa < 1
    mult = round(mantissa * (1 << MULT_BITS))
    if mult == 1 << MULT_BITS:
        mult, exponent = mult >> 1, exponent + 1
    # factor = mult * 2**(exponent - MULT_BITS) = mult * 2**(headroom - shift - GUARD_BITS)
    shift = headroom - GUARD_BITS + MULT_BITS - exponent
    if shift < 0:  # rounding up reached 2 * 2**headroom: take the largest below it
        return (1 << MULT_BITS) - 1, 0
    if shift >= 1 << SHIFT_BITS:
        return 0, 0
    return mult, shift


def sqnr(signal: float, noise: float) -> float | None:
    """Signal-to-quantisation-noise ratio in dB of sums of squares; None: exact, or nothing but
    zeros."""
    return 10 * math.log10(signal / noise) if signal and noise else None
