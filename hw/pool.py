"""Pool stage behind the drain: nothing, max pooling with a line buffer, or the global average."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec import isa
from ..spec import numerics as n
from ..spec.config import Config
from .array import bytes_of
from .common import delay, maximum
from .layouts import INSTRUCTIONS
from .memory import READ_LATENCY, Fifo, Ram
from .multiplier import WIDE_LATENCY, WideMultiplier
from .requantise import rounding, saturate, shift_right

# From a line-buffer read to the write of the same word, which can be read a cycle later. Windows of
# one column are `width` words apart: narrower maps than this wait for the pipeline to empty.
LINE_CYCLES = READ_LATENCY + 4
# From a sum to its byte: bias, product, shift, round.
AVERAGE_LATENCY = 1 + WIDE_LATENCY + 2 + 1 + 2
# Words that leave the stage wait here: nothing before it has to stop. PIPELINE of them may be on
# their way when it begins to fill.
FIFO_WORDS = 16
PIPELINE = 9


def offset(word):
    """int8 to unsigned bytes of the same order, which compare with one carry chain; or back."""
    return word ^ Const(int.from_bytes(b"\x80" * (len(word) // 8)), len(word))


def unsigned_bytes(word) -> list:
    """The bytes of a word, lowest first."""
    return [word.word_select(i, 8) for i in range(len(word) // 8)]


def word_max(a, b):
    """Byte-wise maximum of two words of unsigned bytes."""
    pairs = zip(unsigned_bytes(a), unsigned_bytes(b), strict=True)
    return Cat(maximum(x, y) for x, y in pairs)


class PoolStage(wiring.Component):
    """Takes the words of one DRAIN instruction, block by block, pixel by pixel.

    A word a cycle, 10 cycles from end to end; max-pooled maps narrower than LINE_CYCLES pixels wait
    for the line buffer at each window. AVERAGE takes ``rows`` + AVERAGE_LATENCY + 2 cycles more for
    the result.

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
        bits = 8 * config.rows

        # Position of the next word. The flags say what the counters are.
        pixels, blocks, left = (
            Signal.like(like, name=name)
            for name, like in (("pixels", c.px_count), ("blocks", c.n_blocks), ("left", c.width))
        )
        end_of_block, last_block, end_of_row = Signal(), Signal(), Signal()
        start_of_row, last_row, start_of_block = Signal(), Signal(), Signal()
        odd_x, odd_y, first_row = Signal(), Signal(), Signal()
        column = Signal.like(c.pool_width)  # pooled column of the current horizontal window
        line = Signal.like(c.line)  # line-buffer word of the block's column 0
        taken = Signal()
        m.d.comb += taken.eq(self.i.valid & self.i.ready)
        end = end_of_block & last_block
        one_pixel, one_column, one_row = Signal(), Signal(), Signal()
        width1 = Signal(len(c.width) + 1)
        m.d.sync += [
            width1.eq(c.width + 1),
            one_pixel.eq(c.px_count == 1),
            one_column.eq(c.width == 1),
            one_row.eq(c.px_count <= c.width),
        ]

        def start_row():
            return [
                start_of_row.eq(1),
                left.eq(c.width),
                end_of_row.eq(one_column),
                odd_x.eq(c.pool_pad),
                column.eq(0),
            ]

        def start_block():
            return [
                *start_row(),
                start_of_block.eq(1),
                pixels.eq(c.px_count),
                end_of_block.eq(one_pixel),
                last_row.eq(one_row),
                odd_y.eq(c.pool_odd),
                first_row.eq(c.pool_first),
            ]

        three = c.pool_k == 3
        window_end = Signal()
        m.d.comb += window_end.eq(
            Mux(three, (~odd_x & ~start_of_row) | (odd_x & end_of_row & c.pool_flush_x), odd_x)
        )
        is_max, is_average = Signal(), Signal()
        m.d.sync += [is_max.eq(c.pool == isa.Pool.MAX), is_average.eq(c.pool == isa.Pool.AVERAGE)]
        with m.If(taken):
            m.d.sync += [
                pixels.eq(pixels - 1),
                end_of_block.eq(pixels == 2),
                start_of_block.eq(0),
                left.eq(left - 1),
                end_of_row.eq(left == 2),
                start_of_row.eq(0),
                odd_x.eq(~odd_x),
                column.eq(column + window_end),
            ]
            with m.If(end_of_row):
                m.d.sync += [
                    *start_row(),
                    odd_y.eq(~odd_y),
                    first_row.eq(0),
                    last_row.eq(pixels <= width1),
                ]
            with m.If(end_of_block):
                m.d.sync += [
                    *start_block(),
                    blocks.eq(blocks - 1),
                    last_block.eq(blocks == 2),
                    line.eq(line + c.pool_width),
                ]
        # The flags of the instruction need a cycle; its first word takes far longer.
        with m.If(delay(m, self.start, 1, "start")):
            m.d.sync += [
                *start_block(),
                blocks.eq(c.n_blocks),
                last_block.eq(c.n_blocks == 1),
                line.eq(c.line),
            ]

        # A word on its way through stages 1 to 6, with its bytes `offset`.
        stage = data.StructLayout({"first": 1, "odd": 1, "addr": isa.LINE_BITS, "word": bits})
        s1, s2, s3, s4, s5, s6 = (Signal(stage, name=f"s{i}", reset_less=True) for i in range(1, 7))
        flags = data.StructLayout({"valid": 1, "emit": 1, "end": 1, "window": 1})
        f1, f2, f3, f4, f5, f6 = (Signal(flags, name=f"f{i}") for i in range(1, 7))
        m.submodules.fifo = fifo = Fifo(bits, FIFO_WORDS)
        connect(m, fifo.o, flipped(self.o))
        room = Signal()
        m.d.sync += room.eq(fifo.level <= FIFO_WORDS - PIPELINE)
        averaging, narrow = Signal(), Signal()
        waiting = Signal(range(LINE_CYCLES + 1))
        hold = Signal()
        m.d.sync += narrow.eq(is_max & (c.width < LINE_CYCLES))
        m.d.comb += self.i.ready.eq(room & ~averaging & ~hold)
        with m.If(self.start | (taken & narrow)):
            m.d.sync += [waiting.eq(LINE_CYCLES), hold.eq(1)]
        with m.Elif(hold):
            m.d.sync += [waiting.eq(waiting - 1), hold.eq(waiting != 1)]

        # Cycle 1: what is to be done with the word.
        s1_start, s1_odd_x = Signal(), Signal()
        v_emit = Mux(three, (~odd_y & ~first_row) | (odd_y & last_row & c.pool_flush_y), odd_y)
        m.d.sync += [
            f1.valid.eq(taken & ~is_average),
            s1.word.eq(offset(self.i.payload)),
            f1.end.eq(end),
            f1.window.eq(taken & window_end & is_max),
            s1.first.eq(first_row),
            s1.odd.eq(odd_y),
            s1.addr.eq(line + column),
            f1.emit.eq(taken & Mux(is_max, window_end & v_emit, ~is_average)),
            s1_start.eq(start_of_row),
            s1_odd_x.eq(odd_x),
        ]

        # Cycle 2: the horizontal window. `running` is the maximum of its pixels so far; an even
        # pixel also begins the next window of three.
        running = Signal(bits, reset_less=True)
        h_max = Signal(bits)
        m.d.comb += h_max.eq(Mux(s1_start, s1.word, word_max(running, s1.word)))
        m.d.sync += [s2.eq(s1), f2.eq(f1)]
        with m.If(f1.window):
            m.d.sync += s2.word.eq(h_max)
        with m.If(f1.valid):
            m.d.sync += running.eq(Mux(s1_odd_x, h_max, s1.word))

        # Cycle 3: the line buffer's word arrives. Cycle 4: it is taken over. Cycle 5: which of its
        # bytes are larger. Cycle 6: the vertical window, kept in the line buffer.
        m.submodules.lines = lines = Ram(bits, config.pool_words)
        carried = delay(m, lines.read_data, 1, "carried", reset_less=True)
        above = delay(m, carried, 1, "above", reset_less=True)
        larger = Signal(config.rows, reset_less=True)
        pairs = zip(unsigned_bytes(carried), unsigned_bytes(s4.word), strict=True)
        m.d.sync += larger.eq(Cat((a > b) & ~s4.first for a, b in pairs))
        v_max = Cat(
            Mux(larger[i], above.word_select(i, 8), s5.word.word_select(i, 8))
            for i in range(config.rows)
        )
        kept = Signal(bits, reset_less=True)
        m.d.sync += [
            Cat(s3, s4, s5, s6).eq(Cat(s2, s3, s4, s5)),
            Cat(f3, f4, f5, f6).eq(Cat(f2, f3, f4, f5)),
            kept.eq(Mux(s5.odd, v_max, s5.word)),
        ]
        with m.If(f5.window):
            m.d.sync += s6.word.eq(v_max)
        m.d.comb += [
            lines.read_addr.eq(s1.addr),
            lines.write_en.eq(f6.window),
            lines.write_addr.eq(s6.addr),
            lines.write_data.eq(kept),
        ]

        # AVERAGE: sums, then one byte a cycle through a small requantiser.
        sums = [
            Signal(signed(n.SUM_BITS), name=f"sum{i}", reset_less=True) for i in range(config.rows)
        ]
        a_word, a_valid = Signal(bits, reset_less=True), Signal()
        a_run, a_end = Signal(), Signal()
        a_step = Signal(range(config.rows + AVERAGE_LATENCY))
        a_taken, a_restart, a_part_end = Signal(), Signal(), Signal()
        m.d.sync += [
            a_taken.eq(taken & is_average),
            a_restart.eq(c.avg_first & start_of_block),
            a_part_end.eq(taken & is_average & end & ~c.avg_last),
            a_run.eq(averaging),
        ]
        with m.If(taken & is_average & end_of_block & c.avg_last):
            m.d.sync += [averaging.eq(1), a_end.eq(last_block), a_step.eq(0)]
        with m.If(a_taken):
            m.d.sync += [
                s.eq(Mux(a_restart, 0, s) + b)
                for s, b in zip(sums, bytes_of(offset(s1.word)), strict=True)
            ]
        total = Signal(signed(n.TOTAL_BITS), reset_less=True)
        m.submodules.average = multiplier = WideMultiplier(len(total), n.MULT_BITS)
        m.d.comb += [multiplier.a.eq(total), multiplier.b.eq(c.avg_mult)]
        fixed = shift_right(m, multiplier.product, c.avg_shift, "average")
        rounded = Signal(signed(len(fixed) + 1), reset_less=True)
        m.d.sync += [total.eq(sums[0] + c.avg_bias), rounded.eq(fixed + rounding(c.avg_zp))]
        result = saturate(m, rounded, "average")
        with m.If(a_run):
            # Byte i enters in step i and is in `a_word` after step i + AVERAGE_LATENCY.
            m.d.sync += [
                a_step.eq(a_step + 1),
                a_word.eq(Cat(a_word[8:], result)),
                a_valid.eq(a_step == config.rows - 1 + AVERAGE_LATENCY),
            ]
            m.d.sync += [x.eq(y) for x, y in zip(sums, [*sums[1:], sums[0]], strict=True)]
        with m.If(a_valid):
            m.d.sync += [averaging.eq(0), a_run.eq(0)]

        m.d.comb += [
            fifo.i.valid.eq(f6.emit | a_valid),
            fifo.i.payload.eq(Mux(a_valid, a_word, offset(s6.word))),
        ]
        m.d.sync += self.end.eq((f6.end & f6.valid) | (a_valid & a_end) | a_part_end)
        return m
