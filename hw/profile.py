"""Performance counters and the per-layer profile records made from them."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..spec import registers
from ..spec.config import Config

RECORD_WORDS = len(registers.PROFILE_FIELDS)
COUNTER_BITS = 32  # 2**32 cycles: 34 s at 125 MHz, longer than any program


class Profiler(wiring.Component):
    """Counts events; at ``mark`` appends the first counters to the profile memory, a word a cycle.

    Marks closer than ``RECORD_WORDS`` cycles, or beyond ``profile_marks``, are dropped: ``records``
    tells.

    Members
    -------
    event_NAME : In    count this cycle, one per `registers.COUNTERS`
    NAME : Out(32)     the counters
    mark : In
    records : Out      records written
    addr : In, data : Out(32)   reading the memory, 1 cycle
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                **{f"event_{name.lower()}": In(1) for name in registers.COUNTERS},
                **{name.lower(): Out(COUNTER_BITS) for name in registers.COUNTERS},
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
            m.d.sync += counter.eq(counter + getattr(self, f"event_{name.lower()}"))

        memory = Memory(shape=32, depth=self._config.profile_marks * RECORD_WORDS, init=[])
        m.submodules.memory = memory
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [read.addr.eq(self.addr), self.data.eq(read.data)]
        snapshot = [Signal(32, name=f"snapshot{i}") for i in range(RECORD_WORDS)]
        index = Signal(range(RECORD_WORDS))
        writing = Signal()
        with m.If(self.mark & ~writing & (self.records != self._config.profile_marks)):
            m.d.sync += [
                s.eq(counters[n]) for s, n in zip(snapshot, registers.PROFILE_FIELDS, strict=True)
            ]
            m.d.sync += [writing.eq(1), index.eq(0)]
        m.d.comb += [
            write.en.eq(writing),
            write.addr.eq(self.records * RECORD_WORDS + index),
            write.data.eq(Array(snapshot)[index]),
        ]
        with m.If(writing):
            m.d.sync += index.eq(index + 1)
            with m.If(index == RECORD_WORDS - 1):
                m.d.sync += [writing.eq(0), self.records.eq(self.records + 1)]
        return m
