"""Accumulators: each pixel's sum, and none overflows."""

from amaranth.hdl import Array, Assert, Assume, Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In

from resarray.hw import accumulator
from resarray.hw.accumulator import CONTROL_LEAD, AccumulatorColumn, Accumulators
from resarray.hw.common import delay
from resarray.hw.memory import READ_LATENCY
from resarray.spec.config import MAX_DOT_LENGTH, Config
from resarray.spec.numerics import ACC_BITS, dot_bits

from ..harness import constant
from ..pipeline import Inside, Pipeline
from ..properties import Edit, Induction, Property

CONFIG = Config(name="formal", rows=4, columns=4, lanes=2, acc_depth=16, winograd=False)
# The largest dot product of a k-tile, and the most k-tiles of a sum.
LARGEST = CONFIG.rows // 2 * (2 * 128 * 127 + 127**2)
K_TILES = MAX_DOT_LENGTH // CONFIG.rows


class Sum(Inside):
    """The word of any one pixel of any one bank is the sum of the dot products that came with it
    since ``clear``, modulo its width; and that is what a drain reads when the bank is not being
    computed.

    Assumed is what the contract says: k-tiles are `accumulator.REUSE_CYCLES` apart. The depth is
    that of the smallest configuration; a deeper memory has more pixels of the same kind.
    """

    def __init__(self):
        super().__init__(AccumulatorColumn(CONFIG), {"any_bank": 1, "any_pixel": 4})

    def specify(self, m: Module, platform) -> None:
        u, control = self.unit, self.unit.control
        bank, pixel = (constant(m, x, n) for x, n in ((self.any_bank, "b"), (self.any_pixel, "p")))
        mine = Signal()
        m.d.comb += mine.eq(control.valid & (control.bank == bank) & (control.pixel == pixel))
        earlier = [control]
        for i in range(1, accumulator.REUSE_CYCLES):
            earlier.append(delay(m, earlier[-1], 1, f"control{i}", reset_less=True))
        for before in earlier[1:]:
            same = before.valid & (before.bank == control.bank) & (before.pixel == control.pixel)
            m.d.comb += Assume(~(control.valid & ~control.clear & same))

        total = Signal(signed(ACC_BITS), reset_less=True)
        adding = delay(m, mine, CONTROL_LEAD, "mine", reset_less=True)
        clear = earlier[CONTROL_LEAD].clear
        with m.If(adding):
            m.d.sync += total.eq(Mux(clear, 0, total) + u.dot)

        # On the way: the old sum that is read, the new one, and the word once it is written.
        read = Array(u.q)[bank]
        added = delay(m, adding, 1, "added", reset_less=True)
        words = Array(port.data.as_signed() for port in self.memories)
        m.d.comb += [port.addr.eq(pixel) for port in self.memories]
        m.d.comb += [
            Assert(~adding | clear | (read == total)),
            Assert(
                ~added | (Array(self.register(m, f"total{b}") for b in range(2))[bank] == total)
            ),
            Assert(words[bank] == delay(m, total, 1, "written", reset_less=True)),
        ]
        under_way = Cat(c.valid & (c.bank == bank) for c in earlier).any()
        drained = ~under_way & (u.drain_pixel == pixel)
        drained = delay(m, drained, READ_LATENCY, "drained", reset_less=True)
        before = delay(m, total, READ_LATENCY, "before", reset_less=True)
        m.d.comb += Assert(~drained | (read == before))


class Width(Component):
    """A sum of as many and as large dot products as `numerics` allows."""

    def __init__(self):
        super().__init__({"dot": In(signed(dot_bits(CONFIG.rows))), "clear": In(1)})

    def elaborate(self, platform):
        m = Module()
        total = Signal(signed(ACC_BITS + 2))
        bound = Signal(ACC_BITS)  # on the magnitude: the largest dot product for each that came
        m.d.sync += [
            total.eq(Mux(self.clear, 0, total) + self.dot),
            bound.eq(Mux(self.clear, 0, bound) + LARGEST),
        ]
        m.d.comb += [
            Assume((self.dot >= -LARGEST) & (self.dot <= LARGEST)),
            Assume(self.clear | (bound <= (K_TILES - 1) * LARGEST)),
            Assert(bound <= K_TILES * LARGEST),
            Assert((total >= -bound) & (total <= bound)),
            Assert(total == total[:ACC_BITS].as_signed()),
        ]
        return m


