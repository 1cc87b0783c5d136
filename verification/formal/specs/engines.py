"""Engines: none says that it has done more than it was given, and their checks hold."""

from collections.abc import Callable

from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal, ValueLike
from amaranth.lib.data import View
from amaranth.lib.wiring import Component

from resarray.hw import drain, load, output_transform, requantise
from resarray.hw.accumulator import drain_latency
from resarray.hw.drain import DrainEngine
from resarray.hw.load import LoadEngine
from resarray.hw.loops import LoopCounters
from resarray.hw.memory import READ_LATENCY
from resarray.hw.reader import Reader
from resarray.hw.store import StoreEngine
from resarray.hw.weight_sequencer import WeightSequencer
from resarray.spec import winograd
from resarray.spec.config import WEIGHT_SLOTS

from ..harness import Harness, offered, past
from ..properties import Edit, Induction, Property, Reachable
from ..units import SMALL


class Done(Harness):
    """``done`` of the unit comes once for each instruction that it has taken, or later."""

    def __init__(self, unit: Component, done: Callable[[Harness], ValueLike]):
        self._done = done
        super().__init__(unit, checks=False)

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        offered(m, unit.i, "i")
        done = Signal()
        m.d.comb += done.eq(self._done(self))
        under_way = Signal(5)
        m.d.sync += under_way.eq(under_way + (unit.i.valid & unit.i.ready) - done)
        m.d.comb += Assert(~done | (under_way != 0), "more is done than was given")
        self.lemmas(m, under_way)

    def lemmas(self, m: Module, under_way: Signal) -> None:
        """What is always true inside of the unit."""


class LoadDone(Done):
    """An instruction is in one place: it waits, its words are placed, or its last word is on its
    way."""

    def lemmas(self, m: Module, under_way: Signal) -> None:
        waiting, active, prepared, fetched, filled, place2, relay, spared, spare, place = (
            self.inner[name]
            for name in (
                *("waiting_valid", "active", "prepared", "fetched", "filled", "place2"),
                *("relay.self", "relay.spared", "relay.spare", "place1"),
            )
        )
        ends = [
            relay.o.valid & place.end,
            spared & View(place.shape(), spare[: place.shape().size]).end,
            (fetched | filled) & place2.end,
            self.unit.done,
        ]
        m.d.comb += [
            Assert(under_way == waiting + active + sum(ends)),
            Assert(~prepared.any() | waiting),
            Assert(~spared | relay.o.valid),
            Assert(~(fetched & filled)),
        ]


class ReaderDone(Done):
    """The words' last one finishes a pattern; what is asked for is what the splitter gives, each
    burst once."""

    def lemmas(self, m: Module, under_way: Signal) -> None:
        unit, given = self.unit, self.inner["splitter"].o
        pending, burst = Signal(), Signal.like(given.payload)
        asked = unit.request.valid & unit.request.ready
        with m.If(given.valid & given.ready):
            m.d.sync += [pending.eq(1), burst.eq(given.payload)]
        with m.Elif(asked):
            m.d.sync += pending.eq(0)
        m.d.comb += [
            Assert(~unit.request.valid | pending, "a burst twice"),
            Assert(~unit.request.valid | (unit.request.payload == burst), "another burst"),
            Assert(~(given.valid & given.ready) | ~pending, "a burst is lost"),
            Assert(unit.finished == past(m, unit.data.valid & unit.data.payload.last, "finished")),
        ]


class DrainDone(Done):
    """An instruction is in one place: begun, reading, its last accumulators somewhere in the
    pipeline, or completed; or it is lost, as one that ends within a tile's first output is, and
    never done."""

    def lemmas(self, m: Module, under_way: Signal) -> None:
        starting, reading, ended, leaving, last, completed, c = (
            self.inner[name]
            for name in ("starting", "reading", "ended", "leaving", "last", "completed", "c")
        )
        tiles_ended = [self.register(m, f"tile_ended{j}_d1") for j in range(winograd.TILE)]
        latency = drain_latency(SMALL) + output_transform.LATENCY + drain.TABLE_LATENCY - 1
        looked_up = latency + requantise.latency(SMALL.winograd) + READ_LATENCY
        # Of a tile, outputs leave one by one.
        ahead = starting + reading + ended + sum(tiles_ended) + sum(leaving)
        busy = self.unit.busy
        found = ahead + sum(last) + (completed & busy)
        position, kept, gives = (self.inner[name] for name in ("position", "kept", "gives"))
        m.d.comb += [
            Assert(Mux(c.winograd, ~ended, ~Cat(leaving, *tiles_ended).any())),
            Assert(found <= busy),
            # What is wanted of a tile are its first outputs.
            Assert((kept & (kept + 1)) == 0),
            Assert(position < winograd.POSITIONS),
            Assert(~gives | (position < winograd.TILE)),
            Assert(~gives | (kept == (1 << position) - 1)),
        ]
        lost = busy - found
        for this, end in (
            (~c.table, drain.DONE),
            (c.table & ~c.multiply, looked_up),
            (c.table & c.multiply, len(last)),
        ):
            m.d.comb += [
                Assert(~this | (under_way == ahead + sum(last[:end]) + lost)),
                Assert(~this | ~last[end:].any()),
            ]


def _load_engine() -> LoadEngine:
    # Its FIFO is as deep as that of the other readers then.
    load.FIFO_WORDS = 2
    return LoadEngine(SMALL)


def _done(harness: Harness) -> ValueLike:
    return harness.unit.done


