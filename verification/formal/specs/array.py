"""The systolic array is a dot product, with the weights that its contract says."""

from functools import partial, reduce
from operator import add
from unittest import mock

from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Signal, Value, signed
from amaranth.lib import memory

from resarray.hw import array, element, multiplier
from resarray.hw.array import SystolicArray, numbers_of, tree_levels
from resarray.hw.common import delay
from resarray.spec.config import Config

from ..pipeline import Inside, history
from ..properties import Edit, Induction, Property

CONFIGS = {
    kind + "-winograd" * tiled: Config(
        name="formal", rows=4, columns=4, lanes=2, element=kind, winograd=tiled
    )
    for tiled in (False, True)
    for kind in element.ELEMENTS
}
SLOTS = 2


def foot(config: Config) -> int:
    """Cycles from a product to the column's: the element's register if it has one, the tree, the
    foot."""
    registers = element.ELEMENTS[config.element].latency - 1 - multiplier.LATENCY
    return registers + tree_levels(config) + 1


class Dot(Inside):
    """Four columns of four rows around their multipliers, at all times and with any words on the
    weight bus: what is multiplied are the numbers of a vector and those of the column's weights,
    and what comes out is the sum of the products less the shared ones, modulo the width of a dot
    product. That factors and sums fit their widths say the lemmas "pair-width", "dot-width" and
    those of Winograd's; that the sum is the dot product, "pair-identity".

    A column's weights are the last word for it and the vector's slot that came before the vector.
    More columns are more of the same with another number; more rows a larger sum; more slots, of
    which there are SLOTS here, a deeper memory.
    """

    views = SLOTS

    def __init__(self, config: Config):
        self._config = config
        self._pair = config.element == "pair"
        count = (config.columns + self._pair) * config.rows // (2 if self._pair else 1)
        self._count = count
        operands = config.operands
        bits = 2 * operands.factor if self._pair else operands.activation + operands.weight
        array.WEIGHT_SLOTS = SLOTS
        super().__init__(
            SystolicArray(config),
            {f"product{i}": signed(bits) for i in range(count)},
            ("resarray.hw.element.Multiplier",),
        )

    def elaborate(self, platform):
        self.reads: list = []

        def watched(**options):
            made = memory.Memory(**options)  # as `Inside` has it
            read = made.read_port()
            self.reads.append(read)
            made.read_port = lambda: read
            return made

        with mock.patch.object(array, "Memory", watched):
            return super().elaborate(platform)

    def specify(self, m: Module, platform) -> None:
        u, config, bits = self.unit, self._config, self._config.operands
        free = iter([getattr(self, f"product{i}") for i in range(self._count)])
        parts = iter(self.parts)
        columns = range(config.columns)
        # In the cycle that column c's registers need, and its elements'.
        vectors = history(m, u.vector, config.columns + 2, "vector")
        bus = Cat(u.weight_valid, u.weight_column, u.weight_slot, u.weight)
        buses = history(m, bus, config.columns + 1, "bus")
        begun = Signal(reset_less=True)
        m.d.sync += begun.eq(1)

        def products(vector, w) -> Value:
            """What multipliers must get, and the sum of what elements make of it."""
            elements = []
            a = numbers_of(vector, bits.activation)
            for i in range(0, config.rows, 2):
                operands = [(a[i], w[i]), (a[i + 1], w[i + 1])]
                if self._pair:
                    factors = a[i] + w[i + 1], a[i + 1] + w[i]
                    operands = [tuple(f[: bits.factor].as_signed() for f in factors)]
                found = []
                for x, y in operands:
                    part, product = next(parts), next(free)
                    m.d.comb += [
                        Assert((part.a == x) & (part.b == y)),
                        part.product.eq(product),
                    ]
                    found.append(product)
                elements.append(reduce(add, found)[: bits.product].as_signed())
            return reduce(add, elements)

        shared: list = []
        latency = foot(config)
        if self._pair:
            total = products(vectors[2], [Const(0, 1)] * config.rows)
            shared = history(m, total, config.columns + latency, "shared")
            m.d.comb += Assert(self.inner["shared.self"].sum == shared[latency - 1])
        for c in columns:
            o = self.inner[f"column{c}.self"].o
            valid, column = buses[c][0], buses[c][1 : 1 + len(u.weight_column)]
            slot, word = buses[c][1 + len(column) : -len(u.weight)], buses[c][-len(u.weight) :]
            slots = [
                Signal.like(u.weight, name=f"slot{c}_{s}", reset_less=True) for s in range(SLOTS)
            ]
            for s, stored in enumerate(slots):
                with m.If(valid & (column == c) & (slot == s)):
                    m.d.sync += stored.eq(word)
                view = self.memories[c * SLOTS + s]
                m.d.comb += [view.addr.eq(s), Assert(view.data == stored)]
            here = Signal.like(u.slot, name=f"here{c}")
            m.d.comb += here.eq(history(m, u.slot, c, f"slot_of{c}")[c])
            used = history(m, Array(slots)[here], 2, f"used{c}")
            sums = products(vectors[c + 2], numbers_of(used[2], bits.weight))
            total = history(m, sums, latency, f"sum{c}")[latency]
            if self._pair:
                total = total - shared[latency + c]
                m.d.comb += Assert(o.shared == shared[latency + c])
            passed = buses[c + 1]
            m.d.comb += [
                # What the memory's register holds at the start goes with the vector before any.
                Assume(begun | (self.reads[c].data == 0)),
                Assert(u.dot[c] == total[: len(u.dot[c])].as_signed()),
                # Inside.
                Assert(self.reads[c].data == used[1]),
                Assert(o.vector == vectors[c + 1]),
                Assert(o.slot == delay(m, here, 1, f"slot_after{c}", reset_less=True)),
                Assert(Cat(o.weight_valid, o.weight_column, o.weight_slot, o.weight) == passed),
                Assert(o.weight_here == (passed[0] & (passed[1 : 1 + len(column)] == c + 1))),
            ]


PROPERTIES = [
    Property(
        name=f"array-{kind}",
        unit="array.SystolicArray",
        says="Each column gives the sum of products of its vector and its weights.",
        build=partial(Dot, config),
        method=Induction(foot(config) + 1),
        twins=(
            *(
                (
                    Edit(
                        "the shared term is not subtracted",
                        "hw.array",
                        "total - self.i.shared if",
                        "total if",
                    ),
                )
                if config.element == "pair"
                else ()
            ),
            Edit(
                "a vector's slot comes a column late",
                "hw.array",
                "read.addr.eq(self.i.slot)",
                "read.addr.eq(self.o.slot)",
            ),
            Edit(
                "the slot of the vector takes the word",
                "hw.array",
                "write.addr.eq(self.i.weight_slot)",
                "write.addr.eq(self.i.slot)",
            ),
            Edit(
                "weights of the right neighbour",
                "hw.array",
                "self._index + 1)",
                "self._index + 2)",
            ),
        ),
    )
    for kind, config in CONFIGS.items()
]
