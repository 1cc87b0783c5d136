"""Multipliers with all the registers that a DSP block has."""

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .common import delay
from .ecp5 import mult
from .ecp5.platform import Ecp5

MAX_BITS = 18  # signed; what one block multiplies
LATENCY = 3  # input, pipeline and output register
WIDE_LATENCY = LATENCY + 1


class Multiplier(wiring.Component):
    """``product = a * b``, LATENCY cycles later, one a cycle.

    Members
    -------
    a, b : In(signed)       of at most MAX_BITS bits
    product : Out(signed)   as many bits as both together
    """

    def __init__(self, a_bits: int, b_bits: int):
        if max(a_bits, b_bits) > MAX_BITS:
            raise ValueError(f"{a_bits} x {b_bits} bits: at most {MAX_BITS} are allowed")
        super().__init__(
            {
                "a": In(signed(a_bits)),
                "b": In(signed(b_bits)),
                "product": Out(signed(a_bits + b_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if isinstance(platform, Ecp5):
            mult.build(m, self)
            return m
        # Cycle 1: input registers. Cycle 2: pipeline register. Cycle 3: output register.
        a, b = (delay(m, x, 1, n, reset_less=True) for x, n in ((self.a, "a"), (self.b, "b")))
        pipeline = Signal.like(self.product, reset_less=True)
        output = Signal.like(self.product, reset_less=True)
        m.d.sync += [pipeline.eq(a * b), output.eq(pipeline)]
        m.d.comb += self.product.eq(output)
        return m


class WideMultiplier(wiring.Component):
    """A wide signed number times an unsigned one, WIDE_LATENCY cycles later, from two multipliers.

    Members
    -------
    a : In(signed)          of at most 17 + MAX_BITS bits
    b : In(unsigned)        of at most 17 bits
    product : Out(signed)   as many bits as both together
    """

    def __init__(self, a_bits: int, b_bits: int):
        self._bits = a_bits, b_bits
        super().__init__(
            {
                "a": In(signed(a_bits)),
                "b": In(b_bits),
                "product": Out(signed(a_bits + b_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        a_bits, b_bits = self._bits
        cut = MAX_BITS - 1
        m.submodules.low = low = Multiplier(MAX_BITS, b_bits + 1)
        m.submodules.high = high = Multiplier(a_bits - cut, b_bits + 1)
        b = Cat(self.b, Const(0, 1)).as_signed()
        m.d.comb += [
            low.a.eq(Cat(self.a[:cut], Const(0, 1)).as_signed()),
            low.b.eq(b),
            high.a.eq(self.a[cut:].as_signed()),
            high.b.eq(b),
        ]
        # Cycle 4: the low product is not negative; its lowest bits need no addition.
        upper = Signal(signed(a_bits + b_bits - cut), reset_less=True)
        lower = delay(m, low.product[:cut], 1, "lower", reset_less=True)
        m.d.sync += upper.eq(high.product + (low.product >> cut))
        m.d.comb += self.product.eq(Cat(lower, upper))
        return m