class Lanes(Pipeline):
    """All columns around their accumulators: each has the control of its left neighbour a cycle
    later, and a drain gets the values of the columns that it asks for."""

    def __init__(self):
        super().__init__(
            Accumulators(CONFIG),
            accumulator.drain_latency(CONFIG),
            {f"q{c}_{b}": signed(ACC_BITS) for c in range(CONFIG.columns) for b in range(2)},
            ("resarray.hw.accumulator.AccumulatorColumn",),
        )

    def specify(self, m: Module, platform) -> None:
        u, lanes = self.unit, CONFIG.lanes
        groups = []
        for c, part in enumerate(self.parts):
            group = c // lanes
            self.equal(m, part.control.as_value(), u.control.as_value(), c, f"control{c}")
            self.equal(m, part.dot, u.dot[c], 0, f"dot{c}")
            self.equal(m, part.drain_pixel, u.read.pixel, 1 + group, f"pixel{c}")
            values = [getattr(self, f"q{c}_{bank}") for bank in range(2)]
            for bank, value in enumerate(values):
                at = 1 + group + READ_LATENCY
                self.drive(m, part.q[bank], value, at, f"q{c}_{bank}")
            groups.append(Mux(u.read.bank, values[1], values[0]))
        for lane in range(lanes):
            value = Array(groups[lane::lanes])[u.read.group]
            self.equal(m, u.lanes[lane], value, self.latency, f"lane{lane}")
        ending = u.control.valid & u.control.end
        last = CONFIG.columns + CONTROL_LEAD + 1
        self.equal(m, u.finished, ending, last, "finished")
        self.equal(m, u.mark, ending & u.control.mark, last, "mark")


PROPERTIES = [
    Property(
        name="accumulator-sum",
        unit="accumulator.AccumulatorColumn",
        says="A pixel's word is the sum of its dot products, and a drain reads it.",
        build=Sum,
        method=Induction(6),
        twins=(
            Edit(
                "the old sum is not dropped",
                "hw.accumulator",
                "~stage1.clear, 2",
                "~stage1.end, 2",
            ),
            Edit(
                "a pixel too early is added to",
                "hw.accumulator",
                "memory.write_addr.eq(stage3.pixel)",
                "memory.write_addr.eq(stage2.pixel)",
            ),
            Edit(
                "computing and draining share an address",
                "hw.accumulator",
                "control.valid & (control.bank == bank)",
                "control.valid",
            ),
        ),
    ),
    Property(
        name="accumulator-width",
        unit="accumulator.AccumulatorColumn",
        says="32 bits hold every sum of up to 65,536 products.",
        build=Width,
        method=Induction(2),
        twins=(Edit("sums of 18 bits", "spec.numerics", "ACC_BITS = 32", "ACC_BITS = 18"),),
    ),
    Property(
        name="accumulators-lanes",
        unit="accumulator.Accumulators",
        says="A drain gets the values of its columns; columns follow each other by a cycle.",
        build=Lanes,
        method=Induction(CONFIG.columns + CONTROL_LEAD + 3),
        twins=(
            Edit(
                "the bank of the group before",
                "hw.accumulator",
                "Mux(chosen[lane][1], column.q[1], column.q[0])",
                "Mux(chosen[lane][0], column.q[1], column.q[0])",
            ),
            Edit(
                "the last pixel is told too early",
                "hw.accumulator",
                "config.columns + CONTROL_LEAD + 1",
                "config.columns + CONTROL_LEAD",
            ),
        ),
    ),
]
