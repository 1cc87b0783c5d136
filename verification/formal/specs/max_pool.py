"""Max pooling: each window's maximum, for maps of all sizes."""

from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal

from resarray.hw.common import delay
from resarray.hw.max_pool import LATENCY, LINE_CYCLES, MaxWindow
from resarray.spec.config import Config

from ..harness import constant
from ..pipeline import Inside
from ..properties import Edit, Induction, Property

CONFIG = Config(name="formal", rows=4, columns=4, lanes=2, pool_words=8)


def word_max(a, b):
    """The larger of each two bytes."""
    bytes_ = [(a[i : i + 8], b[i : i + 8]) for i in range(0, len(a), 8)]
    return Cat(Mux(x > y, x, y) for x, y in bytes_)


class Window(Inside):
    """A word that ends a horizontal window makes a maximum with the one or two words before it, as
    far as they belong to its row; where a window ends that is a maximum with the one or two that
    the same line-buffer word had before, as far as they belong to its map. That is the maximum of
    the rectangle of the map that ends here, cut off at the map's edges, for maps of any size: of
    them nothing else is held, and the line-buffer word is any one.

    Which words begin a row or a map, end a window, and where it is kept, says the raster
    ("raster-positions"). Assumed is what `MaxWindow` says: the words of a line-buffer word are far
    enough apart; and that the first one after a reset begins a map.
    """

    def __init__(self):
        super().__init__(MaxWindow(CONFIG), {"any_line": 3})

    def specify(self, m: Module, platform) -> None:
        u, flags = self.unit, self.unit.flags
        line = constant(m, self.any_line, "line")
        mine = Signal()
        m.d.comb += mine.eq(flags.window & (u.line == line))
        window, before = flags.window, u.line
        for i in range(LINE_CYCLES - 1):
            window = delay(m, window, 1, f"window{i}")
            before = delay(m, before, 1, f"line{i}", reset_less=True)
            m.d.comb += Assume(~(flags.window & window & (before == u.line)))
        for three in (u.three_x, u.three_y):
            m.d.comb += Assume(three == constant(m, three, three.name))

        def joined(name: str, enabled, three, start, word):
            """The maximum of ``word``, of the one before where it is no start, and of the one
            before that; and what is kept for those to come: the last, and the maximum of two."""
            last, older = (Signal.like(word, name=f"{name}_{n}", reset_less=True) for n in "12")
            started = Signal(name=f"{name}_started", reset_less=True)
            with m.If(enabled):
                m.d.sync += [last.eq(word), older.eq(last), started.eq(start)]
            best = Mux(three & ~started, word_max(last, older), last)
            return Mux(start, word, word_max(word, best)), last, best

        across, last, best = joined("x", flags.valid, u.three_x, u.start_x, u.word)
        row = Signal.like(u.word)
        m.d.comb += row.eq(across)
        found, above, best_above = joined("y", mine, u.three_y, u.start_y, row)
        known = Signal()
        with m.If(mine):
            m.d.sync += known.eq(1)
        expected = Signal.like(u.word)
        m.d.comb += expected.eq(Mux(flags.window, found, u.word))
        compared = delay(m, flags.valid & (mine | ~flags.window), LATENCY, "compared")
        (lines,) = self.memories
        written = delay(m, known, LATENCY, "written")
        kept = {"last": above, "best": best_above}
        m.d.comb += [
            Assume(~mine | known | u.start_y),
            Assume(u.line < CONFIG.pool_words),
            Assume(~flags.window | flags.valid),
            lines.addr.eq(line),
            Assert(~compared | (u.o == delay(m, expected, LATENCY, "expected", reset_less=True))),
            Assert(u.o_flags.as_value() == delay(m, flags.as_value(), LATENCY, "flags")),
            # Inside.
            Assert(self.inner["run"].last == last),
            Assert(self.inner["run"].best == best),
        ]
        bits = len(u.word)
        for name, half in (("last", lines.data[:bits]), ("best", lines.data[bits:])):
            value = delay(m, kept[name], LATENCY, f"kept_{name}", reset_less=True)
            m.d.comb += Assert(~written | (half == value))


PROPERTIES = [
    Property(
        name="max-window",
        unit="max_pool.MaxWindow",
        says="Each word is the maximum of the window that it ends, for maps of all sizes.",
        build=Window,
        method=Induction(2 * LATENCY + 2),
        twins=(
            Edit(
                "a window of three is one of two",
                "hw.max_pool",
                "word_max(run.last, self.word)",
                "self.word",
            ),
            Edit(
                "bytes are compared with signs",
                "hw.max_pool",
                "return [word.word_select(i, 8) for",
                "return [word.word_select(i, 8).as_signed() for",
            ),
            Edit(
                "rows of the map above are taken in",
                "hw.max_pool",
                "larger(carried.best, ~s3.first,",
                "larger(carried.best, 1,",
            ),
        ),
    ),
]
