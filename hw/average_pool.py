"""Global average: sums of a block's words, then one word of them."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import isa
from ..spec import numerics as n
from ..spec.config import Config
from .array import numbers_of
from .common import add_where, copies, delay
from .layouts import INSTRUCTIONS
from .multiplier import WIDE_LATENCY, WideMultiplier
from .requantise import rounding, saturate, shift_right

# From a sum to its byte: bias, product, shift, round.
LATENCY = 1 + WIDE_LATENCY + 2 + 1 + 2


class AveragePool(wiring.Component):
    """Sums words into ``rows`` sums, carried from instruction to instruction between ``avg_first``
    and ``avg_last``; then the sums go through one small requantiser, a byte a cycle.

    The result comes ``rows`` + LATENCY + 3 cycles after the last word's ``taken``, and from the
    next cycle on until then ``busy`` allows no other word. The compiler keeps sums of int8 to
    `numerics.MAX_AVERAGE_PIXELS` pixels: they cannot overflow.

    Members
    -------
    c : In(DRAIN instruction)
    taken : In              a word is taken; beside it:
    start_of_block, end_of_block, last_block : In
    word : In               the word, signed bytes, 1 cycle after ``taken``
    busy : Out
    o, valid : Out          the average, in this cycle only
    end : Out               pulse: all that the instruction wanted is done
    """

    def __init__(self, config: Config):
        self._config = config
        bits = 8 * config.rows
        super().__init__(
            {
                "c": In(INSTRUCTIONS[isa.Engine.DRAIN]),
                "taken": In(1),
                "start_of_block": In(1),
                "end_of_block": In(1),
                "last_block": In(1),
                "word": In(bits),
                "busy": Out(1),
                "o": Out(bits),
                "valid": Out(1),
                "end": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        c, rows = self.c, self._config.rows
        # Cycle 1: whether to begin anew. Cycle 2: add.
        sums = [Signal(signed(n.SUM_BITS), name=f"sum{i}", reset_less=True) for i in range(rows)]
        adding, part_end = Signal(), Signal()
        end_of_block = self.taken & self.end_of_block
        restart = c.avg_first & self.start_of_block
        goes_on = copies(m, platform, ~restart, rows, "goes_on")
        m.d.sync += [
            adding.eq(self.taken),
            part_end.eq(end_of_block & self.last_block & ~c.avg_last),
        ]
        added = [
            add_where(m, platform, goes_on[i], sums[i], b, f"added{i}")
            for i, b in enumerate(numbers_of(self.word))
        ]
        with m.If(adding):
            m.d.sync += [s.eq(more) for s, more in zip(sums, added, strict=True)]

        # A copy of the sums passes by the requantiser: byte i enters in step i and is in `o` after
        # step i + LATENCY.
        passing = [Signal.like(s, name=f"passing{i}", reset_less=True) for i, s in enumerate(sums)]
        running, run, last = Signal(), Signal(), Signal()
        closing = delay(m, end_of_block & c.avg_last, 1, "closing")
        closes_last = delay(m, self.last_block, 1, "closes_last")
        step = Signal(range(rows + LATENCY))
        total = Signal(signed(n.TOTAL_BITS), reset_less=True)
        m.submodules.multiplier = multiplier = WideMultiplier(len(total), n.MULT_BITS)
        m.d.comb += [multiplier.a.eq(total), multiplier.b.eq(c.avg_mult)]
        fixed = shift_right(m, multiplier.product, c.avg_shift, "average")
        rounded = Signal(signed(len(fixed) + 1), reset_less=True)
        m.d.sync += [total.eq(passing[0] + c.avg_bias), rounded.eq(fixed + rounding(c.avg_zp))]
        result = saturate(m, rounded, "average")
        word = Signal.like(self.o, reset_less=True)
        m.d.comb += [self.o.eq(word), self.end.eq((self.valid & last) | part_end)]
        m.d.comb += self.busy.eq(running | closing)
        m.d.sync += run.eq(running)
        for i, s in enumerate(sums):
            m.d.sync += passing[i].eq(Mux(run, passing[(i + 1) % rows], s))
        with m.If(closing):
            m.d.sync += [running.eq(1), last.eq(closes_last), step.eq(0)]
        with m.If(run):
            m.d.sync += [
                step.eq(step + 1),
                word.eq(Cat(word[8:], result)),
                self.valid.eq(step == rows - 1 + LATENCY),
            ]
        with m.If(self.valid):
            m.d.sync += [running.eq(0), run.eq(0)]
        return m
