"""Instruction queue and scratchpad: words in order, where they belong."""

from dataclasses import replace

from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal, Value

from resarray.hw import memory
from resarray.hw.fetch import Fetch
from resarray.hw.memory import READ_LATENCY
from resarray.hw.queue import InstructionQueue
from resarray.hw.scratchpad import Scratchpad
from resarray.spec.isa import Engine

from ..contracts import read_ahead
from ..harness import Harness, offered, past
from ..pipeline import Inside
from ..properties import Edit, Induction, Property, Reachable
from ..units import SMALL

# Two words make an instruction then.
WIDE = replace(SMALL, name="wide", rows=16, columns=16)
CLIENTS = 2
# From all over a word; the layout of a LOAD ends in the second one, behind these.
BITS = (0, 37, 66, 98)


class Instructions(Harness):
    """A word taken at any moment is found at its place in its instruction, which comes in its turn:
    neither before its waits are met nor instead of another. Words are moved as a whole, so some
    bits stand for all. Assumed is that its writer knows of room ("fetch-room")."""

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        words, bits = WIDE.instruction_words, 8 * WIDE.rows
        taken, given = unit.i.valid, unit.o.valid & unit.o.ready
        capacity = WIDE.queue_depth * words
        inside = Signal(range(capacity + 2))
        place = Signal(range(words))  # of the next word in its instruction
        ahead, chosen, at, word = (
            Signal.like(inside),
            Signal(),
            Signal.like(place),
            Signal(len(BITS)),
        )
        m.d.sync += inside.eq(inside + taken - Mux(given, words, 0))
        with m.If(taken):
            m.d.sync += place.eq(Mux(place == words - 1, 0, place + 1))
        instruction = Value.cast(unit.o.payload)
        found = instruction.word_select(at, bits)
        looked_at = unit.o.valid & chosen & (ahead < words)
        m.d.comb += [
            Assert(~unit.o.valid | (inside >= words), "an instruction of fewer words"),
            Assume(~taken | (inside < capacity)),
            Assert(unit.taken == past(m, given, "given")),
            Assert(~looked_at | (Cat(found[b] for b in BITS) == word), "another word"),
        ]
        with m.If(chosen & given):
            m.d.sync += ahead.eq(ahead - words)
            with m.If(ahead < words):
                m.d.sync += chosen.eq(0)
        with m.Elif(~chosen & self.choose & taken):
            m.d.sync += [
                chosen.eq(1),
                word.eq(Cat(unit.i.payload[b] for b in BITS)),
                at.eq(place),
                ahead.eq(inside - Mux(given, words, 0)),
            ]


class Order(Harness):
    """Of one client: all words of one place come before any of the other."""

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        for i in range(CLIENTS):
            request, data, memory = unit.request[i], unit.data[i], unit.memory_data[i]
            offered(m, request, f"request{i}")
            burst = request.payload
            m.d.comb += Assume((burst.beats != 0) & (burst.beats <= SMALL.burst_words))
            taken = request.valid & request.ready
            asked, kept = (Signal(5, name=f"{n}{i}") for n in ("asked", "kept"))
            passed = unit.memory_request[i].valid & unit.memory_request[i].ready
            own = data.valid & ~memory.valid
            m.d.sync += [
                asked.eq(asked + Mux(passed, burst.beats, 0) - memory.valid),
                kept.eq(kept + Mux(taken & burst.kept, burst.beats, 0) - own),
            ]
            # The words of a kept burst are read one after the other. The unit's variables are those
            # of its last client; clients are alike.
            if i == CLIENTS - 1:
                inner = self.inner
                place = Signal.like(inner["ram"].read_addr, name="next_place")
                step, start = inner["step"], inner["start"]
                m.d.sync += place.eq(Mux(taken & burst.kept, burst.place, place + step))
                read = step
                for stage in range(READ_LATENCY):
                    read = past(m, read, f"read{stage}")
                m.d.comb += [
                    Assert(start == (taken & burst.kept)),
                    Assert(~step | (inner["ram"].read_addr == place), "another word is read"),
                    Assert(own == (read & ~memory.valid)),
                    Assert(~own | (data.payload.word == inner["ram"].read_data)),
                    Assert(
                        ~unit.memory_request[i].valid | (unit.memory_request[i].payload == burst)
                    ),
                ]
            # Memory gives what was asked of it, and a reader has no more room than its FIFO.
            m.d.comb += [
                Assume(~memory.valid | (asked != 0)),
                Assume(~taken | (asked + kept <= 4)),
                Assert(~(taken & ~burst.kept) | passed, "a burst goes to neither place"),
                Assert(~own | (kept != 0), "a word that was not asked for"),
                Assert((asked == 0) | (kept == 0), "both places at once"),
                Assert(~memory.valid | (data.payload == memory.payload), "another word"),
            ]


