"""FIFO and relay: every word once and in order; what they offer stays."""

from amaranth.hdl import Assert, Module, Signal

from resarray.hw.memory import Relay

from ..harness import Harness, offered, offers
from ..properties import Edit, Property, Reachable


class Order(Harness):
    """The word that is taken in as number n, counted from a moment that is chosen freely, comes out
    as number n, with ``depth`` words or fewer inside; so none is lost, doubled or overtaken.
    """

    def __init__(self, unit, depth: int):
        self._depth = depth
        super().__init__(unit, {"choose": 1})

    def specify(self, m: Module, platform) -> None:
        i, o = self.unit.i, self.unit.o
        offered(m, i, "i")
        taken, given = i.valid & i.ready, o.valid & o.ready
        inside = Signal(range(self._depth + 2))  # words taken and not yet given
        ahead = Signal.like(inside)  # of the chosen one
        word = Signal.like(i.payload)
        chosen = Signal()  # it is inside
        m.d.sync += inside.eq(inside + taken - given)
        m.d.comb += [
            Assert(~given | (inside != 0)),
            Assert(inside <= self._depth),
            Assert(~(o.valid & chosen & (ahead == 0)) | (o.payload == word)),
        ]
        with m.If(chosen):
            m.d.sync += ahead.eq(ahead - given)
            with m.If(given & (ahead == 0)):
                m.d.sync += chosen.eq(0)
        with m.Elif(self.choose & taken):
            m.d.sync += [chosen.eq(1), word.eq(i.payload), ahead.eq(inside - given)]


class Offers(Harness):
    def specify(self, m: Module, platform) -> None:
        offered(m, self.unit.i, "i")
        offers(m, self.unit.o, "o")


PROPERTIES = [
    Property(
        name="relay-order",
        unit="memory.Relay",
        says="Words come out once, in order and unchanged, with at most two inside.",
        build=lambda: Order(Relay(2), 2),
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
