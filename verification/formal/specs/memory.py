"""FIFO, relay and instruction queue: every word once and in order.

Their widths are small: a word is moved as a whole and nothing looks into it.
"""

from functools import partial

from amaranth.hdl import Assert, Assume, Module, Signal

from resarray.hw import memory
from resarray.hw.memory import Fifo, Relay

from ..harness import Harness, offered
from ..properties import Edit, Property, Reachable


class Order(Harness):
    """A word that is taken in at any moment comes out behind those that were inside then, and
    before all others: none is lost, doubled, changed or overtaken. At most ``depth`` are inside,
    and none is withheld for ``latency`` cycles or longer while something is inside.
    """

    def __init__(self, unit, depth: int, latency: int):
        self._depth, self._latency = depth, latency
        super().__init__(unit, {"choose": 1})

    def specify(self, m: Module, platform) -> None:
        i, o = self.unit.i, self.unit.o
        taken, given = self.taken(m), o.valid & o.ready
        inside = Signal(range(self._depth + 2))  # words taken and not yet given
        ahead = Signal.like(inside)  # of the chosen one
        word = Signal.like(i.payload)
        chosen = Signal()  # it is inside
        empty_handed = Signal(range(self._latency + 2))  # cycles in which nothing was offered
        m.d.sync += [
            inside.eq(inside + taken - given),
            empty_handed.eq(0),
        ]
        with m.If((inside != 0) & ~o.valid & (empty_handed <= self._latency)):
            m.d.sync += empty_handed.eq(empty_handed + 1)
        m.d.comb += [
            Assert(~o.valid | (inside != 0), "more comes out than went in"),
            Assert(inside <= self._depth, "more is inside than there is room for"),
            Assert(~(o.valid & chosen & (ahead == 0)) | (o.payload == word), "another word"),
            Assert(empty_handed < self._latency, "a word is withheld"),
        ]
        with m.If(chosen):
            m.d.sync += ahead.eq(ahead - given)
            with m.If(given & (ahead == 0)):
                m.d.sync += chosen.eq(0)
        with m.Elif(self.choose & taken):
            m.d.sync += [chosen.eq(1), word.eq(i.payload), ahead.eq(inside - given)]
        self.inside = inside

    def taken(self, m: Module):
        """That a word goes in."""
        offered(m, self.unit.i, "i")
        return self.unit.i.valid & self.unit.i.ready


class FifoOrder(Order):
    """The writer looks at ``ready`` or knows by other means that there is room."""

    def specify(self, m: Module, platform) -> None:
        super().specify(m, platform)
        fifo, full = self.unit, self.inside == self._depth
        m.d.comb += [
            Assume(~(fifo.i.valid & full)),
            Assert(~(fifo.i.ready & full), "it is ready without room"),
            Assert(fifo.level == self.inside, "the level is wrong"),
        ]

    def taken(self, m: Module):
        return self.unit.i.valid


def _fifo(depth: int) -> FifoOrder:
    # A depth above it is more than it reads ahead.
    memory.AHEAD_WORDS = AHEAD_WORDS
    return FifoOrder(Fifo(2, depth), depth, 4)


AHEAD_WORDS = 2
_AHEAD = Edit(
    "words are read ahead without room", "hw.memory", "read.eq(some & allowed)", "read.eq(some)"
)
PROPERTIES = [
    *(
        Property(
            name=f"fifo{depth}-order",
            unit="memory.Fifo",
            says=f"With a depth of {depth} words come out once, in order and unchanged, after 4 "
            "cycles at most; `level` counts them; `ready` means room.",
            build=partial(_fifo, depth),
            method=Reachable(),
            twins=(
                Edit(
                    "the level overtakes",
                    "hw.memory",
                    "self.level < depth - 1",
                    "self.level < depth + 1",
                ),
                Edit(
                    "it ends too late",
                    "hw.memory",
                    "write | (stored != 1)",
                    "write | (stored != 0)",
                ),
                Edit(
                    "a word goes where the oldest is",
                    "hw.memory",
                    "put.addr.eq(newest)",
                    "put.addr.eq(oldest)",
                ),
                *((_AHEAD,) if depth > AHEAD_WORDS else ()),
            ),
            quick=depth == 2,
        )
        for depth in (2, 4)
    ),
    Property(
        name="relay-order",
        unit="memory.Relay",
        says="Words come out once, in order and unchanged, a cycle later; at most two are inside.",
        build=lambda: Order(Relay(2), 2, 1),
        method=Reachable(),
        twins=(
            Edit(
                "a waiting word is overwritten",
                "hw.memory",
                "self.i.ready.eq(~spared)",
                "self.i.ready.eq(1)",
            ),
        ),
        quick=True,
    ),
]
