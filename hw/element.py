"""Processing elements: exact products of a pair of channels. Interchangeable (`ELEMENTS`)."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

ACTIVATION_BITS = 8
WEIGHT_BITS = 8
# Every element takes this long from its operands to its product: multiplier input, pipeline and
# output registers, and one register in fabric.
LATENCY = 4


class Element(wiring.Component):
    """A pair of activations times a pair of weights, every cycle, LATENCY cycles later.

    Members
    -------
    a0, a1 : In(signed)   activations
    w0, w1 : In(signed)   weights
    product : Out(signed) see the subclass
    """

    multipliers: int
    uses_shared_term: bool

    a0: In(signed(ACTIVATION_BITS))
    a1: In(signed(ACTIVATION_BITS))
    w0: In(signed(WEIGHT_BITS))
    w1: In(signed(WEIGHT_BITS))


class MacElement(Element):
    """``product = a0*w0 + a1*w1``: two multipliers.

    |product| <= 2 * 128 * 127 < 2**15: 17 bits hold it.
    """

    multipliers = 2
    uses_shared_term = False
    product: Out(signed(17))

    def elaborate(self, platform):
        m = Module()
        # Cycle 1: operand registers.
        a0, a1, w0, w1 = (
            Signal.like(s, name=f"{n}_q", reset_less=True)
            for n, s in (("a0", self.a0), ("a1", self.a1), ("w0", self.w0), ("w1", self.w1))
        )
        m.d.sync += [a0.eq(self.a0), a1.eq(self.a1), w0.eq(self.w0), w1.eq(self.w1)]
        # Cycles 2, 3: pipeline and output registers of the multipliers.
        p0, p1 = Signal(signed(16), reset_less=True), Signal(signed(16), reset_less=True)
        q0, q1 = Signal(signed(16), reset_less=True), Signal(signed(16), reset_less=True)
        m.d.sync += [p0.eq(a0 * w0), p1.eq(a1 * w1), q0.eq(p0), q1.eq(p1)]
        # Cycle 4: sum in fabric.
        m.d.sync += self.product.eq(q0 + q1)
        return m


class PairElement(Element):
    """``product = (a0 + w1) * (a1 + w0) = a0*w0 + a1*w1 + a0*a1 + w0*w1``: one multiplier.

    S. Winograd, "A New Algorithm for Inner Product", IEEE Trans. Computers C-17, 1968. The sum of
    a0*a1 over the pairs is the same for every column and is subtracted at the column's foot; the
    sum of w0*w1 is a constant per output channel that the compiler folds into the bias.

    Each factor lies in [-255, 254]: 9 bits; |product| <= 255**2 < 2**16: 17 bits hold it.
    """

    multipliers = 1
    uses_shared_term = True
    product: Out(signed(17))

    def elaborate(self, platform):
        m = Module()
        # Cycle 1: multiplier input registers, behind the pre-adders.
        x, y = Signal(signed(9), reset_less=True), Signal(signed(9), reset_less=True)
        m.d.sync += [x.eq(self.a0 + self.w1), y.eq(self.a1 + self.w0)]
        # Cycles 2, 3: pipeline and output registers.
        p, q = Signal(signed(18), reset_less=True), Signal(signed(18), reset_less=True)
        m.d.sync += [p.eq(x * y), q.eq(p)]
        # Cycle 4: register in fabric.
        m.d.sync += self.product.eq(q)
        return m


ELEMENTS: dict[str, type[Element]] = {"mac": MacElement, "pair": PairElement}
