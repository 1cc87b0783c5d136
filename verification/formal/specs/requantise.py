"""The requantisation lane equals `numerics.requantise`, at full width."""

from functools import partial

from amaranth.hdl import Assert, Assume, Cat, Const, Module, signed
from amaranth.lib.wiring import Component, In, Out

from resarray.hw import requantise
from resarray.hw.common import delay
from resarray.hw.multiplier import LATENCY, WIDE_LATENCY
from resarray.hw.requantise import RequantiseLane
from resarray.spec import numerics as n
from resarray.spec import winograd

from .. import lemmas
from ..pipeline import Inside, Pipeline, definition
from ..properties import Edit, Induction, Property


class ShiftRight(Component):
    """`requantise.shift_right` as a unit."""

    def __init__(self, bits: int):
        super().__init__(
            {"value": In(signed(bits)), "shift": In(n.SHIFT_BITS), "o": Out(signed(bits))}
        )

    def elaborate(self, platform):
        m = Module()
        shifted = requantise.shift_right(m, self.value, self.shift, "shifted")
        m.d.comb += self.o.eq(shifted)
        return m


class Shift(Pipeline):
    """``value >> shift``, rounded down, for all values and shifts."""

    def __init__(self, bits: int):
        super().__init__(ShiftRight(bits), SHIFT_LATENCY)

    def expected(self, m: Module):
        return {"o": self.unit.value >> self.unit.shift}


class Requantise(Pipeline):
    """A lane around its multipliers and shifters, for all accumulators, parameters, residuals, zero
    points, shifts and clamps at once, where accumulator and bias together fit their width.

    What goes into multipliers and shifters is asserted to be what `numerics.requantise` multiplies
    and shifts, and what comes out is free; of it the rest must make what the definition itself
    makes, computed in sufficient widths. That the multipliers multiply and the shifters shift say
    the properties "multiplier-9x18", "wide-multiplier-32" and "shift-...".
    """

    def __init__(self, multiply: bool, divides: bool = False):
        # ``divides``: of a lane for Winograd's outputs too, given none of them.
        self._multiply, self._divides = multiply, divides
        super().__init__(
            RequantiseLane(divides),
            requantise.latency(divides) + (LATENCY if multiply else 0),
            {"product": signed(PRODUCT_BITS), "small": signed(9 + n.OPERAND_BITS)}
            | {"fixed": signed(PRODUCT_BITS), "term": signed(n.TERM_BITS)},
            tuple(
                f"resarray.hw.requantise.{name}"
                for name in ("Multiplier", "WideMultiplier", "shift_right")
            ),
        )

    def expected(self, m: Module):
        u = self.unit
        small, shift_term, wide, shift_fixed = self.parts
        self.constant(
            m, u.res_en, u.multiply, u.res_zp, u.res_mult, u.res_shift, u.zp_out, u.lo, u.hi
        )
        total = u.acc + u.params.bias
        bits = n.OPERAND_BITS if self._multiply else n.ACC_BITS
        at = 1
        if self._divides:
            m.d.comb += Assume(~u.winograd)
            at += requantise.DIVIDE_LATENCY
        m.d.comb += [
            Assume(u.multiply == self._multiply),
            Assume(total == total[:bits].as_signed()),
            Assume(u.lo <= u.hi),
        ]
        factor = total if self._multiply else u.res_mult
        # The difference is at most 255.
        largest = 255 << (bits - 1) if self._multiply else 255 * ((1 << n.MULT_BITS) - 1)
        m.d.comb += Assume((self.small >= -largest) & (self.small <= largest))
        begin = at
        self.equal(m, small.a, u.residual - u.res_zp, at, "small_a")
        self.equal(m, small.b, factor, at, "small_b")
        at += LATENCY
        self.drive(m, small.product, self.small, at, "small_product")
        if not self._multiply:
            self.equal(m, shift_term.value, self.small << n.RESIDUAL_HEADROOM, at, "term_value")
            self.equal(m, shift_term.shift, u.res_shift, at, "term_shift")
            self.drive(m, shift_term.result, self.term, at + SHIFT_LATENCY, "term_result")
            at = begin
        self.equal(m, wide.a, self.small if self._multiply else total, at, "wide_a")
        self.equal(m, wide.b, u.params.mult, at, "wide_b")
        at += WIDE_LATENCY
        self.drive(m, wide.product, self.product, at, "wide_product")
        self.equal(m, shift_fixed.value, self.product, at, "fixed_value")
        self.equal(m, shift_fixed.shift, u.params.shift, at, "fixed_shift")
        self.drive(m, shift_fixed.result, self.fixed, at + SHIFT_LATENCY, "fixed_result")
        # The shifted product in the place of the accumulator; then nothing is left to shift. It is
        # the residual's term as well.
        term = 0 if self._multiply else self.term * u.res_en
        return {
            "out": definition(n.requantise, self.fixed, 0, 1, 0, u.zp_out, u.lo, u.hi, term),
        }


