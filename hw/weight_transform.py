"""Weight transform: a kernel row's three weights into the six of Winograd's positions."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import winograd
from ..spec.config import WEIGHT_SLOTS, Config
from ..spec.numerics import WEIGHT_BITS
from .array import numbers_of
from .checks import check_apart
from .common import chosen_sum, copies, delay

# From a word, or from the last of three, to its first word on the bus.
LATENCY = 4


class WeightTransform(wiring.Component):
    """`winograd.WEIGHT` for ``rows`` channels: a word goes on as it is, LATENCY cycles later, or
    three words become six, one a cycle from then on. The third words of two columns are at least
    `winograd.POSITIONS` cycles apart, and nothing else comes in between.

    Members
    -------
    word, take : In         the next weights
    winograd : In           they are one of three
    last : In               it is the third
    column, slot : In       whose they are, and where (the first of six) goes: with the last word
    weight, weight_valid, weight_column, weight_slot : Out    the array's weight bus
    """

    def __init__(self, config: Config):
        self._config = config
        slot, column = range(WEIGHT_SLOTS), range(config.columns)
        super().__init__(
            {
                "word": In(8 * config.rows),
                "take": In(1),
                "winograd": In(1),
                "last": In(1),
                "column": In(column),
                "slot": In(slot),
                "weight": Out(config.operands.weight * config.rows),
                "weight_valid": Out(1),
                "weight_column": Out(column),
                "weight_slot": Out(slot),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = self._config.operands.weight
        # Cycle 1: the word, whatever it is. Each channel has its own copies of what says what to do
        # with it.
        channels = range(self._config.rows)
        word = delay(m, self.word, 1, "word", reset_less=True)
        takes = copies(m, platform, self.take, len(channels), "take")
        whole = Signal()
        m.d.comb += whole.eq(self.take & (self.last | ~self.winograd))
        wholes = copies(m, platform, whole, len(channels), "whole")
        three = copies(m, platform, self.winograd, len(channels), "three")

        # Cycle 2: it is kept, the latest first; beside that the sums of a column's outer weights. A
        # word of its own is position 0 of itself.
        w0, w1, w2, near, far = (
            [
                Signal(signed(width), name=f"{n}_{i}", reset_less=True)
                for i in range(self._config.rows)
            ]
            for n, width in (
                ("w0", WEIGHT_BITS),
                ("w1", WEIGHT_BITS),
                ("w2", WEIGHT_BITS),
                ("near", WEIGHT_BITS + 1),
                ("far", WEIGHT_BITS + 3),
            )
        )
        for i, c in enumerate(numbers_of(word)):
            before, first = (
                Signal(signed(WEIGHT_BITS), name=f"{n}{i}", reset_less=True)
                for n in ("before", "first")
            )
            with m.If(takes[i]):
                m.d.sync += [before.eq(c), first.eq(before)]
            a, b = Mux(three[i], first, c), before
            with m.If(wholes[i]):
                m.d.sync += [
                    w0[i].eq(a),
                    w1[i].eq(b),
                    w2[i].eq(c),
                    near[i].eq(a + c),
                    far[i].eq(a + (c << 2)),
                ]
        # One-hot: the position that cycle 3 chooses, for each channel its own.
        complete = delay(m, whole, 1, "complete")
        position = Signal(winograd.POSITIONS)
        several = Signal(reset_less=True)
        after = Cat(complete, position[:-1] & several.replicate(len(position) - 1))
        m.d.sync += position.eq(after)
        positions = copies(m, platform, after, len(channels), "position")
        given = delay(m, Cat(self.column, self.slot), 1, "given", reset_less=True)
        place = Signal.like(given, name="place", reset_less=True)
        slot = place[len(self.column) :]
        with m.If(complete):
            m.d.sync += [several.eq(three[0]), place.eq(given)]
        with m.Elif(position.any()):
            m.d.sync += slot.eq(slot + 1)
        check_apart(
            m,
            platform,
            whole & self.winograd,
            whole,
            winograd.POSITIONS,
            "a column's weights come before the last one's are through",
        )

        # Cycles 3 and 4: the sum, on the bus.
        for i in channels:
            choices = (
                (w0[i], 0, 0),
                (near[i], w1[i], 0),
                (near[i], w1[i], 1),
                (far[i], w1[i] << 1, 0),
                (far[i], w1[i] << 1, 1),
                (w2[i], 0, 0),
            )
            total = chosen_sum(m, positions[i], choices, bits, WEIGHT_BITS + 2, i)
            m.d.comb += self.weight[bits * i : bits * (i + 1)].eq(total)
        tag = Cat(position.any(), place)
        m.d.comb += Cat(self.weight_valid, self.weight_column, self.weight_slot).eq(
            delay(m, tag, 2, "tag")
        )
        return m
