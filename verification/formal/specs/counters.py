"""Events and counters: every cycle counts for what it was."""

from amaranth.hdl import Assert, Assume, Module, Signal

from resarray.hw.common import delay, signals
from resarray.hw.events import EventMonitor
from resarray.hw.profile import Profiler
from resarray.spec.config import Config

from ..harness import Harness
from ..pipeline import Inside
from ..properties import Edit, Induction, Property

CONFIG = Config(name="formal", rows=4, columns=4, lanes=2, profile_marks=16)
KINDS = ("busy", "wait_weights", "wait_load", "wait_drain", "wait_instruction")


class Events(Harness):
    """A running cycle counts for exactly one of five kinds, another one for none. Assumed: the
    array is not busy while it waits for weights."""

    def __init__(self):
        super().__init__(EventMonitor())

    def specify(self, m: Module, platform) -> None:
        u = self.unit
        events = u.events
        kinds = sum(getattr(events, name) for name in KINDS)
        m.d.comb += [
            Assume(~(u.busy & u.wait_weights)),
            Assert(kinds == u.running),
            Assert(events.cycles == u.running),
            Assert(events.read_beats == (u.read_data.valid & u.read_data.ready)),
            Assert(events.write_beats == (u.write_data.valid & u.write_data.ready)),
            Assert(events.read_stalls == (u.read_address.valid & ~u.read_address.ready)),
            Assert(events.write_stalls == (u.write_data.valid & ~u.write_data.ready)),
        ]


class Counts(Inside):
    """Each counter is the number of its events, modulo its width, two cycles later."""

    def __init__(self):
        super().__init__(Profiler(CONFIG))

    def specify(self, m: Module, platform) -> None:
        counters = signals(self.unit.counters)
        m.d.comb += Assume(~self.unit.mark)
        for name, event in signals(self.unit.events).items():
            total = Signal.like(counters[name], name=f"total_{name}")
            m.d.sync += total.eq(total + event)
            late = delay(m, total, 2, f"late_{name}")
            m.d.comb += Assert(counters[name] == late)


PROPERTIES = [
    Property(
        name="events-one",
        unit="events.EventMonitor",
        says="Every running cycle counts for exactly one kind; the memory port's cycles are right.",
        build=Events,
        method=Induction(1),
        twins=(
            Edit(
                "a wait for the drain counts twice",
                "hw.events",
                "events.wait_drain.eq(idle & ~no_input & no_bank)",
                "events.wait_drain.eq(idle & no_bank)",
            ),
            Edit(
                "beats that are not taken count",
                "hw.events",
                "self.read_data.valid & self.read_data.ready",
                "self.read_data.valid",
            ),
        ),
        quick=True,
    ),
    Property(
        name="counters-count",
        unit="profile.Profiler",
        says="Each counter is the number of its events, 2 cycles later.",
        build=Counts,
        method=Induction(4),
        twins=(
            Edit(
                "an event lasts",
                "hw.profile",
                "counter.eq(counter + delay(",
                "counter.eq(counter | delay(",
            ),
        ),
    ),
]