class Quotient(Inside):
    """What a lane makes of Winograd's outputs before it multiplies: the difference, and shifted
    additions, of which the lemma "quotient" says that they are the outputs where the difference is
    minus their 24-fold. What follows is as in "requantise-pixels"."""

    def __init__(self):
        super().__init__(
            RequantiseLane(True),
            parts=tuple(
                f"resarray.hw.requantise.{name}"
                for name in ("Multiplier", "WideMultiplier", "shift_right")
            ),
        )

    def specify(self, m: Module, platform) -> None:
        u, wide = self.unit, self.parts[2]
        m.d.comb += [Assume(u.winograd), Assume(~u.multiply)]
        # The unit has its own copies of ``winograd``.
        begun = delay(m, Const(1), 1, "begun", reset_less=True)
        known = delay(m, begun, 1, "known", reset_less=True)
        copies = [self.inner["sign"], *(self.inner[f"tiled{i}"] for i in range(COPIES))]
        value = delay(m, u.params.bias - u.acc, 1, "given", reset_less=True)
        value = value[: n.ACC_BITS].as_signed()
        m.d.comb += [
            Assert(~begun | Cat(copies).all()),
            Assert(~known | begun),
            Assert(~known | (self.register(m, "total") == value)),
        ]
        value = self.register(m, "total")
        for i, shift in enumerate(lemmas.QUOTIENT):
            register = self.register(m, f"quotient{i}")
            before = delay(m, value, 1, f"before{i}", reset_less=True)
            expected = (before + (before << shift))[: n.ACC_BITS].as_signed()
            m.d.comb += Assert(~known | (register == expected))
            value = register
        m.d.comb += Assert(~known | (wide.a == value >> n.ACC_BITS - winograd.SUM_BITS))


PRODUCT_BITS = n.ACC_BITS + n.MULT_BITS
SHIFT_LATENCY = 2
COPIES = requantise.DIVIDE_LATENCY + 1  # of the quotient's steps and of what comes out of them
TWINS = (
    Edit(
        "half a unit is 0x7fff",
        "hw.requantise",
        "Const(1 << (n.GUARD_BITS - 1), n.GUARD_BITS)",
        "Const((1 << (n.GUARD_BITS - 1)) - 1, n.GUARD_BITS)",
    ),
    Edit("a clamp too late", "hw.requantise", "less(result, self.lo)", "less(result, self.lo - 1)"),
)
PROPERTIES = [
    *(
        Property(
            name=f"shift-{bits}",
            unit="requantise.shift_right",
            says=f"A value of {bits} bits is shifted right and rounded down.",
            build=partial(Shift, bits),
            method=Induction(SHIFT_LATENCY + 1),
            twins=(
                Edit(
                    "a shift of 5 bits",
                    "hw.requantise",
                    "coarse.eq(value >> Cat(Const(0, 3), shift[3:]))",
                    "coarse.eq(value >> Cat(Const(0, 3), shift[3:5]))",
                ),
                Edit(
                    "zeros are shifted in",
                    "hw.requantise",
                    "fine.eq(coarse >>",
                    "fine.eq(coarse.as_unsigned() >>",
                ),
            ),
        )
        # Of the residual, of the average and of the accumulator.
        for bits in (n.TERM_BITS, n.TOTAL_BITS + n.MULT_BITS, PRODUCT_BITS)
    ),
    Property(
        name="requantise-sum",
        unit="requantise.RequantiseLane",
        says="A lane gives what numerics.requantise defines, with and without a residual.",
        build=partial(Requantise, False),
        method=Induction(requantise.latency(False) + 2),
        twins=(
            *TWINS,
            Edit(
                "a bias of 31 bits",
                "hw.requantise",
                "self.acc + self.params.bias)",
                "self.acc + self.params.bias[:31].as_signed())",
            ),
        ),
    ),
    Property(
        name="requantise-pixels",
        unit="requantise.RequantiseLane",
        says="So does a lane for Winograd's outputs of accumulators of no tile.",
        build=partial(Requantise, False, True),
        method=Induction(requantise.latency(True) + 2),
        twins=(
            Edit(
                "all sums are divided",
                "hw.requantise",
                "platform, tiled[i], more",
                "platform, Const(1), more",
            ),
        ),
    ),
    Property(
        name="requantise-quotient",
        unit="requantise.RequantiseLane",
        says="Of Winograd's outputs it multiplies what the lemma divides.",
        build=Quotient,
        method=Induction(2),
        twins=(
            Edit(
                "a quotient of 28 bits",
                "hw.requantise",
                "value >> n.ACC_BITS - winograd.SUM_BITS",
                "value >> n.ACC_BITS - winograd.SUM_BITS + 1",
            ),
            Edit(
                "another factor of the inverse",
                "hw.requantise",
                "value << (2 << i)",
                "value << (2 + i)",
            ),
            Edit(
                "the difference is one less",
                "hw.requantise",
                "add(self.params.bias, acc, sign)",
                "add(self.params.bias, acc, sign & 0)",
            ),
        ),
    ),
    Property(
        name="requantise-product",
        unit="requantise.RequantiseLane",
        says="So does a lane that multiplies by the residual.",
        build=partial(Requantise, True),
        method=Induction(requantise.latency(False) + LATENCY + 2),
        twins=(
            *TWINS,
            Edit(
                "an operand of 17 bits",
                "hw.requantise",
                "total[: n.OPERAND_BITS]",
                "total[: n.OPERAND_BITS - 1]",
            ),
        ),
    ),
]
