"""Processing elements: exact products of a pair of channels. Interchangeable (`ELEMENTS`)."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec.numerics import DIRECT, Operands
from . import multiplier
from .common import delay
from .multiplier import Multiplier

# A register in fabric in front of a multiplier, for the way there is long, and its own.
_PRODUCT = 1 + multiplier.LATENCY


class Element(wiring.Component):
    """A pair of activations times a pair of weights, every cycle, ``latency`` cycles later.

    Members
    -------
    a0, a1 : In(signed)   activations
    w0, w1 : In(signed)   weights
    product : Out(signed) see the subclass
    """

    multipliers: int
    uses_shared_term: bool
    latency: int

    def __init__(self, operands: Operands = DIRECT):
        self._operands = operands
        activation, weight = signed(operands.activation), signed(operands.weight)
        super().__init__(
            {
                "a0": In(activation),
                "a1": In(activation),
                "w0": In(weight),
                "w1": In(weight),
                "product": Out(signed(operands.product)),
            }
        )


class MacElement(Element):
    """``product = a0*w0 + a1*w1``: two multipliers.

    |product| <= 2 * 128 * 127 < 2**15: 17 bits hold it; with Winograd's operands at most
    2 * 768 * 889 < 2**21, at position 3: 23 bits do.
    """

    multipliers = 2
    uses_shared_term = False
    latency = _PRODUCT + 1

    def elaborate(self, platform):
        m = Module()
        # Cycle 1: operand registers. Cycles 2 to 4: multipliers.
        products = []
        for i, (a, w) in enumerate(((self.a0, self.w0), (self.a1, self.w1))):
            m.submodules[f"multiplier{i}"] = product = Multiplier(
                self._operands.activation, self._operands.weight
            )
            m.d.comb += [
                product.a.eq(delay(m, a, 1, f"a{i}", reset_less=True)),
                product.b.eq(delay(m, w, 1, f"w{i}", reset_less=True)),
            ]
            products.append(product.product)
        # Cycle 5: sum in fabric.
        total = Signal.like(self.product, name="total", reset_less=True)
        m.d.sync += total.eq(products[0] + products[1])
        m.d.comb += self.product.eq(total)
        return m


class PairElement(Element):
    """``product = (a0 + w1) * (a1 + w0) = a0*w0 + a1*w1 + a0*a1 + w0*w1``: one multiplier.

    S. Winograd, "A New Algorithm for Inner Product", IEEE Trans. Computers C-17, 1968. The sum of
    a0*a1 over the pairs is the same for every column and is subtracted at the column's foot; the
    sum of w0*w1 is a constant per output channel that the compiler folds into the bias.

    Each factor lies in [-255, 254]: 9 bits; |product| <= 255**2 < 2**16: 17 bits hold it. With
    Winograd's operands it is at most 1,661 in magnitude, 12 bits, and the product below 2**22: 23.
    """

    multipliers = 1
    uses_shared_term = True
    latency = _PRODUCT

    def elaborate(self, platform):
        m = Module()
        bits = self._operands.factor
        m.submodules.multiplier = product = Multiplier(bits, bits)
        # Cycle 1: pre-adders. Cycles 2 to 4: multiplier.
        x, y = (Signal(signed(bits), name=n, reset_less=True) for n in "xy")
        m.d.sync += [x.eq(self.a0 + self.w1), y.eq(self.a1 + self.w0)]
        m.d.comb += [product.a.eq(x), product.b.eq(y), self.product.eq(product.product)]
        return m


ELEMENTS: dict[str, type[Element]] = {"mac": MacElement, "pair": PairElement}
