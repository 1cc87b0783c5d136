"""Pool unit behind the drain: nothing, max pooling, or the global average."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec import isa
from ..spec.config import Config
from . import max_pool
from .average_pool import AveragePool
from .checks import check
from .common import delay
from .layouts import INSTRUCTIONS
from .max_pool import MaxWindow, offset
from .memory import Fifo
from .raster import Raster

# Words that leave the unit wait here: nothing before it has to stop. PIPELINE of them may be on
# their way when it begins to fill.
FIFO_WORDS = 16
PIPELINE = 10


class PoolUnit(wiring.Component):
    """Takes the words of one DRAIN instruction, block by block, pixel by pixel.

    A word a cycle, 10 cycles from end to end; max-pooled maps narrower than `max_pool.LINE_CYCLES`
    pixels wait for the line buffer at each word. AVERAGE takes ``rows`` + `average_pool.LATENCY`
    + 3 cycles more for the result.

    Members
    -------
    c : In(DRAIN instruction)   constant from ``start`` to ``end``
    start : In                  a new instruction; ``c`` already shows it
    i, o : stream of words
    end : Out                   pulse: the instruction's last word is through
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "c": In(INSTRUCTIONS[isa.Engine.DRAIN]),
                "start": In(1),
                "i": In(stream.Signature(8 * config.rows)),
                "o": Out(stream.Signature(8 * config.rows)),
                "end": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, c = self._config, self.c
        m.submodules.raster = raster = Raster()
        m.submodules.maximum = maximum = MaxWindow(config)
        m.submodules.average = average = AveragePool(config)
        m.submodules.fifo = fifo = Fifo(8 * config.rows, FIFO_WORDS)
        is_max, is_average, narrow = Signal(), Signal(), Signal()
        one_x, one_y = Signal(), Signal()
        averages = Signal()  # a block's end begins the average
        m.d.sync += [
            is_max.eq(c.pool == isa.Pool.MAX),
            is_average.eq(c.pool == isa.Pool.AVERAGE),
            averages.eq((c.pool == isa.Pool.AVERAGE) & c.avg_last),
            one_x.eq(c.pool_kx == 1),
            one_y.eq(c.pool_ky == 1),
            maximum.three_x.eq(c.pool_kx == 3),
            maximum.three_y.eq(c.pool_ky == 3),
            narrow.eq(is_max & (c.width < max_pool.LINE_CYCLES)),
        ]

        # A word is taken when there is room for it, the average is not at work, and, in a narrow
        # map, the line buffer has the word before it; a position of the padding passes without one.
        # An instruction's flags need the time too.
        taken, room, hold, hold_next = Signal(), Signal(), Signal(), Signal()
        open_, padding = Signal(), raster.position.padding
        waiting = Signal(range(max_pool.LINE_CYCLES + 1))
        at = raster.position
        held = self.start | (taken & narrow)
        averaging = average.busy | (taken & averages & at.end_of_block)
        m.d.comb += [
            self.i.ready.eq(open_ & ~padding),
            taken.eq(open_ & (self.i.valid | padding)),
            hold_next.eq(held | (hold & (waiting != 1))),
        ]
        m.d.sync += [
            room.eq(fifo.level <= FIFO_WORDS - PIPELINE),
            hold.eq(hold_next),
            open_.eq(room & ~hold_next & ~averaging),
        ]
        with m.If(held):
            m.d.sync += waiting.eq(max_pool.LINE_CYCLES)
        with m.Else():
            m.d.sync += waiting.eq(waiting - 1)

        # Cycle 1: what is to be done with the word.
        m.d.comb += [raster.c.eq(c), raster.start.eq(self.start), raster.taken.eq(taken)]
        word = Signal.like(self.i.payload, reset_less=True)
        m.d.sync += word.eq(Mux(at.inside, offset(self.i.payload), 0))
        place = delay(m, at, 1, "place", reset_less=True)
        line = delay(m, raster.line, 1, "line", reset_less=True)
        flags = Signal(max_pool.FLAGS)
        m.d.sync += [
            flags.valid.eq(taken & ~is_average),
            flags.end.eq(raster.end),
            flags.window.eq(taken & raster.window_x & is_max),
            flags.emit.eq(
                taken & Mux(is_max, raster.window_x & raster.window_y, ~is_average),
            ),
        ]

        # Cycles 2 to 6: the maximum; a word without a pool takes the same way. Beside it the sums.
        m.d.comb += [
            maximum.word.eq(word),
            maximum.flags.eq(flags),
            # Windows of one begin with every pixel.
            maximum.start_x.eq(place.start_of_row | one_x),
            maximum.start_y.eq(place.first_row | one_y),
            maximum.line.eq(line),
            average.c.eq(c),
            average.taken.eq(taken & is_average),
            average.start_of_block.eq(at.start_of_block),
            average.end_of_block.eq(at.end_of_block),
            average.last_block.eq(at.last_block),
            average.word.eq(offset(word)),
        ]

        # Cycles 7 to 10: the FIFO.
        done = maximum.o_flags
        m.d.comb += [
            fifo.i.valid.eq(done.emit | average.valid),
            fifo.i.payload.eq(Mux(average.valid, average.o, offset(maximum.o))),
        ]
        check(m, platform, ~fifo.i.valid | (fifo.level != FIFO_WORDS), "the FIFO overflows")
        connect(m, fifo.o, flipped(self.o))
        m.d.sync += self.end.eq((done.end & done.valid) | average.end)
        return m
