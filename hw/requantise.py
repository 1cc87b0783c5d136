"""Requantisation lane: accumulator and residual in, int8 out (`resarray.spec.numerics`)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import numerics as n
from ..spec import winograd
from .common import add, add_where, copies, delay, less
from .layouts import PARAMS
from .multiplier import LATENCY as MULTIPLY_LATENCY
from .multiplier import WIDE_LATENCY, Multiplier, WideMultiplier

# The quotient by 24, four shifted additions; then all that follows is as much later.
DIVIDE_LATENCY = 4


def latency(winograd: bool) -> int:
    """Cycles of a lane, of one for Winograd's outputs too."""
    return 8 + WIDE_LATENCY + (DIVIDE_LATENCY if winograd else 0)


def rounding(zp_out):
    """What the fixed-point value needs before `saturate`: half a unit, to round half up when the
    guard bits are dropped, and the zero point."""
    return Cat(Const(1 << (n.GUARD_BITS - 1), n.GUARD_BITS), zp_out).as_signed()


def saturate(m: Module, fixed, name: str):
    """The integer part of ``fixed`` as int8, 2 cycles later."""
    # Cycle 1: is it in range? All bits above the lowest 7 are the sign then.
    integer = fixed[n.GUARD_BITS :]
    above = integer[7:]
    sign, fits = Signal(name=f"{name}_sign"), Signal(name=f"{name}_fits")
    low = delay(m, integer[:7], 1, f"{name}_low", reset_less=True)
    m.d.sync += [sign.eq(above[-1]), fits.eq(above.all() | ~above.any())]
    # Cycle 2: the nearest int8.
    result = Signal(signed(8), name=f"{name}_int8", reset_less=True)
    m.d.sync += result.eq(Cat(Mux(fits, low, (~sign).replicate(7)), sign).as_signed())
    return result


def shift_right(m: Module, value, shift, name: str):
    """``value >> shift`` 2 cycles later; ``shift`` comes with ``value``."""
    coarse = Signal.like(value, name=f"{name}_coarse", reset_less=True)
    fine = Signal.like(value, name=f"{name}_fine", reset_less=True)
    m.d.sync += coarse.eq(value >> Cat(Const(0, 3), shift[3:]))
    m.d.sync += fine.eq(coarse >> delay(m, shift[:3], 1, f"{name}_shift", reset_less=True))
    return fine


