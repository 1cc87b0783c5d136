"""Requantisation lane: accumulator and residual in, int8 out (`resarray.spec.numerics`)."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import numerics as n
from .common import clamp, delay
from .layouts import PARAMS

LATENCY = 8
FIXED_BITS = 50  # see the widths in `resarray.spec.numerics`


def round_to_int8(fixed, zp_out, lo, hi):
    """Drop the guard bits, rounding half up, move by the zero point, clamp."""
    rounded = (fixed + (1 << (n.GUARD_BITS - 1))) >> n.GUARD_BITS
    return clamp(rounded + zp_out, lo, hi)


class RequantiseLane(wiring.Component):
    """One channel a cycle, LATENCY cycles later.

    Members
    -------
    acc : In(signed 32), params : In(PARAMS)
    residual : In(signed 8), res_en, res_zp, res_mult, res_shift, zp_out, lo, hi : In
        constant while pixels are under way
    out : Out(signed 8)
    """

    acc: In(signed(32))
    params: In(PARAMS)
    residual: In(signed(8))
    res_en: In(1)
    res_zp: In(signed(8))
    res_mult: In(n.MULT_BITS)
    res_shift: In(n.SHIFT_BITS)
    zp_out: In(signed(8))
    lo: In(signed(8))
    hi: In(signed(8))
    out: Out(signed(8))

    def elaborate(self, platform):
        m = Module()
        product_bits = 32 + n.MULT_BITS
        # Cycle 1: bias; the compiler keeps the sum in 32 bits.
        total = Signal(signed(32), reset_less=True)
        mult = delay(m, self.params.mult, 1, "mult", reset_less=True)
        m.d.sync += total.eq(self.acc + self.params.bias)
        centred = Signal(signed(9), reset_less=True)
        m.d.sync += centred.eq(self.residual - self.res_zp)
        # Cycles 2 to 4: multiply, with the multiplier's pipeline and output registers.
        product = Signal(signed(product_bits), reset_less=True)
        res_product = Signal(signed(9 + n.MULT_BITS), reset_less=True)
        m.d.sync += [product.eq(total * mult), res_product.eq(centred * self.res_mult)]
        product = delay(m, product, 2, "product", reset_less=True)
        res_product = delay(m, res_product, 2, "res_product", reset_less=True)
        shift = delay(m, self.params.shift, 4, "shift", reset_less=True)
        # Cycles 5 and 6: shift right, coarse then fine.
        coarse = Signal.like(product, reset_less=True)
        fixed = Signal.like(product, reset_less=True)
        m.d.sync += coarse.eq(product >> (shift & 0b111000))
        fine = delay(m, shift[:3], 1, "fine", reset_less=True)
        m.d.sync += fixed.eq(coarse >> fine)
        term = Signal(signed(9 + n.MULT_BITS + n.RESIDUAL_HEADROOM), reset_less=True)
        with m.If(self.res_en):
            m.d.sync += term.eq((res_product << n.RESIDUAL_HEADROOM) >> self.res_shift)
        with m.Else():
            m.d.sync += term.eq(0)
        term = delay(m, term, 1, "term", reset_less=True)
        # Cycle 7: add. Cycle 8: round once, clamp.
        fixed_sum = Signal(signed(FIXED_BITS), reset_less=True)
        m.d.sync += fixed_sum.eq(fixed + term)
        m.d.sync += self.out.eq(round_to_int8(fixed_sum, self.zp_out, self.lo, self.hi))
        return m
