"""Engines: none says that it has done more than it was given, and their checks hold."""

from collections.abc import Callable

from amaranth.hdl import Assert, Assume, Module, Signal
from amaranth.lib.wiring import Component

from resarray.hw import load
from resarray.hw.load import LoadEngine
from resarray.hw.loops import LoopCounters
from resarray.hw.reader import Reader
from resarray.hw.weight_sequencer import WeightSequencer

from ..harness import Harness, offered
from ..properties import Edit, Property, Reachable
from ..units import SMALL


class Done(Harness):
    """``done`` of the unit comes once for each instruction that it has taken, or later."""

    def __init__(self, unit: Component, done: Callable[[Component], object]):
        self._done = done
        super().__init__(unit, checks=False)

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        offered(m, unit.i, "i")
        done = Signal()
        m.d.comb += done.eq(self._done(unit))
        under_way = Signal(5)
        m.d.sync += under_way.eq(under_way + (unit.i.valid & unit.i.ready) - done)
        m.d.comb += Assert(~done | (under_way != 0), "more is done than was given")


def _load_engine() -> LoadEngine:
    # Its FIFO is as deep as that of the other readers then.
    load.FIFO_WORDS = 2
    return LoadEngine(SMALL)


def _last_burst(unit: Reader):
    return unit.request.valid & unit.request.ready & unit.request.payload.last


class Tiles(Harness):
    """The checks of the weight sequencer: it is asked to swap what is loaded."""

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        offered(m, unit.words, "words")
        m.d.comb += Assume(~unit.swap | unit.loaded)


PROPERTIES = [
    Property(
        name="load-done",
        unit="load.LoadEngine",
        says="It is done with no more LOADs than it was given.",
        build=lambda: Done(_load_engine(), lambda unit: unit.done),
        method=Reachable(),
        twins=(
            Edit(
                "every word of the last block",
                "hw.load",
                "self.done.eq(step & s2.end)",
                "self.done.eq(step)",
            ),
        ),
    ),
    Property(
        name="reader-done",
        unit="reader.Reader",
        says="It asks for no more last bursts than it was given patterns; their last word is what "
        "counts as done.",
        build=lambda: Done(Reader(SMALL, 4), _last_burst),
        method=Reachable(),
        twins=(
            Edit(
                "it asks for every burst again and again",
                "hw.reader",
                "m.d.sync += waiting.eq(0)",
                "m.d.sync += waiting.eq(1)",
            ),
        ),
    ),
    Property(
        name="loops-done",
        unit="loops.LoopCounters",
        says="It ends no more COMPUTEs than it was given.",
        build=lambda: Done(LoopCounters(SMALL), lambda unit: unit.issue & unit.end),
        method=Reachable(),
        twins=(
            Edit(
                "each k-tile's end",
                "hw.loops",
                "self.end.eq(k_tile_end & last_k)",
                "self.end.eq(k_tile_end)",
            ),
        ),
    ),
    Property(
        name="weights-checks",
        unit="weight_sequencer.WeightSequencer",
        says="No k-tile ends before the flags of the one before are known.",
        build=lambda: Tiles(WeightSequencer(SMALL)),
        method=Reachable(),
        twins=(
            Edit(
                "a k-tile is two words short",
                "hw.weight_sequencer",
                "column == config.columns - 2",
                "column == config.columns - 4",
            ),
        ),
    ),
]
