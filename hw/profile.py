"""Performance counters and the per-layer profile records made from them."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import registers
from ..spec.config import Config
from .checks import check
from .common import delay, signals
from .memory import Ram
from .status import COUNTERS, EVENTS

RECORD_WORDS = len(registers.PROFILE_FIELDS)


class Profiler(wiring.Component):
    """Counts events; at ``mark`` appends the first counters to the profile memory, a word a cycle.

    A mark that comes while the record before is being written waits for it, so its record is up to
    ``RECORD_WORDS`` + 2 cycles late. One can wait, and one is enough: layers' first instructions
    begin 12 cycles apart or more (they take parameters), a layer ends before the next one's first
    instruction but one begins, and a record takes 10. Marks beyond ``profile_marks`` are dropped:
    ``records`` tells.

    Members
    -------
    events : In(EVENTS)        what this cycle counts for
    counters : Out(COUNTERS)   2 cycles later
    mark : In
    records : Out      records written
    addr : In, data : Out(32)   reading the memory, `memory.READ_LATENCY` cycles
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "events": In(EVENTS),
                "counters": Out(COUNTERS),
                "mark": In(1),
                "records": Out(range(config.profile_marks + 1)),
                "addr": In(range(config.profile_marks * RECORD_WORDS)),
                "data": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        events, counters = signals(self.events), signals(self.counters)
        for name, counter in counters.items():
            m.d.sync += counter.eq(counter + delay(m, events[name], 2, f"event_{name}"))

        m.submodules.memory = memory = Ram(32, self._config.profile_marks * RECORD_WORDS)
        m.d.comb += [memory.read_addr.eq(self.addr), self.data.eq(memory.read_data)]
        snapshot = [Signal(32, name=f"snapshot{i}", reset_less=True) for i in range(RECORD_WORDS)]
        index = Signal(range(RECORD_WORDS))
        writing = Signal()
        # A mark takes as long as the events: the counters are those of its cycle.
        mark = delay(m, self.mark, 1, "mark")
        take, waiting = Signal(), Signal()
        check(m, platform, ~(mark & waiting), "a mark comes while another one waits")
        marked = mark | waiting
        taking = marked & ~writing & ~take
        room = Signal(init=1)  # records != profile_marks
        m.d.sync += [take.eq(taking & room), waiting.eq(marked & ~taking)]
        with m.If(take):
            m.d.sync += [
                word.eq(counters[name.lower()])
                for word, name in zip(snapshot, registers.PROFILE_FIELDS, strict=True)
            ]
            m.d.sync += [writing.eq(1), index.eq(0)]
        m.d.comb += [
            memory.write_en.eq(writing),
            memory.write_addr.eq(Cat(index, self.records)),
            memory.write_data.eq(snapshot[0]),
        ]
        with m.If(writing):
            m.d.sync += index.eq(index + 1)
            m.d.sync += [a.eq(b) for a, b in pairwise(snapshot)]
            with m.If(index == RECORD_WORDS - 1):
                m.d.sync += [
                    writing.eq(0),
                    self.records.eq(self.records + 1),
                    room.eq(self.records != self._config.profile_marks - 1),
                ]
        return m
