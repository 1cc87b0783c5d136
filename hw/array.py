"""Weight-stationary systolic array: activations pass from column to column, one pixel a cycle.

Each column is a dot product of ``rows`` activations with its own weights: elements, adder tree and,
for the pair element, the subtraction of the shared term. The array never stalls: what enters comes
out `column_latency` + column cycles later.

Weights reach the columns on a bus that hops alongside. Each column has a memory of WEIGHT_SLOTS
words, and a vector says in which slot the weights lie that it is multiplied with: so loading takes
place in the shadow of streaming, many k-tiles ahead, and Winograd's six positions take turns. A
word may be used by the vector one cycle behind it; its slot may be written again in the cycle after
the last vector that uses it.
"""

from itertools import pairwise

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect
from amaranth.utils import ceil_log2

from ..spec.config import WEIGHT_SLOTS, Config
from . import element
from .common import delay, signals


def hop(config: Config) -> wiring.Signature:
    """What passes from column to column.

    ``vector``, ``slot``: activations, and where their weights are; ``weight``, ``weight_valid``,
    ``weight_column``, ``weight_slot``: the weight bus; ``weight_here``: its word is for the column
    that it comes to; ``shared``: sum of a0*a1, aligned with the adder tree (pair element).
    """
    return wiring.Signature(
        {
            "vector": Out(config.operands.activation * config.rows),
            "slot": Out(range(WEIGHT_SLOTS)),
            "weight": Out(config.operands.weight * config.rows),
            "weight_valid": Out(1),
            "weight_column": Out(range(config.columns)),
            "weight_slot": Out(range(WEIGHT_SLOTS)),
            "weight_here": Out(1),
            "shared": Out(signed(config.dot_bits)),
        }
    )


def tree_levels(config: Config) -> int:
    """Register levels of a column's adder tree."""
    return ceil_log2(config.rows // 2)


def column_latency(config: Config) -> int:
    """Cycles from a vector at column 0's input to its dot product: hop, element, tree, foot."""
    return 1 + element.ELEMENTS[config.element].latency + tree_levels(config) + 1


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


def numbers_of(vector, bits: int = 8) -> list:
    """The signed numbers of a word, lowest first."""
    return [vector[i : i + bits].as_signed() for i in range(0, len(vector), bits)]


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
            {"i": In(hop(config)), "o": Out(hop(config)), "dot": Out(signed(config.dot_bits))}
        )

    def elaborate(self, platform):
        m = Module()
        # Whose word it is gets decided a column ahead: the enable has 8 * rows registers to reach.
        passed = signals(self.i) | {
            "weight_here": self.i.weight_valid & (self.i.weight_column == self._index + 1)
        }
        for name, output in signals(self.o).items():
            m.d.comb += output.eq(delay(m, passed[name], 1, name, reset_less=True))

        # Read beside the vector's way to the next column.
        m.submodules.weights = memory = Memory(
            shape=len(self.i.weight),
            depth=WEIGHT_SLOTS,
            init=[],
            attrs={"ram_style": "distributed"},
        )
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.i.weight_here),
            write.addr.eq(self.i.weight_slot),
            write.data.eq(self.i.weight),
            read.addr.eq(self.i.slot),
        ]

        element_class = element.ELEMENTS[self._config.element]
        operands = self._config.operands
        a = numbers_of(self.o.vector, operands.activation)
        w = numbers_of(read.data, operands.weight)
        products = []
        for i in range(0, self._config.rows, 2):
            m.submodules[f"element{i // 2}"] = pe = element_class(operands)
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
        bits = config.operands.activation * config.rows
        super().__init__({"vector": In(bits), "sum": Out(signed(config.dot_bits))})

    def elaborate(self, platform):
        m = Module()
        vector = Signal.like(self.vector, reset_less=True)
        m.d.sync += vector.eq(self.vector)
        operands = self._config.operands
        a = numbers_of(vector, operands.activation)
        products = []
        for i in range(0, self._config.rows, 2):
            # With no weights the pair element gives a0*a1.
            m.submodules[f"element{i // 2}"] = pe = element.PairElement(operands)
            m.d.comb += [pe.a0.eq(a[i]), pe.a1.eq(a[i + 1])]
            products.append(pe.product)
        m.d.comb += self.sum.eq(adder_tree(m, products, "sum"))
        return m


class SystolicArray(wiring.Component):
    """``columns`` columns side by side.

    Members
    -------
    vector, slot : In                                        to column 0
    weight, weight_valid, weight_column, weight_slot : In    to column 0
    dot[c] : Out(signed)    dot product of column c, `column_latency` + c cycles after its vector
    """

    def __init__(self, config: Config):
        self._config = config
        passed = hop(config).members
        names = ("vector", "slot", "weight", "weight_valid", "weight_column", "weight_slot")
        super().__init__(
            {
                **{name: In(passed[name].shape) for name in names},
                "dot": Out(signed(config.dot_bits)).array(config.columns),
            }
        )

    def elaborate(self, platform):
        m = Module()
        columns = [Column(self._config, c) for c in range(self._config.columns)]
        first = columns[0].i
        m.d.comb += [
            first.vector.eq(self.vector),
            first.slot.eq(self.slot),
            first.weight.eq(self.weight),
            first.weight_valid.eq(self.weight_valid),
            first.weight_column.eq(self.weight_column),
            first.weight_slot.eq(self.weight_slot),
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
