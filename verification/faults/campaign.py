"""Runs faults in the simulator and judges how they ended."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from resarray.sim import build, cache, checks, children, memory_file, simulators
from resarray.sim.memory_model import MemoryModel
from resarray.sim.process import simulate
from resarray.spec import layout
from resarray.spec.cache import build_folder
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic
from resarray.spec.memory import memory_contents, read_tensors, settings_of
from resarray.spec.registers import (
    STATUS_BUSY,
    STATUS_DONE,
    STATUS_ERROR,
    ErrorCause,
)

from . import cases, program
from .cases import ANY, ERROR, EXACT, FETCH, GUARD_BYTES, HANG, MEM_BASE, RESET, Case, Draw
from .program import Program

BENCH = Path(__file__).parent / "bench.py"
DEPTH_BITS = 12  # log2 of the words that are compared after each run
GUARD_BYTE = 0xA5
SHOWN = 5  # of what did not survive, at once
BATCH = 500  # cases in one simulator process
LATENCY = 4  # of the memory, cycles: where a case does not draw another

Note = Callable[[str], None]
# How a flipped bit may end, as it is counted.
REJECTED, HUNG, WRONG, NOTHING = (
    "rejected with a cause",
    "hang, seen by the watchdog",
    "wrong data inside the window",
    "no effect",
)


@dataclass
class Tally:
    """What came of the cases of one kind.

    timings: how many there were; problems: what is wrong with those that did not survive;
    ends: how many ended how, where that is not given
    """

    timings: int = 0
    problems: list[str] = field(default_factory=list)
    ends: Counter = field(default_factory=Counter)


class Simulation:
    """One configuration's accelerator behind a memory, the first words of which are compared.

    small: that is all of it; else it is the memory of other simulations, whose build serves
    design: Verilog of the accelerator; None: converted from ``hw/``
    """

    def __init__(self, config: Config, note: Note, small: bool = True, design: str | None = None):
        self.config = config
        self.binary = build.build(
            simulators.find("verilator"),
            build.verilog(config, note) if design is None else design,
            config.rows,
            1,
            note,
            least=DEPTH_BITS if small else None,
        )
        self.depth = 1 << DEPTH_BITS
        self.kept: list[Path] = []

    def run(self, prog: Program, found: Sequence[Case], jobs: int = 1) -> list[dict]:
        """What came of each case, as bench.py says it."""
        batches = [found[i : i + BATCH] for i in range(0, len(found), BATCH)]
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self._run, prog, batch) for batch in batches]
            try:
                parts = [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                children.end_all()
                raise
        return [outcome for part in parts for outcome in part]

    def measure(self, prog: Program, seed: int, timings: int) -> Draw:
        """What cases are drawn from: a good run's length and words."""
        with cache.scratch() as folder:
            self._prepare(prog, [], folder)
            self._simulate(prog, folder)
            registers = json.loads((folder / "reference.json").read_text())["registers"]
        rng = random.Random(seed)
        return Draw(prog, registers["READ_BEATS"], registers["CYCLES"], rng, timings)

    def _run(self, prog: Program, found: Sequence[Case]) -> list[dict]:
        """One batch; what it gives is kept until `forget`, so that a campaign that was ended goes
        on where it was."""
        with cache.scratch() as folder:
            self._prepare(prog, [case.bench for case in found], folder)
            inputs = [path.read_bytes() for path in sorted(folder.iterdir())]
            key = cache.digest(self.binary.binary.parent.name, BENCH.read_bytes(), *inputs)
            kept = build_folder() / "faults" / f"{key}.jsonl"
            if not kept.exists():
                self._simulate(prog, folder)
                outcomes = (folder / "outcomes.jsonl").read_bytes()
                if outcomes.count(b"\n") != len(found):
                    raise ResarrayError("the simulation ended before all faults: run it again")
                write_atomic(kept, outcomes)
        self.kept.append(kept)
        return [json.loads(line) for line in kept.read_text().splitlines()]

    def forget(self) -> None:
        """Remove what was kept."""
        for path in self.kept:
            path.unlink(missing_ok=True)

    def _prepare(self, prog: Program, found: list[dict], folder: Path) -> None:
        image, rows = prog.image, self.config.rows
        contents = np.full(self.depth * rows, GUARD_BYTE, np.uint8)
        inside = memory_contents(image, prog.inputs)
        contents[GUARD_BYTES : GUARD_BYTES + len(inside)] = inside
        manifest = image.manifest
        window = [GUARD_BYTES + manifest["write_base"], GUARD_BYTES + manifest["mem_size"]]
        assert window[1] + GUARD_BYTES <= len(contents), "the program leaves no guard above it"
        job = {
            "index": 0,
            "load_words": self.depth,
            "depth": self.depth,
            "window": [window[0] // rows, layout.ceil_div(window[1], rows) - 1],
            "registers": settings_of(image, MEM_BASE),
            "ports": MemoryModel(latency=LATENCY).settings(self.config),
            "patience": cases.PATIENCE,
            "cases": found,
        }
        (folder / "job0.mem").write_bytes(memory_file.format_words(contents, rows))
        (folder / "cases.json").write_text(json.dumps(job))

    def _simulate(self, prog: Program, folder: Path) -> None:
        simulate(self.binary, "resarray.verification.faults.bench", build.TOP, folder)
        self._require_good(prog, folder)

    def _require_good(self, prog: Program, folder: Path) -> None:
        """The run that others are compared with has the golden model's tensors."""
        reference = json.loads((folder / "reference.json").read_text())
        if reference["registers"]["STATUS"] != STATUS_DONE or reference["violations"]:
            raise ResarrayError(
                f"the program without a fault ends with STATUS {reference['registers']['STATUS']}, "
                f"{checks.broken(reference['violations'])}: this is a bug in hw/"
            )
        dump = memory_file.read_dump(folder / "reference.dump", self.config.rows).view(np.int8)
        dump = dump[GUARD_BYTES:]
        for name, tensor in read_tensors(prog.image, lambda a, n: dump[a : a + n]).items():
            if not np.array_equal(tensor, prog.expected[name]):
                raise ResarrayError(f"tensor '{name}' differs without a fault: run 'make test'")


def judge(case: Case, found: dict) -> str:
    """What is wrong with how a case ended; empty: nothing."""
    if "error" in found:
        return found["error"]
    status, registers = found["status"], found["registers"]
    busy = bool(status & STATUS_BUSY)
    cause = registers["ERROR_CAUSE"]
    if found["outside"]:
        return f"{found['outside']} words outside the write window changed"
    if found["violations"]:
        return f"rules broken: {', '.join(checks.broken(found['violations']))}"
    if not found["ignored"]:
        return "a start was not ignored while the accelerator was busy"
    if found.get("status_after_reset"):
        return f"STATUS is {found['status_after_reset']:#x} after the reset"
    if not found["next"]:
        return "the next run was not bit-exact"
    ended = {ERROR: STATUS_ERROR, EXACT: STATUS_DONE, RESET: 0}.get(case.ends)
    if ended is not None and status != ended:
        return f"STATUS is {status:#x}, not {ended:#x}"
    states = (STATUS_BUSY, STATUS_DONE, STATUS_ERROR, STATUS_BUSY | STATUS_ERROR)
    if status not in ((0,) if case.ends == RESET else states):
        return f"STATUS is {status:#x}, which says nothing"
    if (cause != ErrorCause.NONE) != bool(status & STATUS_ERROR):
        return f"ERROR_CAUSE is {cause} with STATUS {status:#x}"
    if case.ends == HANG and not busy:
        return f"STATUS is {status:#x} where the host's time-out was expected"
    if found["irq"] != (not busy and case.ends != RESET):
        return f"the interrupt is {found['irq']} with STATUS {status:#x}"
    if case.ends == EXACT and not found["exact"]:
        return "it ended well with wrong data"
    if status == STATUS_DONE and registers["FETCHED"] != registers["PROG_COUNT"]:
        return f"done with {registers['FETCHED']} of {registers['PROG_COUNT']} instructions"
    # What the memory withholds stays in flight; nothing else may.
    withheld = case.ends == HANG and "ports" in case.bench
    if (found["reads"] or found["writes"]) and not withheld:
        return f"{found['reads']} reads and {found['writes']} writes are still in flight"
    if case.waits is not None and not found["states"][case.waits] & 2:
        return f"STATE_{case.waits.name} does not say that it waits"
    if status & STATUS_ERROR and not busy:
        return _judge_error(case, found, registers)
    return ""


def _judge_error(case: Case, found: dict, registers: dict[str, int]) -> str:
    cause, place = registers["ERROR_CAUSE"], (registers["ERROR_ENGINE"], registers["ERROR_ADDR"])
    if cause not in set(ErrorCause):
        return f"ERROR_CAUSE is {cause}"
    if place[0] > FETCH:
        return f"ERROR_ENGINE is {place[0]}"
    if case.ends != ERROR:
        return ""
    if cause != case.cause:
        return f"ERROR_CAUSE is {cause}, not {case.cause.value}"
    places = case.places
    if places is None:
        places = frozenset({(place[0], found["bad_burst"] - MEM_BASE)})
    if place not in places:
        return f"engine {place[0]} at {place[1]:#x} is reported, not one of {sorted(places)}"
    return ""


def end_of_flip(found: dict) -> str:
    """How a run with a flipped bit ended."""
    if found["status"] & STATUS_BUSY:
        return HUNG
    if found["status"] & STATUS_ERROR:
        return REJECTED
    return NOTHING if found["exact"] else WRONG


def readers(draw: Draw) -> dict[int, set[int]]:
    """Which engines have a burst that begins at a byte offset."""
    found: dict[int, set[int]] = {}
    for burst in (*draw.reads, *draw.writes):
        found.setdefault(burst.start, set()).add(int(burst.engine))
    return found


def run_cases(
    simulation: Simulation, draw: Draw, found: Iterable[Case], jobs: int = 1
) -> dict[str, Tally]:
    """The tallies of ``found`` by kind."""
    listed = list(found)
    tallies: dict[str, Tally] = {}
    whose = readers(draw)
    for case, outcome in zip(listed, simulation.run(draw.program, listed, jobs), strict=True):
        tally = tallies.setdefault(case.kind, Tally())
        tally.timings += 1
        problem = judge(case, outcome)
        if not problem and case.places is None:
            # The burst is known from the memory port; whose it is, from the program.
            registers = outcome["registers"]
            if registers["ERROR_ENGINE"] not in whose.get(registers["ERROR_ADDR"], ()):
                problem = f"engine {registers['ERROR_ENGINE']} does not read at this address"
        if problem:
            tally.problems.append(f"{case.kind}, {case.what}: {problem}")
        elif case.ends == ANY:
            tally.ends[end_of_flip(outcome)] += 1
    return tallies


def full(simulation: Simulation, seed: int, jobs: int, note: Note) -> dict[str, Tally]:
    """Every kind of fault, on one configuration."""
    config, tallies = simulation.config, {}
    whole = simulation.measure(program.block(config), seed, cases.TIMINGS)
    short = simulation.measure(program.convolution(config), seed, cases.TIMINGS)
    for kind in (*cases.KINDS, cases.resets):
        note(f"'{config.name}': {kind.__name__}")
        draw = short if kind is cases.resets else whole
        for name, tally in run_cases(simulation, draw, kind(draw), jobs).items():
            tallies[name] = tally
            note(f"    {name}: {tally.timings}, {len(tally.problems)} not survived")
            for problem in tally.problems[:SHOWN]:
                note(f"        {problem}")
    return tallies


def quick(simulation: Simulation, seed: int, count: int = 3) -> dict[str, Tally]:
    """``count`` of every kind, but more resets and flips, on one configuration."""
    config = simulation.config
    draw = simulation.measure(program.block(config), seed, count)
    by_kind: dict[str, list[Case]] = {}
    for kind in cases.KINDS:
        for case in kind(draw):
            by_kind.setdefault(case.kind, []).append(case)
    found = [case for same in by_kind.values() for case in draw.rng.sample(same, count)]
    found += draw.rng.sample(by_kind[cases.FLIPS], 8 * count)
    found += cases.resets(draw, every=False)
    return run_cases(simulation, draw, found)
