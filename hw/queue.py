"""Instruction queue of one engine: words in, whole instructions out once their waits are met."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..spec import isa
from ..spec.config import Config
from .checks import check
from .common import copies, delay, less
from .layouts import INSTRUCTIONS
from .memory import Fifo


class InstructionQueue(wiring.Component):
    """Holds ``config.queue_depth`` instructions and shows the oldest when it may start.

    Latency: 8 cycles from an instruction's last word to ``o.valid``, with nothing before it. One
    instruction every ``instruction_words`` + 2 cycles at most. Its writer knows from ``taken`` that
    there is room.

    Members
    -------
    i : In(stream of words)       instructions, word by word, lowest first; always ready
    taken : Out                   pulse: an instruction has left, a cycle ago
    o : Out(stream of its layout) the oldest instruction; valid once both waits are met
    done[side] : In               completed instructions of the two awaited engines (`isa.WAITS`)
    blocked[side] : Out           an instruction is held back by that wait
    level : Out                   words queued
    """

    def __init__(self, config: Config, engine: isa.Engine):
        self._config = config
        self._engine = engine
        depth = config.queue_depth * config.instruction_words
        super().__init__(
            {
                "i": In(stream.Signature(8 * config.rows, always_ready=True)),
                "taken": Out(1),
                "o": Out(stream.Signature(INSTRUCTIONS[engine])),
                "done": In(isa.WAIT_BITS).array(2),
                "blocked": Out(1).array(2),
                "level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        words = self._config.instruction_words
        m.submodules.fifo = fifo = Fifo(8 * self._config.rows, self._config.queue_depth * words)
        # The queues lie far apart.
        (payload,) = copies(m, platform, self.i.payload, 1, "payload")
        payload = delay(m, payload, 1, "payload", reset_less=True)
        valid = delay(m, self.i.valid, 2, "valid")
        m.d.comb += [
            fifo.i.payload.eq(payload),
            fifo.i.valid.eq(valid),
            self.level.eq(fifo.level),
        ]

        check(
            m,
            platform,
            ~(valid & (fifo.level == self._config.queue_depth * words)),
            "an instruction comes without room for it",
        )

        # Words shift in from the top, so the first word ends up lowest.
        bits = Signal(isa.INSTRUCTION_BITS, reset_less=True)
        count = Signal(range(words + 1))
        full = Signal()  # count == words
        word = fifo.o.payload
        m.d.comb += fifo.o.ready.eq(~full)
        with m.If(~full & fifo.o.valid):
            m.d.sync += [
                bits.eq(Cat(bits, word)[len(word) :]),
                count.eq(count + 1),
                full.eq(count == words - 1),
            ]

        instruction = self.o.payload
        m.d.comb += instruction.as_value().eq(bits)
        checked = Signal()
        met_a, met_b = Signal(), Signal()
        waits = instruction.wait_a, instruction.wait_b
        met = [full & ~less(done, wait) for done, wait in zip(self.done, waits, strict=True)]
        # met_a & met_b, for the engine, which lies elsewhere: each finds for itself that an
        # instruction is taken, so that no path goes there and back.
        offered = Signal()
        leaves = Signal()
        m.d.sync += [checked.eq(full), Cat(met_a, met_b).eq(Cat(met)), offered.eq(Cat(met).all())]
        m.d.comb += [
            self.o.valid.eq(offered),
            leaves.eq(met_a & met_b & self.o.ready),
            self.blocked[0].eq(checked & ~met_a),
            self.blocked[1].eq(checked & ~met_b),
        ]
        m.d.sync += self.taken.eq(leaves)
        with m.If(leaves):
            m.d.sync += [x.eq(0) for x in (count, full, checked, met_a, met_b, offered)]
        return m
