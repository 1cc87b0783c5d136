"""Weight-stationary systolic array: activations pass from column to column, one pixel a cycle.

Each column is a dot product of ``rows`` activations with its own weights: elements, adder tree and,
for the pair element, the subtraction of the shared term. The array never stalls: what enters comes
out ``COLUMN_LATENCY + column`` cycles later.

Weights reach the columns on a bus that hops alongside: word c of a k-tile is kept by column c's
shadow registers. The ``swap`` that travels with the first pixel of a k-tile makes them active, so
loading takes place in the shadow of streaming. A word for the next k-tile may enter in the very
cycle of the swap, and the swap one cycle after the last word: k-tiles follow each other every
``columns`` cycles or more without a gap.
"""

from itertools import pairwise

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect
from amaranth.utils import ceil_log2

from ..spec.config import Config
from ..spec.numerics import dot_bits
from . import element
from .common import delay, signals


def hop(config: Config) -> wiring.Signature:
    """What passes from column to column.

    ``vector``, ``swap``: activations, ``swap`` with the first pixel of a k-tile; ``weight``,
    ``weight_valid``, ``weight_column``: the weight bus; ``weight_here``: its word is for the column
    that it comes to; ``shared``: sum of a0*a1, aligned with the adder tree (pair element).
    """
    return wiring.Signature(
        {
            "vector": Out(8 * config.rows),
            "swap": Out(1),
            "weight": Out(8 * config.rows),
            "weight_valid": Out(1),
            "weight_column": Out(range(config.columns)),
            "weight_here": Out(1),
            "shared": Out(signed(dot_bits(config.rows))),
        }
    )


def tree_levels(config: Config) -> int:
    """Register levels of a column's adder tree."""
    return ceil_log2(config.rows // 2)


def column_latency(config: Config) -> int:
    """Cycles from a vector at column 0's input to its dot product: hop, element, tree, foot."""
    return 1 + element.LATENCY + tree_levels(config) + 1


def adder_tree(m: Module, values: list, name: str):
    """The registered sum of ``values``, a level a cycle."""
    level = 0
    while len(values) > 1:
        level += 1
        sums = []
        for i in range(0, len(values), 2):
            total = values[i] + values[i + 1]
            register = Signal(total.shape(), name=f"{name}{level}_{i // 2}", reset_less=True)
            m.d.sync += register.eq(total)
            sums.append(register)
        values = sums
    return values[0]


def bytes_of(vector) -> list:
    """The signed bytes of a word, lowest first."""
    return [vector[i : i + 8].as_signed() for i in range(0, len(vector), 8)]


class Column(wiring.Component):
    """One output channel.

    Members
    -------
    i : In(hop)
    o : Out(hop)        ``i`` for the next column, one cycle later
    dot : Out(signed)   the dot product, `column_latency` cycles after its vector
    """

    def __init__(self, config: Config, index: int):
        self._config = config
        self._index = index
        super().__init__(
            {"i": In(hop(config)), "o": Out(hop(config)), "dot": Out(signed(dot_bits(config.rows)))}
        )

    def elaborate(self, platform):
        m = Module()
        # Whose word it is gets decided a column ahead: the enable has 8 * rows registers to reach.
        passed = signals(self.i) | {
            "weight_here": self.i.weight_valid & (self.i.weight_column == self._index + 1)
        }
        for name, output in signals(self.o).items():
            m.d.comb += output.eq(delay(m, passed[name], 1, name, reset_less=True))

        shadow = Signal.like(self.i.weight, name="shadow", reset_less=True)
        active = Signal.like(self.i.weight, name="active", reset_less=True)
        with m.If(self.i.weight_here):
            m.d.sync += shadow.eq(self.i.weight)
        with m.If(self.i.swap):
            m.d.sync += active.eq(shadow)

        element_class = element.ELEMENTS[self._config.element]
        a, w = bytes_of(self.o.vector), bytes_of(active)
        products = []
        for i in range(0, self._config.rows, 2):
            m.submodules[f"element{i // 2}"] = pe = element_class()
            m.d.comb += [
                pe.a0.eq(a[i]),
                pe.a1.eq(a[i + 1]),
                pe.w0.eq(w[i]),
                pe.w1.eq(w[i + 1]),
            ]
            products.append(pe.product)
        total = adder_tree(m, products, "sum")
        dot = Signal.like(self.dot, name="dot_q", reset_less=True)
        m.d.sync += dot.eq(total - self.i.shared if element_class.uses_shared_term else total)
        m.d.comb += self.dot.eq(dot)
        return m


class SharedTerm(wiring.Component):
    """``sum a0*a1`` over the channel pairs, aligned with column 0's adder tree."""

    def __init__(self, config: Config):
        self._config = config
        super().__init__({"vector": In(8 * config.rows), "sum": Out(signed(dot_bits(config.rows)))})

    def elaborate(self, platform):
        m = Module()
        vector = Signal.like(self.vector, reset_less=True)
        m.d.sync += vector.eq(self.vector)
        a = bytes_of(vector)
        products = []
        for i in range(0, self._config.rows, 2):
            # With no weights the pair element gives a0*a1.
            m.submodules[f"element{i // 2}"] = pe = element.PairElement()
            m.d.comb += [pe.a0.eq(a[i]), pe.a1.eq(a[i + 1])]
            products.append(pe.product)
        m.d.comb += self.sum.eq(adder_tree(m, products, "sum"))
        return m


class SystolicArray(wiring.Component):
    """``columns`` columns side by side.

    Members
    -------
    vector, swap : In                              to column 0
    weight, weight_valid, weight_column : In       to column 0
    dot[c] : Out(signed)    dot product of column c, `column_latency` + c cycles after its vector
    """

    def __init__(self, config: Config):
        self._config = config
        bits = 8 * config.rows
        super().__init__(
            {
                "vector": In(bits),
                "swap": In(1),
                "weight": In(bits),
                "weight_valid": In(1),
                "weight_column": In(range(config.columns)),
                "dot": Out(signed(dot_bits(config.rows))).array(config.columns),
            }
        )

    def elaborate(self, platform):
        m = Module()
        columns = [Column(self._config, c) for c in range(self._config.columns)]
        first = columns[0].i
        m.d.comb += [
            first.vector.eq(self.vector),
            first.swap.eq(self.swap),
            first.weight.eq(self.weight),
            first.weight_valid.eq(self.weight_valid),
            first.weight_column.eq(self.weight_column),
            first.weight_here.eq(self.weight_valid & (self.weight_column == 0)),
        ]
        if element.ELEMENTS[self._config.element].uses_shared_term:
            m.submodules.shared = term = SharedTerm(self._config)
            m.d.comb += [term.vector.eq(self.vector), first.shared.eq(term.sum)]
        for c, column in enumerate(columns):
            m.submodules[f"column{c}"] = column
            m.d.comb += self.dot[c].eq(column.dot)
        for left, right in pairwise(columns):
            connect(m, left.o, right.i)
        return m
