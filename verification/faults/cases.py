"""The faults: what goes wrong, when, and how it must end."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from resarray.compiler.disasm import Decoded
from resarray.sim.run import MEM_BASE as MEMORY_BASE
from resarray.spec import isa
from resarray.spec.isa import INSTRUCTION_BITS, INSTRUCTION_BYTES, WAITS, Engine
from resarray.spec.memory import settings_of
from resarray.spec.registers import ErrorCause

from .program import Burst, Program, bursts

GUARD_BYTES = 4096  # of memory below the program's
MEM_BASE = MEMORY_BASE + GUARD_BYTES
FETCH = len(Engine)
CHANNELS = ("AR", "AW", "W", "R", "B")  # as in axi_memory.v, from 1 on
RESPONSES = {"SLVERR": 2, "DECERR": 3}
TIMINGS = 60  # of each kind at least
FLIPPED = 52  # instructions, evenly spread
PATIENCE = 2_000  # cycles without progress
PRESSURE = 10_000  # cycles
LAST_WAIT = (1 << isa.WAIT_BITS) - 1

FLIPS = "bit of an instruction turned around"

# How a run may end.
ERROR, HANG, EXACT, RESET, ANY = "error", "hang", "exact", "reset", "any"


@dataclass(frozen=True)
class Case:
    """A fault and what must come of it.

    kind:   as in the table
    what:   which one, for messages
    bench:  what `bench` is given
    ends:   one of ERROR, HANG, EXACT, RESET; ANY: all but what no fault may do
    cause:  of the error
    places: (engine, byte offset of the burst) that the error may name; None: the burst that got the
            error response
    waits:  engine that must be seen waiting
    """

    kind: str
    what: str
    bench: dict
    ends: str
    cause: ErrorCause = ErrorCause.NONE
    places: frozenset[tuple[int, int]] | None = frozenset()
    waits: Engine | None = None


@dataclass
class Draw:
    """What the cases of one program are drawn from.

    beats: words that a good run reads; cycles: that it takes, from start to interrupt
    """

    program: Program
    beats: int
    cycles: int
    rng: random.Random
    timings: int = TIMINGS
    reads: list[Burst] = field(init=False)
    writes: list[Burst] = field(init=False)

    def __post_init__(self) -> None:
        found = [b for i in self.program.instructions for b in bursts(self.program, i)]
        self.reads = [b for b in found if b.engine != Engine.STORE] + list(self.fetches())
        self.writes = [b for b in found if b.engine == Engine.STORE]

    def fetches(self, settings: dict[str, int] | None = None) -> Iterator[Burst]:
        """The fetch's bursts; ``settings`` that differ."""
        values = settings_of(self.program.image, MEM_BASE) | (settings or {})
        config = self.program.image.config
        burst_bytes = config.burst_words * config.rows
        at = values["PROG_ADDR"]
        end = at + INSTRUCTION_BYTES * values["PROG_COUNT"]
        while at < end:
            stop = min(end, (at // burst_bytes + 1) * burst_bytes)
            yield Burst(FETCH, at, stop)  # type: ignore[arg-type]
            at = stop

    def positions(self, below: int) -> list[int]:
        """At least `timings` numbers below ``below``, evenly spread; repeated where there are
        fewer."""
        if below >= self.timings:
            return [i * below // self.timings for i in range(self.timings)]
        return [i % below for i in range(self.timings)]

    def memory(self) -> dict[str, int]:
        """A memory, as ports of the harness."""
        rng = self.rng
        stall = sum(rng.choice([0, 0, 40, 128]) << 8 * i for i in range(len(CHANNELS)))
        return {"latency": rng.choice([1, 5, 32, 100]), "stall": stall, "seed": rng.getrandbits(31)}

    def edit(self, number: int, **fields: int) -> list[int]:
        """Bits of the memory in which instruction ``number`` differs with other ``fields``."""
        decoded = self.program.instructions[number]
        layout = isa.LAYOUTS[decoded.engine]
        changed = isa.pack(layout, decoded.fields) ^ isa.pack(layout, decoded.fields | fields)
        return [self.bit(number, i) for i in range(INSTRUCTION_BITS) if changed >> i & 1]

    def bit(self, number: int, bit: int) -> int:
        """Bit of the memory that holds ``bit`` of instruction ``number``."""
        return 8 * (GUARD_BYTES + self.program.offset(number)) + bit


def responses(draw: Draw, every: bool = True) -> Iterator[Case]:
    """An error response on each beat and burst, and at random ones of other memories."""
    for name, response in RESPONSES.items():
        for channel, total, cause in (
            ("R", draw.beats, ErrorCause.READ_RESPONSE),
            ("B", len(draw.writes), ErrorCause.WRITE_RESPONSE),
        ):
            fault = {"fault": CHANNELS.index(channel) + 1, "fault_response": response}
            places: list[tuple[int, dict]] = [(at, {}) for at in range(total)] if every else []
            places += [(at, draw.memory()) for at in draw.positions(total)]
            for at, memory in places:
                ports = fault | {"fault_at": at} | memory
                yield Case(
                    f"{name} on {channel}",
                    f"transfer {at}, memory {memory}",
                    {"ports": ports, "patience": PATIENCE},
                    ERROR,
                    cause,
                    None,
                )


def _transfers(draw: Draw) -> dict[str, int]:
    """Transfers of a good run on each channel."""
    rows = draw.program.image.config.rows
    words = sum(b.stop - b.start for b in draw.writes) // rows
    return dict(
        zip(
            CHANNELS,
            (len(draw.reads), len(draw.writes), words, draw.beats, len(draw.writes)),
            strict=True,
        )
    )


def _stopped(draw: Draw, kind: str, cycles: int, ends: str, patience: int) -> Iterator[Case]:
    for number, (channel, total) in enumerate(_transfers(draw).items(), 1):
        for at in draw.positions(total):
            memory = {} if draw.rng.random() < 0.3 else draw.memory()
            fault = {"fault": number, "fault_at": at, "fault_cycles": cycles, "fault_response": 0}
            yield Case(
                f"{kind} {channel}",
                f"after {at} transfers, memory {memory}",
                {"ports": memory | fault, "patience": patience},
                ends,
            )


def stopped(draw: Draw) -> Iterator[Case]:
    """A channel that stands still for good."""
    yield from _stopped(draw, "memory stops on", 0, HANG, PATIENCE)


def pressure(draw: Draw) -> Iterator[Case]:
    """A channel that stands still for `PRESSURE` cycles."""
    yield from _stopped(draw, f"{PRESSURE:,} cycles of back-pressure on", PRESSURE, EXACT, 12_000)


def opcodes(draw: Draw) -> Iterator[Case]:
    """Each unknown opcode in turn, in each instruction."""
    unknown = [0, *range(len(Engine) + 1, 16)]
    for number, decoded in enumerate(draw.program.instructions):
        for opcode in draw.rng.sample(unknown, 3):
            yield Case(
                "unknown opcode",
                f"{opcode} in instruction {number}",
                {"flips": draw.edit(number, opcode=opcode), "patience": PATIENCE},
                ERROR,
                ErrorCause.BAD_OPCODE,
                frozenset({(FETCH, draw.program.offset(decoded.number))}),
            )


def outside(draw: Draw) -> Iterator[Case]:
    """Instructions and settings of which a burst leaves its window."""
    manifest = draw.program.image.manifest
    rows = draw.program.image.config.rows
    size, base = manifest["mem_size"] // rows, manifest["write_base"] // rows
    for number, decoded in enumerate(draw.program.instructions):
        if not list(bursts(draw.program, decoded)):
            continue
        addresses = {size - 1, size, (1 << isa.ADDR_BITS) - 4096}
        if decoded.engine == Engine.STORE:
            addresses |= {0, base - 1}
        for addr in sorted(addresses):
            fields = {"addr": addr, "kept": 0} if "kept" in decoded.fields else {"addr": addr}
            edited = Decoded(number, decoded.engine, decoded.place, decoded.fields | fields)
            places = _outside(bursts(draw.program, edited), size * rows, base * rows)
            if places:
                yield Case(
                    "address outside the windows",
                    f"word {addr:#x} in instruction {number}, {decoded.engine.name}",
                    {"flips": draw.edit(number, **fields), "patience": PATIENCE},
                    ERROR,
                    ErrorCause.OUTSIDE_WINDOW,
                    places,
                )
    for _ in range(draw.timings):
        name = draw.rng.choice(["MEM_SIZE", "WRITE_BASE", "PROG_ADDR"])
        low = base + 1 if name == "WRITE_BASE" else size if name == "PROG_ADDR" else 1
        settings = {name: rows * draw.rng.randrange(low, size + 8 * (name == "PROG_ADDR"))}
        values = settings_of(draw.program.image, MEM_BASE) | settings
        asked = [b for b in draw.reads if b.engine != FETCH] + list(draw.fetches(settings))
        places = _outside([*asked, *draw.writes], values["MEM_SIZE"], values["WRITE_BASE"])
        if not places:  # within what is left free behind the last tensor
            settings = {"MEM_SIZE": rows}
            places = _outside([*draw.reads, *draw.writes], rows, values["WRITE_BASE"])
        yield Case(
            "window that is too small",
            f"{settings}",
            {"registers": settings, "patience": PATIENCE},
            ERROR,
            ErrorCause.OUTSIDE_WINDOW,
            places,
        )


def _outside(asked, size: int, base: int) -> frozenset[tuple[int, int]]:
    """(engine, byte offset) of those bursts that are not within [0, size), or [base, size)."""
    return frozenset(
        (int(b.engine), b.start % (1 << 32))
        for b in asked
        if b.stop > size or (b.engine == Engine.STORE and b.start < base)
    )


def settings(draw: Draw) -> Iterator[Case]:
    """Settings with which no program can run."""
    rng, rows = draw.rng, draw.program.image.config.rows
    kinds: dict[str, Callable[[], int]] = {
        "MEM_BASE": lambda: MEM_BASE + rng.randrange(1, 4096),
        "MEM_SIZE": lambda: (1 << 32) - rng.randrange(1, MEM_BASE),
        "PROG_ADDR": lambda: rows * rng.randrange(64) + rng.randrange(1, rows),
        "WRITE_BASE": lambda: rows * rng.randrange(64) + rng.randrange(1, rows),
        "PROG_COUNT": lambda: 1 << rng.randrange(isa.WAIT_BITS, 32),
    }
    for index in range(draw.timings):
        name = list(kinds)[index % len(kinds)]
        values = {name: kinds[name]()}
        yield Case(
            "impossible settings",
            f"{values}",
            {"registers": values, "patience": PATIENCE},
            ERROR,
            ErrorCause.BAD_SETTINGS,
            frozenset({(FETCH, 0)}),
        )


def deadlocks(draw: Draw) -> Iterator[Case]:
    """An instruction that waits for more than will ever complete."""
    for number, decoded in enumerate(draw.program.instructions):
        for wait, awaited in zip(("wait_a", "wait_b"), WAITS[decoded.engine], strict=True):
            if awaited is not None:
                yield Case(
                    "deadlocked wait",
                    f"{wait} of instruction {number}, {decoded.engine.name}",
                    {"flips": draw.edit(number, **{wait: LAST_WAIT}), "patience": PATIENCE},
                    HANG,
                    waits=decoded.engine,
                )


def starts(draw: Draw) -> Iterator[Case]:
    """Another start while the program runs, with the same settings or with others."""
    other = {"MEM_BASE": MEM_BASE + 4096, "MEM_SIZE": 4096, "WRITE_BASE": 0, "PROG_COUNT": 1}
    for index, cycle in enumerate(draw.positions(draw.cycles * 9 // 10)):
        changes = other if index % 2 else {}
        yield Case(
            "second start while busy",
            f"after {cycle} cycles with {changes}",
            {"again": [cycle, changes], "patience": PATIENCE},
            EXACT,
        )


def resets(draw: Draw, every: bool = True) -> Iterator[Case]:
    """A reset after each number of cycles."""
    cycles = range(draw.cycles + 10) if every else draw.positions(draw.cycles + 10)
    for cycle in cycles:
        length = draw.rng.choice([1, 1, 2, 5])
        yield Case(
            "reset in a run",
            f"after {cycle} cycles for {length}",
            {"reset": [cycle, length], "patience": PATIENCE},
            RESET,
        )


def flips(draw: Draw, chosen: int | None = None) -> Iterator[Case]:
    """Each bit of `FLIPPED` instructions turned around; ``chosen``: so many of them."""
    count = len(draw.program.instructions)
    numbers = {i * count // FLIPPED for i in range(FLIPPED)}
    places = [(number, bit) for number in sorted(numbers) for bit in range(INSTRUCTION_BITS)]
    for number, bit in places if chosen is None else draw.rng.sample(places, chosen):
        engine = draw.program.instructions[number].engine.name
        yield Case(
            FLIPS,
            f"bit {bit} of instruction {number}, {engine}",
            {"flips": [draw.bit(number, bit)], "patience": PATIENCE // 2},
            ANY,
        )


# On a program of every engine; `resets` on the shortest.
KINDS: tuple[Callable[[Draw], Iterator[Case]], ...] = (
    responses,
    stopped,
    pressure,
    opcodes,
    outside,
    settings,
    deadlocks,
    starts,
    flips,
)
