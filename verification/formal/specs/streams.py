"""The stream contract, generated for every output stream of every unit: what is offered stays, the
payload too, until it is taken.

Of the other side the same is assumed on every input stream, and what `CONTRACTS` says. A stream
that is always ready has nothing to keep.
"""

from collections.abc import Callable, Iterator

from amaranth.hdl import Module
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from resarray.hw import load
from resarray.hw.bursts import BurstSplitter
from resarray.hw.drain import DrainEngine
from resarray.hw.fetch import Fetch
from resarray.hw.load import LoadEngine
from resarray.hw.memory import Fifo, Relay
from resarray.hw.pool import PoolUnit
from resarray.hw.queue import InstructionQueue
from resarray.hw.reader import Reader
from resarray.hw.scratchpad import Scratchpad
from resarray.hw.store import StoreEngine
from resarray.spec.isa import Engine

from ..contracts import done_stays, read_ahead, reader
from ..harness import Harness, offered, offers
from ..properties import Edit, Induction, Property, Reachable
from ..units import SMALL


def _load_engine() -> LoadEngine:
    # Its FIFO is as deep as that of the other readers then.
    load.FIFO_WORDS = 2
    return LoadEngine(SMALL)


UNITS: dict[str, Callable[[], Component]] = {
    "memory.Fifo": lambda: Fifo(2, 4),
    "memory.Relay": lambda: Relay(2),
    "bursts.BurstSplitter": lambda: BurstSplitter(SMALL),
    "reader.Reader": lambda: Reader(SMALL, 4),
    "fetch.Fetch": lambda: Fetch(SMALL),
    "load.LoadEngine": _load_engine,
    "scratchpad.Scratchpad": lambda: Scratchpad(SMALL, 2),
    "drain.DrainEngine": lambda: DrainEngine(SMALL),
    "pool.PoolUnit": lambda: PoolUnit(SMALL),
    "queue.InstructionQueue": lambda: InstructionQueue(SMALL, Engine.LOAD),
    "store.StoreEngine": lambda: StoreEngine(SMALL),  # none that can be held back
}
CONTRACTS: dict[str, Callable[[Module, Harness], None]] = {
    "reader.Reader": reader,
    "fetch.Fetch": reader,
    "load.LoadEngine": reader,
    "queue.InstructionQueue": done_stays,
    "drain.DrainEngine": lambda m, harness: read_ahead(m, harness, "pool.fifo."),
    "pool.PoolUnit": lambda m, harness: read_ahead(m, harness, "fifo."),
}
# Counting and comparing is the solver's, with the contract; the others hold without one.
INDUCTIONS = {
    "Reader-request",
    "Fetch-request",
    "LoadEngine-request",
    "InstructionQueue-o",
    "DrainEngine-o",
    "PoolUnit-o",
}

_FIFO = Edit(
    "the FIFO's oldest word is overwritten",
    "hw.memory",
    "put.addr.eq(newest)",
    "put.addr.eq(oldest)",
)
_RELAY = Edit(
    "a word is overwritten",
    "hw.memory",
    "with m.If(~self.o.valid | self.o.ready):",
    "with m.If(1):",
)
_REQUEST = Edit(
    "a request is withdrawn when a word leaves",
    "hw.reader",
    "fits.eq(waiting & ~accepted &",
    "fits.eq(waiting & ~accepted & ~freed &",
)
TWINS = {
    "Fifo-o": _FIFO,
    "Relay-o": _RELAY,
    "BurstSplitter-o": Edit(
        "it does not wait", "hw.bursts", "taken = sized & self.o.ready", "taken = sized"
    ),
    "Reader-request": _REQUEST,
    "Reader-o": _FIFO,
    "Fetch-request": _REQUEST,
    "LoadEngine-request": _REQUEST,
    "Scratchpad-memory_request": Edit(
        "a request stands back for data",
        "hw.scratchpad",
        "memory_request.valid.eq(request.valid & ~kept & ~on_chip)",
        "memory_request.valid.eq(request.valid & ~kept & ~on_chip & ~memory_data.valid)",
    ),
    "DrainEngine-o": Edit(
        "a word for the tables is offered",
        "hw.drain",
        "connect(m, pool.o, flipped(self.o))",
        "m.d.comb += [self.o.valid.eq(pool.o.valid | self.table_valid), "
        "self.o.payload.eq(pool.o.payload), pool.o.ready.eq(self.o.ready)]",
    ),
    "PoolUnit-o": _FIFO,
    "InstructionQueue-o": Edit(
        "it waits for exactly that many",
        "hw.queue",
        "full & ~less(done, wait)",
        "full & (done == wait)",
    ),
}


def ports(unit: Component, flow) -> Iterator[tuple[str, object]]:
    """Name and interface of each stream of ``unit`` with this flow that can be held back."""
    for name, member in unit.signature.members.items():
        if (
            member.is_signature
            and isinstance(member.signature, stream.Signature)
            and member.flow == flow
            and not member.signature.always_ready
        ):
            yield from _each(name, getattr(unit, name), member.dimensions)


def _each(name: str, value, dimensions) -> Iterator[tuple[str, object]]:
    if not dimensions:
        yield name, value
        return
    for i in range(dimensions[0]):
        yield from _each(f"{name}{i}", value[i], dimensions[1:])


class Offers(Harness):
    """One output stream of a unit."""

    def __init__(self, unit: Component, name: str, contract: Callable | None):
        self._name, self._contract = name, contract
        super().__init__(unit, checks=False)

    def specify(self, m: Module, platform) -> None:
        if self._contract is not None:
            self._contract(m, self)
        for name, interface in ports(self.unit, In):
            offered(m, interface, name)
        offers(m, dict(ports(self.unit, Out))[self._name], self._name)


def _property(unit: str, name: str) -> Property:
    build = UNITS[unit]
    short = f"{unit.partition('.')[2]}-{name}"
    induction = short in INDUCTIONS
    contract = CONTRACTS.get(unit) if induction else None
    return Property(
        name=f"stream-{short}",
        unit=unit,
        says=f"What `{name}` offers stays until it is taken.",
        build=lambda: Offers(build(), name, contract),
        method=Induction(3) if induction else Reachable(),
        twins=(TWINS[short.rstrip("0123456789")],),
        quick=unit in ("memory.Relay", "bursts.BurstSplitter"),
    )


def _outputs(build: Callable[[], Component]) -> list[str]:
    unit = build()
    unit._MustUse__silence = True  # it is only looked at
    return [name for name, _ in ports(unit, Out)]


PROPERTIES = [_property(unit, name) for unit, build in UNITS.items() for name in _outputs(build)]