class Room(Inside):
    """Of the instructions that the fetch has sent to a queue no more words are inside than it has
    room for. Assumed: an instruction leaves a queue when it is whole.

    The invariants say that a queue's credit is for what is inside, on its way and still to come of
    an instruction that has begun. A first word waits in the reader's FIFO, its queue known."""

    def specify(self, m: Module, platform) -> None:
        unit, words = self.unit, SMALL.instruction_words
        capacity = SMALL.queue_depth * words
        index, valid, last, known, may, engines, room = (
            self.inner[n] for n in ("index", "valid", "last", "known", "may", "engines", "room")
        )
        head = self.inner["reader.self"].o
        read_ahead(m, self, "reader.fifo.")
        whose = Cat(head.payload[:4] == engine.opcode for engine in Engine)
        rest = Signal(range(words + 1))  # words to come of an instruction that has begun
        m.d.comb += [
            rest.eq(Mux(index == 0, 0, words - index) + valid),
            Assert(self.inner["first_word"] == (index == 0)),
            Assert(self.inner["last_word"] == (index == words - 1)),
            Assert(~valid | (last == (index == 0))),
            Assert(~(known | may) | (head.valid & ~valid & (index == 0) & (engines == whose))),
            Assert((engines & (engines - 1)) == 0),
        ]
        for engine in Engine:
            inside = Signal(range(capacity + 2), name=f"inside{engine.value}")
            came, left = unit.queue[engine].valid, unit.taken[engine]
            m.d.sync += inside.eq(inside + came - Mux(left, words, 0))
            credit = self.register(m, f"credit{engine.value}")
            due = Mux(engines[engine], rest, 0)
            m.d.comb += [
                Assert(credit <= SMALL.queue_depth),
                Assert(inside + came + due + words * credit == capacity),
                Assert(~(known & ~may & room[engine]) | (credit != 0)),
                Assert(~(may & engines[engine]) | (credit != 0)),
                Assume(~left | (inside >= words)),
                Assert(inside <= capacity, "a word comes without room for it"),
            ]


def _queue() -> Instructions:
    memory.AHEAD_WORDS = 2
    return Instructions(InstructionQueue(WIDE, Engine.LOAD), {"choose": 1})


PROPERTIES = [
    Property(
        name="fetch-room",
        unit="fetch.Fetch",
        says="It sends no queue more than there is room for.",
        build=lambda: Room(Fetch(SMALL)),
        method=Induction(2, twin_depth=40),
        twins=(
            Edit(
                "room for an instruction is there always",
                "hw.fetch",
                "room[engine].eq(credit != 0)",
                "room[engine].eq(1)",
            ),
            Edit(
                "an instruction of another engine makes room",
                "hw.fetch",
                "begun != self.taken[engine]",
                "begun != self.taken[0]",
            ),
        ),
    ),
    Property(
        name="queue-order",
        unit="queue.InstructionQueue",
        says="Instructions come out in order, each word at its place.",
        build=_queue,
        method=Reachable(),
        twins=(
            Edit(
                "an instruction stays",
                "hw.queue",
                "for x in (count, full, checked, met_a, met_b, offered)",
                "for x in (checked, met_a, met_b, offered)",
            ),
            Edit(
                "words are taken in any case",
                "hw.queue",
                "fifo.o.ready.eq(~full)",
                "fifo.o.ready.eq(1)",
            ),
            Edit(
                "a word's upper half is rotated",
                "hw.queue",
                "word = fifo.o.payload",
                "word = Cat(fifo.o.payload[:64], fifo.o.payload[64:].rotate_left(8))",
            ),
        ),
    ),
    Property(
        name="scratchpad-order",
        unit="scratchpad.Scratchpad",
        says="A reader gets the words that it has asked for, as many and in order: none of one "
        "place while the other's are on their way.",
        build=lambda: Order(Scratchpad(SMALL, CLIENTS)),
        method=Reachable(),
        twins=(
            Edit(
                "memory's words are not awaited",
                "hw.scratchpad",
                "request.valid & kept & (outstanding == 0)",
                "request.valid & kept",
            ),
            Edit(
                "kept words are not awaited",
                "hw.scratchpad",
                "request.valid & ~kept & ~on_chip",
                "request.valid & ~kept",
            ),
            Edit(
                "the word behind is read",
                "hw.scratchpad",
                "ram.read_addr.eq(place)",
                "ram.read_addr.eq(place + 1)",
            ),
            Edit(
                "a burst is moved",
                "hw.scratchpad",
                "memory_request.payload.eq(burst)",
                "[memory_request.payload.eq(burst), memory_request.payload.addr.eq(burst.place)]",
            ),
        ),
    ),
]
