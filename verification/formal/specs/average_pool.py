"""The global average: sums of words, requantised byte by byte."""

from amaranth.hdl import Array, Assert, Assume, Cat, Module, Mux, Signal, signed

from resarray.hw import average_pool
from resarray.hw.array import numbers_of
from resarray.hw.average_pool import AveragePool
from resarray.hw.common import delay
from resarray.hw.multiplier import WIDE_LATENCY
from resarray.spec import numerics as n
from resarray.spec.config import Config

from ..pipeline import Inside, definition
from ..properties import Edit, Induction, Property

CONFIG = Config(name="formal", rows=4, columns=4, lanes=2)
DONE = CONFIG.rows + average_pool.LATENCY + 3


class Average(Inside):
    """Words in any number and at any times, from the first one on; then the average of each byte,
    DONE cycles after the last: around the multiplier and the shifter, whose inputs are asserted and
    whose results are free, as for the lane ("requantise-sum").

    Assumed: the instruction stays while its average is made, nothing is taken meanwhile, and the
    first word after an average or a reset begins anew. Sums are compared modulo their width: that
    it holds them says "average-width".
    """

    def __init__(self):
        names = ("WideMultiplier", "shift_right")
        super().__init__(
            AveragePool(CONFIG),
            {"product": signed(n.TOTAL_BITS + n.MULT_BITS)}
            | {"fixed": signed(n.TOTAL_BITS + n.MULT_BITS)},
            tuple(f"resarray.hw.average_pool.{name}" for name in names),
        )

    def specify(self, m: Module, platform) -> None:
        u, c, rows = self.unit, self.unit.c, CONFIG.rows
        multiplier, shift = self.parts
        ending = u.taken & u.end_of_block
        restart = c.avg_first & u.start_of_block
        opened = Signal()  # sums are those of words since the last one that began anew
        age = Signal(range(DONE + 1))  # cycles since the last word; 0: it has not come
        last = Signal()
        with m.If(u.taken):
            m.d.sync += opened.eq(1)
        with m.If(age != 0):
            m.d.sync += age.eq(Mux(age == DONE, 0, age + 1))
        with m.If(age == DONE):
            m.d.sync += opened.eq(0)
        with m.If(ending & c.avg_last):
            m.d.sync += [age.eq(1), last.eq(u.last_block)]
        sums = [
            Signal(signed(n.SUM_BITS), name=f"sum_spec{i}", reset_less=True) for i in range(rows)
        ]
        anew = delay(m, restart, 1, "anew")
        adding = delay(m, u.taken, 1, "adding_spec")
        first = adding & anew  # the sums are still those of words before
        with m.If(adding):
            for total, byte in zip(sums, numbers_of(u.word), strict=True):
                m.d.sync += total.eq(Mux(anew, 0, total) + byte)

        # What the multiplier gets, and what the shifter gave, for each byte.
        enters = 4
        shifted = enters + WIDE_LATENCY + 2
        m.d.comb += [multiplier.product.eq(self.product), shift.result.eq(self.fixed)]
        given = [Signal.like(self.fixed, name=f"given{i}") for i in range(rows)]
        for i in range(rows):
            with m.If(age == shifted + i):
                m.d.sync += given[i].eq(self.fixed)
        averages = [
            definition(n.requantise, fixed, 0, 1, 0, c.avg_zp, n.INT8_MIN, n.INT8_MAX)
            for fixed in given
        ]
        before = Signal.like(c.as_value(), reset_less=True)
        m.d.sync += before.eq(c)
        at = (age - enters)[:2]
        entered = (age >= enters) & (age < enters + rows)
        part = delay(m, ending & u.last_block & ~c.avg_last, 1, "part")
        m.d.comb += [
            Assume((age == 0) | (c.as_value() == before)),
            Assume((age == 0) | ~u.taken),
            Assume(~u.taken | opened | restart),
            Assert(~entered | (multiplier.a == Array(sums)[at] + c.avg_bias)),
            Assert(multiplier.b == c.avg_mult),
            Assert(shift.value == self.product),
            Assert(shift.shift == c.avg_shift),
            Assert(u.valid == (age == DONE)),
            Assert(u.busy == (age != 0)),
            Assert(u.end == ((u.valid & last) | part)),
            Assert(~u.valid | (u.o == Cat(value[:8] for value in averages))),
            # Inside.
            Assert((age == 0) | opened),
            Assert(self.inner["closing"] == (age == 1)),
            Assert((age != 1) | (self.inner["closes_last"] == last)),
            Assert(self.inner["running"] == (age >= 2)),
            Assert(self.inner["run"] == (age >= 3)),
            Assert(~self.inner["run"] | (self.inner["step"] == age - 3)),
            Assert((age < 2) | (self.inner["last"] == last)),
            *(Assert(~opened | first | (self.inner[f"sums{i}"] == sums[i])) for i in range(rows)),
        ]


PROPERTIES = [
    Property(
        name="average-pool",
        unit="average_pool.AveragePool",
        says="The average of each byte of all words is numerics.requantise of their sum.",
        build=Average,
        method=Induction(DONE + 2, twin_depth=DONE + 4),
        twins=(
            Edit(
                "the result comes a byte early",
                "hw.average_pool",
                "step == rows - 1 + LATENCY",
                "step == rows - 2 + LATENCY",
            ),
            Edit(
                "bytes in the wrong order",
                "hw.average_pool",
                "word.eq(Cat(word[8:], result))",
                "word.eq(Cat(result, word[:-8]))",
            ),
            Edit(
                "a block does not begin anew",
                "hw.average_pool",
                "c.avg_first & self.start_of_block",
                "c.avg_first & 0",
            ),
        ),
    ),
]
