"""Pool stage behind the drain: nothing, max pooling with a line buffer, or the global average."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..spec import isa
from ..spec import numerics as n
from ..spec.config import Config
from .array import bytes_of
from .common import maximum
from .layouts import INSTRUCTIONS
from .requantise import round_to_int8

# Sum of at most 2**16 int8 pixels (65,536 * 128 = 2**23).
SUM_BITS = 25


def word_max(a, b):
    """Byte-wise maximum of two words of int8."""
    pairs = zip(bytes_of(a), bytes_of(b), strict=True)
    return Cat(maximum(x, y).as_unsigned()[:8] for x, y in pairs)


class PoolStage(wiring.Component):
    """Takes the words of one DRAIN instruction, block by block, pixel by pixel.

    NONE: a word a cycle. MAX: 1 cycle a word, 1 more where a horizontal window ends. AVERAGE: a
    word a cycle and ``rows`` + 6 more for the result.

    Members
    -------
    c : In(DRAIN instruction)   constant from ``start`` to ``end``
    start : In                  a new instruction; ``c`` already shows it
    i, o : stream of words
    end : Out                   pulse: the instruction's last word is through
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "c": In(INSTRUCTIONS[isa.Engine.DRAIN]), "start": In(1),
            "i": In(stream.Signature(8 * config.rows)),
            "o": Out(stream.Signature(8 * config.rows)),
            "end": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        config, c = self._config, self.c
        bits = 8 * config.rows
        word = self.i.payload

        # Position of the next word.
        pixels, blocks, x = Signal(10), Signal(6), Signal(10)
        odd_x, odd_y, first_row = Signal(), Signal(), Signal()
        column = Signal(10)  # pooled column of the current horizontal window
        line = Signal(12)  # line-buffer word of the block's column 0
        taken = Signal()
        m.d.comb += taken.eq(self.i.valid & self.i.ready)
        end_of_row = x == c.width - 1
        end_of_block = pixels == 1
        last_row = pixels <= c.width
        end = end_of_block & (blocks == 1)

        def start_block():
            return [
                pixels.eq(c.px_count), x.eq(0), column.eq(0), odd_x.eq(c.pool_pad),
                odd_y.eq(c.pool_odd), first_row.eq(c.pool_first),
            ]  # fmt: skip

        with m.If(taken):
            m.d.sync += [pixels.eq(pixels - 1), x.eq(x + 1), odd_x.eq(~odd_x)]
            with m.If(end_of_row):
                m.d.sync += [
                    x.eq(0), odd_x.eq(c.pool_pad), column.eq(0), odd_y.eq(~odd_y), first_row.eq(0),
                ]  # fmt: skip
            with m.If(end_of_block):
                m.d.sync += [*start_block(), blocks.eq(blocks - 1), line.eq(line + c.pool_width)]
        with m.If(self.start):
            m.d.sync += [*start_block(), blocks.eq(c.n_blocks), line.eq(c.line)]

        # MAX, cycle 1: the horizontal window. `running` is the maximum of its pixels so far.
        running = Signal(bits)
        h_max = Signal(bits)
        with m.If(x == 0):
            m.d.comb += h_max.eq(word)
        with m.Else():
            m.d.comb += h_max.eq(word_max(running, word))
        three = c.pool_k == 3
        window_end = Signal()
        m.d.comb += window_end.eq(
            Mux(three, (~odd_x & (x != 0)) | (odd_x & end_of_row & c.pool_flush_x), odd_x)
        )
        v_pending = Signal()
        v_word, v_addr = Signal(bits), Signal(12)
        v_first, v_odd, v_last, v_end = Signal(), Signal(), Signal(), Signal()
        lines = Memory(shape=bits, depth=config.pool_words, init=[])
        m.submodules.lines = lines
        read, write = lines.read_port(), lines.write_port()
        # Only then, so that the data stays while cycle 2 waits for the output.
        m.d.comb += [read.addr.eq(line + column), read.en.eq(taken)]
        with m.If(taken & (c.pool == isa.Pool.MAX)):
            # An even pixel also begins the next window of three.
            m.d.sync += running.eq(Mux(odd_x, h_max, word))
            with m.If(window_end):
                m.d.sync += [
                    v_pending.eq(1), v_word.eq(h_max), v_addr.eq(line + column),
                    v_first.eq(first_row), v_odd.eq(odd_y), v_last.eq(last_row),
                    column.eq(Mux(end_of_row, 0, column + 1)),
                ]  # fmt: skip
            m.d.sync += v_end.eq(end)

        # MAX, cycle 2: the vertical window, carried in the line buffer.
        v_max = Signal(bits)
        with m.If(v_first):
            m.d.comb += v_max.eq(v_word)
        with m.Else():
            m.d.comb += v_max.eq(word_max(read.data, v_word))
        v_emit = Signal()
        m.d.comb += v_emit.eq(
            Mux(three, (~v_odd & ~v_first) | (v_odd & v_last & c.pool_flush_y), v_odd)
        )
        v_step = Signal()
        m.d.comb += [
            v_step.eq(v_pending & (~v_emit | self.o.ready)),
            write.en.eq(v_step),
            write.addr.eq(v_addr),
            write.data.eq(Mux(v_odd, v_max, v_word)),
        ]

        # AVERAGE: sums, then one byte a cycle through a small requantiser.
        sums = [Signal(signed(SUM_BITS), name=f"sum{i}") for i in range(config.rows)]
        averaging = Signal()
        a_total = Signal(signed(SUM_BITS + 2))
        a_product = Signal(signed(SUM_BITS + 2 + n.MULT_BITS))
        a_product2, a_fixed = Signal.like(a_product), Signal.like(a_product)
        a_word = Signal(bits)
        a_step = Signal(range(config.rows + 8))
        a_valid = Signal()
        with m.If(averaging & ~a_valid):
            # Byte i enters in step i and is in `a_word` after step i + 4.
            m.d.sync += [
                a_step.eq(a_step + 1),
                a_total.eq(sums[0] + c.avg_bias),
                a_product.eq(a_total * c.avg_mult),
                a_product2.eq(a_product),
                a_fixed.eq(a_product2 >> c.avg_shift),
                a_word.eq(
                    Cat(a_word[8:], round_to_int8(a_fixed, c.avg_zp, n.INT8_MIN, n.INT8_MAX)[:8])
                ),
                a_valid.eq(a_step == config.rows + 3),
            ]
            m.d.sync += [a.eq(b) for a, b in zip(sums, [*sums[1:], sums[0]], strict=True)]

        with m.Switch(c.pool):
            with m.Case(isa.Pool.NONE):
                m.d.comb += [
                    self.o.valid.eq(self.i.valid), self.o.payload.eq(word),
                    self.i.ready.eq(self.o.ready), self.end.eq(taken & end),
                ]  # fmt: skip
            with m.Case(isa.Pool.MAX):
                m.d.comb += [
                    self.o.valid.eq(v_pending & v_emit), self.o.payload.eq(v_max),
                    self.i.ready.eq(~v_pending),
                ]  # fmt: skip
                with m.If(v_pending):
                    m.d.comb += self.end.eq(v_step & v_end)
                with m.Else():
                    m.d.comb += self.end.eq(taken & end & ~window_end)
                with m.If(v_step):
                    m.d.sync += v_pending.eq(0)
            with m.Case(isa.Pool.AVERAGE):
                m.d.comb += [
                    self.o.valid.eq(a_valid), self.o.payload.eq(a_word),
                    self.i.ready.eq(~averaging),
                ]  # fmt: skip
                with m.If(taken):
                    restart = c.avg_first & (pixels == c.px_count)
                    m.d.sync += [
                        s.eq(Mux(restart, 0, s) + b)
                        for s, b in zip(sums, bytes_of(word), strict=True)
                    ]
                    with m.If(end_of_block & c.avg_last):
                        m.d.sync += [averaging.eq(1), a_step.eq(0)]
                with m.If(a_valid & self.o.ready):
                    m.d.sync += [a_valid.eq(0), averaging.eq(0)]
                m.d.comb += self.end.eq(
                    Mux(c.avg_last, a_valid & self.o.ready & (blocks == 0), taken & end)
                )
        return m