class RequantiseLane(wiring.Component):
    """One channel a cycle, `latency` cycles later, and MULTIPLY_LATENCY more with ``multiply``:
    then accumulator plus bias, of n.OPERAND_BITS bits, are multiplied by the residual before the
    factor.

    Members
    -------
    acc : In(signed), params : In(PARAMS)
    residual : In(signed 8)
    winograd : In           bias minus acc is -24 times the sum, modulo 2**ACC_BITS
    res_en, multiply, res_zp, res_mult, res_shift, zp_out, lo, hi : In
        constant while pixels are under way, and a cycle before
    out : Out(signed 8)
    """

    acc: In(signed(n.ACC_BITS))
    params: In(PARAMS)
    residual: In(signed(8))
    winograd: In(1)
    res_en: In(1)
    multiply: In(1)
    res_zp: In(signed(8))
    res_mult: In(n.MULT_BITS)
    res_shift: In(n.SHIFT_BITS)
    zp_out: In(signed(8))
    lo: In(signed(8))
    hi: In(signed(8))
    out: Out(signed(8))

    def __init__(self, winograd: bool = False):
        self._winograd = winograd
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        # Cycle 1: bias; the compiler keeps the sum in 32 bits.
        total = Signal(signed(n.ACC_BITS), reset_less=True)
        waited = Cat(self.residual, self.params.mult, self.params.shift)
        if self._winograd:
            # Of tiles, one for each step of the quotient too: they drive many LUTs.
            *tiled, sign = copies(m, platform, self.winograd, DIVIDE_LATENCY + 2, "tiled")
            acc = Cat(self.acc.as_unsigned() ^ sign.replicate(n.ACC_BITS)).as_signed()
            m.d.sync += total.eq(add(self.params.bias, acc, sign))
            total = self._divided(m, platform, total, tiled)
            waited = delay(m, waited, DIVIDE_LATENCY, "waited", reset_less=True)
        else:
            m.d.sync += total.eq(self.acc + self.params.bias)
        residual_byte = waited[:8].as_signed()
        mult, shift = waited[8 : 8 + n.MULT_BITS], waited[8 + n.MULT_BITS :]
        # Beside it the residual. Cycle 1: centre. Cycles 2 to 4: multiply by its factor, or by the
        # total; then all that follows is as much later. Cycles 5 and 6: shift.
        centred = Signal(signed(9), reset_less=True)
        m.d.sync += centred.eq(residual_byte - self.res_zp)
        m.submodules.residual = residual = Multiplier(9, n.OPERAND_BITS)
        factor = Cat(self.res_mult, Const(0, 1)).as_signed()
        m.d.comb += [
            residual.a.eq(centred),
            residual.b.eq(Mux(self.multiply, total[: n.OPERAND_BITS].as_signed(), factor)),
        ]
        product = Signal(signed(n.TERM_BITS))
        m.d.comb += product.eq(residual.product << n.RESIDUAL_HEADROOM)
        term = shift_right(m, product, self.res_shift, "term")

        def later(value, name):
            return Mux(
                self.multiply, delay(m, value, MULTIPLY_LATENCY, name, reset_less=True), value
            )

        # Cycles 2 to 5: multiply.
        m.submodules.multiplier = multiplier = WideMultiplier(n.ACC_BITS, n.MULT_BITS)
        mult = delay(m, mult, 1, "mult", reset_less=True)
        shift = delay(m, shift, 1, "shift", reset_less=True)
        m.d.comb += [
            multiplier.a.eq(Mux(self.multiply, residual.product, total)),
            multiplier.b.eq(later(mult, "later_mult")),
        ]
        # Cycles 6 and 7: shift right, coarse then fine.
        shift = delay(m, later(shift, "later_shift"), WIDE_LATENCY, "shift_", reset_less=True)
        fixed = shift_right(m, multiplier.product, shift, "fixed")

        # Cycle 7: what else is added.
        others = Signal(signed(n.TERM_BITS + 1), reset_less=True)
        added = delay(m, self.res_en & ~self.multiply, 1, "added", reset_less=True)
        m.d.sync += others.eq(Mux(added, term, 0) + rounding(self.zp_out))

        # Cycle 8: add. Cycles 9 and 10: round once. Cycles 11 and 12: clamp.
        fixed_sum = Signal(signed(n.FIXED_BITS), reset_less=True)
        m.d.sync += fixed_sum.eq(fixed + others)
        result = saturate(m, fixed_sum, "sum")
        below, above = Signal(reset_less=True), Signal(reset_less=True)
        output = Signal(signed(8), reset_less=True)
        inside = delay(m, result, 1, "inside", reset_less=True)
        m.d.sync += [
            below.eq(less(result, self.lo)),
            above.eq(less(self.hi, result)),
            output.eq(Mux(below, self.lo, Mux(above, self.hi, inside))),
        ]
        m.d.comb += self.out.eq(output)
        return m

    def _divided(self, m: Module, platform, total, tiled: list):
        """``total`` / -24 as in `winograd.divide`, or ``total`` as it is, DIVIDE_LATENCY cycles
        later: -1 / 3 is (1 + 4)(1 + 16)(1 + 256)(1 + 65536) modulo 2**32, a factor a cycle; then
        the eighth."""
        value = total
        for i in range(DIVIDE_LATENCY):
            more = value << (2 << i)
            register = Signal(signed(n.ACC_BITS), name=f"quotient{i}", reset_less=True)
            times = add_where(m, platform, tiled[i], more[: n.ACC_BITS], value, f"times{i}")
            m.d.sync += register.eq(times)
            value = register
        return Mux(tiled[-1], value >> n.ACC_BITS - winograd.SUM_BITS, value)
