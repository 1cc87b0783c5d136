"""Maximum window: max pooling of a stream of words, with a line buffer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..spec import isa
from ..spec.config import Config
from .checks import check
from .common import delay, less, maximum
from .memory import READ_LATENCY, Ram

# From a word to its maximum: horizontal window, line buffer and a register behind it, comparison,
# vertical window.
LATENCY = 1 + READ_LATENCY + 2
# From a line-buffer read to the write of the same word, which can be read a cycle later. Windows of
# one column are `width` words apart: the words of narrower maps than this must be held back.
LINE_CYCLES = LATENCY + 1

# ``emit``: the word, or the maximum that it completes, comes out; ``window``: it ends a horizontal
# window of a max pool; ``end``: it is the last of its instruction.
FLAGS = data.StructLayout({"valid": 1, "emit": 1, "end": 1, "window": 1})


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


class MaxWindow(wiring.Component):
    """Windows of one to three rows of one to three pixels: a word a cycle, LATENCY cycles later;
    never stalls. Where ``window`` is not set a word passes as it is.

    Each axis keeps what comes last, and the maximum of that and what is before it: whatever the
    stride, a window that ends takes one of them in. Those of the columns are in the line buffer, a
    word of both for each pooled column of each block; a column's must be LINE_CYCLES apart or more.

    Members
    -------
    word : In                       unsigned bytes (`offset`)
    flags : In(FLAGS)
    start_x, start_y : In           no pixel to the left, above is in its window
    three_x, three_y : In           windows are of three
    line : In                       line-buffer word of the window
    o, o_flags : Out                the word, or the maximum that it completes
    """

    def __init__(self, config: Config):
        self._config = config
        bits = 8 * config.rows
        super().__init__(
            {
                "word": In(bits),
                "flags": In(FLAGS),
                "start_x": In(1),
                "three_x": In(1),
                "start_y": In(1),
                "three_y": In(1),
                "line": In(isa.LINE_BITS),
                "o": Out(bits),
                "o_flags": Out(FLAGS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        bits = 8 * config.rows
        stage = data.StructLayout({"first": 1, "line": isa.LINE_BITS, "word": bits})
        s1, s2, s3, s4, s5 = (Signal(stage, name=f"s{i}", reset_less=True) for i in range(1, 6))
        f1, f2, f3, f4, f5 = (Signal(FLAGS, name=f"f{i}") for i in range(1, 6))
        # ``best``: of the last two where windows are of three, else the last.
        pair = data.StructLayout({"last": bits, "best": bits})

        # Cycle 1: the horizontal window.
        run = Signal(pair, reset_less=True)
        h_max = Signal(bits)
        m.d.comb += h_max.eq(Mux(self.start_x, self.word, word_max(run.best, self.word)))
        m.d.sync += [
            f1.eq(self.flags),
            s1.first.eq(self.start_y),
            s1.line.eq(self.line),
            s1.word.eq(Mux(self.flags.window, h_max, self.word)),
        ]
        with m.If(self.flags.valid):
            joined = self.three_x & ~self.start_x
            m.d.sync += [
                run.last.eq(self.word),
                run.best.eq(Mux(joined, word_max(run.last, self.word), self.word)),
            ]

        # Cycle 2: the line buffer's word arrives. Cycle 3: it is taken over. Cycle 4: which of its
        # bytes are larger. Cycle 5: the vertical window, and what the line buffer keeps.
        m.submodules.lines = lines = Ram(2 * bits, config.pool_words)
        carried = delay(m, data.View(pair, lines.read_data), 1, "carried", reset_less=True)
        above = delay(m, carried, 1, "above", reset_less=True)

        def larger(word, enabled, name):
            """Which bytes of ``word`` exceed those of the stage behind, a cycle later."""
            flags = Signal(config.rows, name=name, reset_less=True)
            pairs = zip(unsigned_bytes(word), unsigned_bytes(s3.word), strict=True)
            m.d.sync += flags.eq(Cat(less(b, a) & enabled for a, b in pairs))
            return flags

        def chosen(flags, word):
            return Cat(
                Mux(flags[i], word.word_select(i, 8), s4.word.word_select(i, 8))
                for i in range(config.rows)
            )

        v_max = chosen(larger(carried.best, ~s3.first, "best_larger"), above.best)
        joined = chosen(larger(carried.last, ~s3.first & self.three_y, "last_larger"), above.last)
        kept = Signal(pair, reset_less=True)
        m.d.sync += [
            Cat(s2, s3, s4, s5).eq(Cat(s1, s2, s3, s4)),
            Cat(f2, f3, f4, f5).eq(Cat(f1, f2, f3, f4)),
            kept.last.eq(s4.word),
            kept.best.eq(joined),
        ]
        with m.If(f4.window):
            m.d.sync += s5.word.eq(v_max)
        m.d.comb += [
            lines.read_addr.eq(self.line),
            lines.write_en.eq(f5.window),
            lines.write_addr.eq(s5.line),
            lines.write_data.eq(kept),
            self.o.eq(s5.word),
            self.o_flags.eq(f5),
        ]
        under_way = Cat(
            f.window & (s.line == self.line)
            for s, f in ((s1, f1), (s2, f2), (s3, f3), (s4, f4), (s5, f5))
        )
        check(
            m,
            platform,
            ~(self.flags.window & under_way.any()),
            "a line-buffer word is read before it is written",
        )
        return m
