"""Scratchpad: feature maps that stay on chip, between two readers and the arbiter."""

import itertools

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..spec.config import Config
from .layouts import BURST, beat, word_write
from .memory import READ_LATENCY, Ram

# Words of one reader that can be on their way from memory; its FIFO has room for all of them.
OUTSTANDING_BITS = 17


class Scratchpad(wiring.Component):
    """Answers bursts that are ``kept`` itself and passes the others on to memory.

    One write and one read a cycle; the readers take turns, word by word. A kept word follows its
    burst's request by 3 cycles at the earliest. Each reader gets its words in the order of its
    bursts: a burst waits until the words before it, from the other place, have come.

    Members
    -------
    write : In(stream of word_write)       always ready
    request[i] : In(stream of BURST)          from the readers
    data[i] : Out(stream of beats)            to the readers
    memory_request[i] : Out(stream of BURST)  to the arbiter
    memory_data[i] : In(stream of beats)      from the arbiter
    """

    def __init__(self, config: Config, clients: int):
        self._config = config
        self._clients = clients
        bursts, beats = stream.Signature(BURST), stream.Signature(beat(config), always_ready=True)
        words = word_write(config, config.scratch_words)
        super().__init__(
            {
                "write": In(stream.Signature(words, always_ready=True)),
                "request": In(bursts).array(clients),
                "data": Out(beats).array(clients),
                "memory_request": Out(bursts).array(clients),
                "memory_data": In(beats).array(clients),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.ram = ram = Ram(8 * config.rows, config.scratch_words)
        m.d.comb += [
            ram.write_en.eq(self.write.valid),
            ram.write_addr.eq(self.write.payload.addr),
            ram.write_data.eq(self.write.payload.word),
        ]

        turn = Signal(range(self._clients))
        active = [Signal(name=f"active{i}") for i in range(self._clients)]
        for i in range(self._clients):
            request, output = self.request[i], self.data[i]
            memory_request, memory_data = self.memory_request[i], self.memory_data[i]
            burst = request.payload

            outstanding = Signal(OUTSTANDING_BITS, name=f"outstanding{i}")
            left = Signal.like(burst.beats, name=f"left{i}")
            place = Signal(range(config.scratch_words), name=f"place{i}")
            last = Signal(name=f"last{i}")
            # A word on its way out of the RAM.
            stages = [Signal(2, name=f"stage{i}_{n}") for n in range(READ_LATENCY)]

            # An expression, not an If: Icarus never evaluates a block whose inputs do not change.
            others = Cat(active[k] for k in range(self._clients) if k != i)
            step, end = Signal(name=f"step{i}"), Signal(name=f"end{i}")
            m.d.comb += [
                step.eq(active[i] & ~(others.any() & (turn != i))),
                end.eq(step & (left == 1)),
            ]
            with m.If(step):
                m.d.comb += ram.read_addr.eq(place)
                m.d.sync += [
                    place.eq(place + 1),
                    left.eq(left - 1),
                    turn.eq((i + 1) % self._clients),
                ]

            on_chip = active[i] | Cat(stage[0] for stage in stages).any()
            kept = Signal(name=f"kept{i}")
            start = Signal(name=f"start{i}")
            m.d.comb += [
                kept.eq(burst.kept),
                start.eq(request.valid & kept & (outstanding == 0) & (~active[i] | end)),
                memory_request.valid.eq(request.valid & ~kept & ~on_chip),
                memory_request.payload.eq(burst),
                request.ready.eq(start | (memory_request.valid & memory_request.ready)),
            ]
            with m.If(end):
                m.d.sync += active[i].eq(0)
            with m.If(start):
                m.d.sync += [
                    active[i].eq(1),
                    left.eq(burst.beats),
                    place.eq(burst.place),
                    last.eq(burst.last),
                ]
            asked = (memory_request.valid & memory_request.ready).replicate(len(burst.beats))
            m.d.sync += [
                outstanding.eq(outstanding + (asked & burst.beats) - memory_data.valid),
                stages[0][0].eq(step),
                stages[0][1].eq(end & last),
                *(after.eq(before) for before, after in itertools.pairwise(stages)),
            ]
            m.d.comb += output.valid.eq(memory_data.valid | stages[-1][0])
            with m.If(memory_data.valid):
                m.d.comb += output.payload.eq(memory_data.payload)
            with m.Else():
                m.d.comb += [
                    output.payload.word.eq(ram.read_data),
                    output.payload.last.eq(stages[-1][1]),
                ]
        return m
