"""Instruction fetch: the program from memory, dealt out to the engines' queues in order."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec import isa
from ..spec.config import Config
from .layouts import ADDR_BITS, BURST, beat, take_run
from .reader import Reader


class Fetch(wiring.Component):
    """Reads ``count`` instructions from word ``addr`` on and sends each to the queue its opcode
    names. A full queue holds back the instructions behind: whether there is room is decided once
    for each instruction. An unknown opcode stops it.

    Members
    -------
    start : In, addr : In, count : In
    request, data : to the read arbiter
    queue[e] : Out(stream of words)     one for each engine, always ready
    taken[e] : In                       pulse: an instruction has left its queue
    dispatched[e] : Out                 instructions sent to each engine
    fetched : Out                       instructions sent in all
    finished : Out                      the whole program has been sent
    bad_opcode : Out
    ample : Out            an eighth of the FIFO is filled or asked for
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "addr": In(ADDR_BITS),
                "count": In(isa.WAIT_BITS),
                "request": Out(stream.Signature(BURST)),
                "data": In(stream.Signature(beat(config), always_ready=True)),
                "queue": Out(stream.Signature(8 * config.rows, always_ready=True)).array(
                    len(isa.Engine)
                ),
                "taken": In(1).array(len(isa.Engine)),
                "dispatched": Out(isa.WAIT_BITS).array(len(isa.Engine)),
                "fetched": Out(isa.WAIT_BITS),
                "finished": Out(1),
                "bad_opcode": Out(1),
                "ample": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        words = self._config.instruction_words
        m.submodules.reader = reader = Reader(self._config, 2 * self._config.burst_words)
        connect(m, flipped(self.data), reader.data)
        connect(m, reader.request, flipped(self.request))
        m.d.comb += self.ample.eq(reader.ample)
        start, some = Signal(), Signal()
        m.d.sync += [start.eq(self.start), some.eq(self.count != 0)]
        m.d.comb += [
            reader.i.valid.eq(start & some),
            *take_run(reader.i.payload, self.addr, self.count * words),
        ]

        # An instruction's first word says whose it is and waits in the FIFO until that queue has
        # room for the whole. Cycle 1: whose is it? Cycle 2: is there room? What is known of that is
        # a cycle old; the instruction before has come longer ago. Cycle 3: it goes, and the others
        # behind it.
        index = Signal(range(words))
        first_word, last_word = Signal(init=1), Signal(init=words == 1)
        valid, last = Signal(), Signal()
        word = Signal.like(reader.o.payload, name="word", reset_less=True)
        opcode = Signal(4)
        engines = Signal(len(isa.Engine))  # one-hot
        known, bad = Signal(), Signal()
        room = Signal(len(isa.Engine), init=-1)
        may = Signal()
        go, taken = Signal(), Signal()
        m.d.comb += [
            opcode.eq(reader.o.payload[:4]),
            go.eq(~first_word | may),
            reader.o.ready.eq(go),
            taken.eq(reader.o.valid & go),
        ]
        with m.If(first_word):
            m.d.sync += [engines[e].eq(opcode == e.opcode) for e in isa.Engine]
            m.d.sync += bad.eq((opcode == 0) | (opcode > len(isa.Engine)))
        with m.If(taken):
            m.d.sync += [
                index.eq(index + 1),
                first_word.eq(last_word),
                last_word.eq(index == words - 2),
            ]
            with m.If(last_word):
                m.d.sync += [index.eq(0), last_word.eq(words == 1)]
        m.d.sync += [
            known.eq(reader.o.valid & first_word & ~may),
            may.eq(known & ~may & (engines & room).any()),
            valid.eq(taken),
            last.eq(last_word),
            word.eq(reader.o.payload),
        ]

        # Told once `fetched` has counted the instruction before.
        m.d.sync += self.bad_opcode.eq(known & bad)
        counted = Signal()
        m.d.sync += counted.eq(valid & last)
        with m.If(counted):
            m.d.sync += self.fetched.eq(self.fetched + 1)
        for engine in isa.Engine:
            queue, dispatched = self.queue[engine], self.dispatched[engine]
            m.d.sync += [
                queue.valid.eq(valid & engines[engine]),
                queue.payload.eq(word),
            ]
            counting = Signal(name=f"counting{engine.value}")
            m.d.sync += counting.eq(valid & last & engines[engine])
            with m.If(counting):
                m.d.sync += dispatched.eq(dispatched + 1)
            credit = Signal(
                range(self._config.queue_depth + 1),
                init=self._config.queue_depth,
                name=f"credit{engine.value}",
            )
            begun = may & engines[engine]
            with m.If(begun != self.taken[engine]):
                m.d.sync += credit.eq(Mux(begun, credit - 1, credit + 1))
            m.d.sync += room[engine].eq(credit != 0)
        m.d.sync += self.finished.eq(self.fetched == self.count)
        return m
