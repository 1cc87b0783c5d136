"""Instruction fetch: the program from memory, dealt out to the engines' queues in order."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec import isa
from ..spec.config import Config
from .layouts import ADDR_BITS, BURST, beat
from .reader import Reader


class Fetch(wiring.Component):
    """Reads ``count`` instructions from word ``addr`` on and sends each to the queue its opcode
    names. A full queue holds back the instructions behind. An unknown opcode stops it.

    Members
    -------
    start : In, addr : In, count : In
    request, data : to the read arbiter
    queue0... : Out(stream of words)    one per engine
    dispatched0... : Out                instructions sent to each engine
    fetched : Out                       instructions sent in all
    finished : Out                      the whole program has been sent
    bad_opcode : Out
    ample : Out            an eighth of the FIFO is filled or asked for
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "start": In(1), "addr": In(ADDR_BITS), "count": In(isa.WAIT_BITS),
            "request": Out(stream.Signature(BURST)),
            "data": In(stream.Signature(beat(config), always_ready=True)),
            **{f"queue{e}": Out(stream.Signature(8 * config.rows)) for e in range(len(isa.Engine))},
            **{f"dispatched{e}": Out(isa.WAIT_BITS) for e in range(len(isa.Engine))},
            "fetched": Out(isa.WAIT_BITS), "finished": Out(1), "bad_opcode": Out(1),
            "ample": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        words = self._config.instruction_words
        m.submodules.reader = reader = Reader(self._config, 2 * self._config.burst_words)
        connect(m, flipped(self.data), reader.data)
        connect(m, reader.request, flipped(self.request))
        m.d.comb += self.ample.eq(reader.ample)
        pattern = reader.i.payload
        m.d.comb += [
            reader.i.valid.eq(self.start & (self.count != 0)),
            pattern.addr.eq(self.addr), pattern.n_blocks.eq(1), pattern.n_runs.eq(1),
            pattern.run_len.eq(self.count * words),
        ]  # fmt: skip

        index = Signal(range(words))
        opcode = Signal(4)
        current = Signal(4)
        with m.If(index == 0):
            m.d.comb += opcode.eq(reader.o.payload[:4])
        with m.Else():
            m.d.comb += opcode.eq(current)
        step = Signal()
        m.d.comb += step.eq(reader.o.valid & reader.o.ready)
        last_word = index == words - 1
        with m.Switch(opcode):
            for engine in isa.Engine:
                with m.Case(engine.opcode):
                    queue = getattr(self, f"queue{engine.value}")
                    dispatched = getattr(self, f"dispatched{engine.value}")
                    m.d.comb += [
                        queue.valid.eq(reader.o.valid),
                        queue.payload.eq(reader.o.payload),
                        reader.o.ready.eq(queue.ready),
                    ]
                    with m.If(step & last_word):
                        m.d.sync += dispatched.eq(dispatched + 1)
            with m.Default():
                m.d.comb += self.bad_opcode.eq(reader.o.valid)
        with m.If(step):
            m.d.sync += [index.eq(index + 1), current.eq(opcode)]
            with m.If(last_word):
                m.d.sync += [index.eq(0), self.fetched.eq(self.fetched + 1)]
        m.d.comb += self.finished.eq(self.fetched == self.count)
        return m
