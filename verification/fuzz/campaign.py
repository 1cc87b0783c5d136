"""The campaign: many cases on many machines, in parallel, that goes on where it stopped."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from ...golden import distribute
from ...spec.errors import ResarrayError
from .. import results
from . import files
from .cases import KINDS, Case
from .execute import EXACT, FAILED, REFUSED, Outcome, run

ASKED = 2000  # exact cases of each kind
CHUNK = 20  # cases in one simulator process
RESTARTS = 3  # of processes that were killed before a chunk was done
REFUSALS = 0.01  # of the programs: what is drawn is legal, but for some that are too long
# What an outcome is of.
SOURCES = ("hw", "spec", "compiler", "golden", "sim", "verification/fuzz")
WHATS = {"program": "random programs, bit-exact", "network": "random networks, bit-exact"}
REFUSED_WHATS = {
    "program": "programs that turned out not legal",
    "network": "networks larger than the accelerator's buffers",
}


@dataclass
class Tally:
    """What a call has run: outcomes by kind and result, what was drawn, those that failed."""

    counts: Counter = field(default_factory=Counter)
    drawn: Counter = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)


def plan(kinds: Sequence[str], machines: Sequence[str], first: int, count: int) -> list[Case]:
    """``count`` seeds of each kind; each seed has its machine, whatever else is asked for."""
    return [
        Case(kind, seed, machines[seed % len(machines)])
        for seed in range(first, first + count)
        for kind in kinds
    ]


def chunks(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases of one machine together; each machine's first ones before any other's second."""
    by_machine: dict[str, list[Case]] = {}
    for case in cases:
        by_machine.setdefault(case.machine, []).append(case)
    cut = [_cut(own) for own in by_machine.values()]
    return [chunk for level in itertools.zip_longest(*cut) for chunk in level if chunk is not None]


def _cut(cases: list[Case]) -> list[list[Case]]:
    return [cases[at : at + CHUNK] for at in range(0, len(cases), CHUNK)]


def campaign(
    cases: Sequence[Case],
    path: Path,
    jobs: int = 1,
    scheduler: str | None = None,
    tell: Callable[[str], None] = lambda text: None,
    compute: Callable[[list[Case]], list[Outcome]] = run,
) -> Tally:
    """Run those of ``cases`` of which ``path`` has no outcome, or a failure, and append theirs.

    jobs:      processes
    scheduler: address of a Dask cluster that runs them instead
    tell:      told how far it is
    compute:   what runs a chunk, on any of the processes

    A process that is killed loses nothing: what it had is run again.
    """
    tally, commit, sources = Tally(), results.commit(), results.sources(SOURCES)
    known = _of(sources, files.read(path))
    left = chunks([c for c in cases if known.get(c, {}).get("result") not in (EXACT, REFUSED)])
    total, killed = sum(map(len, left)), 0
    while left:
        try:
            for outcomes in _each(compute, left, jobs, scheduler):
                left, killed = left[1:], 0
                if results.sources(SOURCES) != sources:
                    raise ResarrayError(
                        "the sources have changed while the campaign ran: run it again; what was "
                        "run before that is of the sources before"
                    )
                files.append(path, outcomes, commit, sources)
                for outcome in outcomes:
                    tally.counts[outcome.case.kind, outcome.result] += 1
                    tally.drawn.update(outcome.counted)
                tally.failures += [o for o in outcomes if o.result == FAILED]
                done = sum(tally.counts.values())
                tell(f"{done} of {total} cases, {len(tally.failures)} failed")
        except BrokenProcessPool as error:
            killed += 1
            tell("a process was killed: what it had is run again")
            if killed > RESTARTS:
                raise ResarrayError(
                    f"processes were killed {killed} times before {left[0][0]} was done: give a "
                    "smaller --jobs where memory is short"
                ) from error
    return tally


def _of(sources: str, rows: dict[Case, dict]) -> dict[Case, dict]:
    """Those of ``rows`` that are of these sources."""
    return {case: row for case, row in rows.items() if row["sources"] == sources}


def _each(
    compute: Callable[[list[Case]], list[Outcome]],
    left: list[list[Case]],
    jobs: int,
    scheduler: str | None,
) -> Iterator[list[Outcome]]:
    return distribute.each(compute, _same, left, jobs, scheduler)


def _same(chunk: list[Case]) -> list[Case]:
    return chunk


def summarise(path: Path, command: str) -> Path:
    """Record all outcomes of ``path`` that are of the present sources as the campaign's result."""
    rows = _of(results.sources(SOURCES), files.read(path))
    figures, tables = [], {}
    for kind in KINDS:
        own = [(case, row) for case, row in rows.items() if case.kind == kind]
        exact = [row for _, row in own if row["result"] == EXACT]
        figures.append(results.Figure(WHATS[kind], len(exact), asked=ASKED))
        failed = sum(row["result"] == FAILED for _, row in own)
        figures.append(results.Figure(f"{kind}s that failed", failed, limit=0))
        refused = sum(row["result"] == REFUSED for _, row in own)
        limit = math.ceil(REFUSALS * len(own)) if kind == "program" else None
        figures.append(results.Figure(REFUSED_WHATS[kind], refused, len(own) or None, limit=limit))
        tables[kind] = _table(own)
    machines = {case.machine for case, row in rows.items() if row["result"] == EXACT}
    figures.append(results.Figure("configurations", len(machines), asked=24))
    return results.record("fuzz", command, figures, tables)


def _table(own: list[tuple[Case, dict]]) -> dict:
    seeds = [case.seed for case, _ in own]
    counted: Counter = Counter()
    for _, row in own:
        counted.update(row["counted"])
        counted["cycles"] += row["cycles"]
    machines = sorted({case.machine for case, _ in own})
    return {
        "seeds": [min(seeds), max(seeds)] if seeds else [],
        "commits": dict(Counter(row["commit"] for _, row in own)),
        "counted": dict(counted),
        "machines": {
            name: dict(Counter(row["result"] for case, row in own if case.machine == name))
            for name in machines
        },
        "failures": [f"{case}: {row['what']}" for case, row in own if row["result"] == FAILED][:50],
    }