def _last_burst(harness: Harness) -> ValueLike:
    request = harness.unit.request
    return request.valid & request.ready & request.payload.last


def _last_tag(harness: Harness) -> ValueLike:
    return harness.inner["start"] & harness.inner["s3"].burst.last


def _drain_engine() -> DrainEngine:
    """Its FIFO has room for a word, and one on its way."""
    drain.FIFO_WORDS = 2
    return DrainEngine(SMALL)


class Tiles(Harness):
    """The checks of the weight sequencer: a k-tile begins when it is loaded."""

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        offered(m, unit.words, "words")
        m.d.comb += Assume(~unit.begin | unit.loaded)


class Slots(Harness):
    """A k-tile is opened when it has its slots. Assumed: slots are given back that were taken."""

    def specify(self, m: Module, platform) -> None:
        unit, inner = self.unit, self.inner
        offered(m, unit.words, "words")
        free, taken = inner["free"], Signal(range(WEIGHT_SLOTS + 1))
        size = Mux(inner["tiled"], winograd.POSITIONS, 1)
        given = Mux(unit.end, Mux(unit.end_winograd, winograd.POSITIONS, 1), 0)
        m.d.sync += taken.eq(taken + Mux(inner["reserve"], size, 0) - given)
        left = Signal(range(WEIGHT_SLOTS + 1))
        m.d.comb += left.eq(free + inner["gives_back"] - inner["takes"])
        m.d.comb += [
            Assume(~unit.begin | unit.loaded),
            Assume(given <= taken),
            Assert(left + taken == WEIGHT_SLOTS),
            Assert(~inner["reserve"] | (left >= size), "a slot is taken that is in use"),
            Assert(~inner["take_weight"] | inner["opened"], "a weight without a slot"),
        ]


PROPERTIES = [
    Property(
        name="load-done",
        unit="load.LoadEngine",
        says="It is done with no more LOADs than it was given.",
        build=lambda: LoadDone(_load_engine(), _done),
        method=Induction(2),
        twins=(
            Edit(
                "every word of the last block",
                "hw.load",
                "self.done.eq(step & place2.end)",
                "self.done.eq(step)",
            ),
        ),
    ),
    Property(
        name="reader-done",
        unit="reader.Reader",
        says="It asks for the splitter's bursts, each once, and so for no more last ones than it "
        "was given patterns; their last word is what counts as done.",
        build=lambda: ReaderDone(Reader(SMALL, 4), _last_burst),
        method=Reachable(),
        twins=(
            Edit(
                "it asks for every burst again and again",
                "hw.reader",
                "m.d.sync += waiting.eq(0)",
                "m.d.sync += waiting.eq(1)",
            ),
            Edit(
                "every word finishes",
                "hw.reader",
                "self.finished.eq(valid & last)",
                "self.finished.eq(valid)",
            ),
            Edit(
                "a burst begins a word late",
                "hw.reader",
                "self.request.payload.eq(burst)",
                "[self.request.payload.eq(burst), self.request.payload.addr.eq(burst.addr + 1)]",
            ),
        ),
    ),
    Property(
        name="loops-done",
        unit="loops.LoopCounters",
        says="It ends no more COMPUTEs than it was given.",
        build=lambda: Done(LoopCounters(SMALL), lambda h: h.unit.issue & h.unit.end),
        method=Reachable(),
        twins=(
            Edit(
                "each k-tile's end",
                "hw.loops",
                "self.end.eq(final)",
                "self.end.eq(k_tile_end)",
            ),
        ),
    ),
    Property(
        name="drain-done",
        unit="drain.DrainEngine",
        says="It is done with no more DRAINs than it was given.",
        build=lambda: DrainDone(_drain_engine(), _done),
        method=Induction(2, twin_depth=44),
        quick=True,
        twins=(
            Edit(
                "it goes on reading",
                "hw.drain",
                "m.d.sync += reading.eq(0)",
                "m.d.sync += reading.eq(1)",
            ),
            Edit(
                "the next one begins when the map is full, whatever is still read",
                "hw.drain",
                "with m.If(pool.end & completed):",
                "with m.If(pool.end):",
            ),
            Edit(
                "what is done stays in the pipeline",
                "hw.drain",
                "m.d.sync += [completed.eq(1), last.eq(0), leaving.eq(0)]",
                "m.d.sync += completed.eq(1)",
            ),
        ),
    ),
    Property(
        name="store-done",
        unit="store.StoreEngine",
        says="It begins no more last bursts than it was given STOREs; their responses are what "
        "counts as done.",
        build=lambda: Done(StoreEngine(SMALL), _last_tag),
        method=Reachable(),
        twins=(
            Edit(
                "a burst begins twice",
                "hw.store",
                "m.d.sync += valid3.eq(0)",
                "m.d.sync += valid3.eq(1)",
            ),
            Edit(
                "a burst stays behind the one before",
                "hw.store",
                "valid2.eq(valid1),",
                "valid2.eq(valid1 | valid2),",
            ),
        ),
    ),
    Property(
        name="weights-slots",
        unit="weight_sequencer.WeightSequencer",
        says="No k-tile goes where another one's weights are that are still in use.",
        build=lambda: Slots(WeightSequencer(SMALL), checks=False),
        method=Reachable(),
        twins=(
            Edit(
                "room for one is room for six",
                "hw.weight_sequencer",
                "has_room.eq(free >= size)",
                "has_room.eq(free != 0)",
            ),
            Edit(
                "room for the instruction before is room for this one",
                "hw.weight_sequencer",
                "                has_room.eq(0),\n",
                "",
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
