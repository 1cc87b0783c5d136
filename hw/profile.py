"""Performance counters and the per-layer profile records made from them."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import registers
from ..spec.config import Config
from .common import delay
from .memory import Ram

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
    event_NAME : In    count this cycle, one per `registers.COUNTERS`
    NAME : Out(32)     the counters
    mark : In
    records : Out      records written
    addr : In, data : Out(32)   reading the memory, `memory.READ_LATENCY` cycles
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                **{f"event_{name.lower()}": In(1) for name in registers.COUNTERS},
                **{name.lower(): Out(registers.COUNTER_BITS) for name in registers.COUNTERS},
                "mark": In(1),
                "records": Out(range(config.profile_marks + 1)),
                "addr": In(range(config.profile_marks * RECORD_WORDS)),
                "data": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        counters = {}
        for name in registers.COUNTERS:
            counters[name] = counter = getattr(self, name.lower())
            event = delay(m, getattr(self, f"event_{name.lower()}"), 2, f"event_{name.lower()}")
            m.d.sync += counter.eq(counter + event)

        m.submodules.memory = memory = Ram(32, self._config.profile_marks * RECORD_WORDS)
        m.d.comb += [memory.read_addr.eq(self.addr), self.data.eq(memory.read_data)]
        snapshot = [Signal(32, name=f"snapshot{i}", reset_less=True) for i in range(RECORD_WORDS)]
        index = Signal(range(RECORD_WORDS))
        writing = Signal()
        # A mark takes as long as the events: the counters are those of its cycle.
        mark = delay(m, self.mark, 1, "mark")
        take, waiting = Signal(), Signal()
        marked = mark | waiting
        taking = marked & ~writing & ~take
        room = self.records != self._config.profile_marks
        m.d.sync += [take.eq(taking & room), waiting.eq(marked & ~taking)]
        with m.If(take):
            m.d.sync += [
                s.eq(counters[n]) for s, n in zip(snapshot, registers.PROFILE_FIELDS, strict=True)
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
                m.d.sync += [writing.eq(0), self.records.eq(self.records + 1)]
        return m
