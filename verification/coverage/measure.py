"""One preset measured: its stimuli are run and what they reached is counted."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ...sim import cache
from ...sim.run import run_many
from ...spec.config import Config
from ..fuzz import cases
from ..fuzz.memories import WATCHDOG_CYCLES
from . import functional, verilog
from .counts import Counts
from .points import Points, annotate
from .stimuli import Stimulus

Note = Callable[[str], None]
PER_RUN = 20  # programs in one simulator process


@dataclass
class Measured:
    """What was reached on a preset.

    functions: bins of `functional` by name, how often
    failures:  sentences; a run that was not exact
    """

    config: Config
    points: Points
    design: str
    counts: Counts = field(default_factory=Counts)
    failures: list[str] = field(default_factory=list)
    functions: Counter[str] = field(default_factory=Counter)
    programs: int = 0
    cycles: int = 0


def begin(config: Config, note: Note = lambda text: None) -> Measured:
    design, points = annotate(verilog.source(config, note))
    return Measured(config, points, design)


def run(measured: Measured, stimuli: Iterable[Stimulus], note: Note = lambda text: None) -> None:
    """Run ``stimuli`` and add what they reach."""
    part: list[Stimulus] = []
    for stimulus in stimuli:
        part.append(stimulus)
        if len(part) == PER_RUN:
            _run(measured, part, note)
            part = []
    if part:
        _run(measured, part, note)


def _run(measured: Measured, stimuli: list[Stimulus], note: Note) -> None:
    with cache.scratch() as folder:
        data = folder / "coverage.dat"
        results = run_many(
            [(s.job.image, s.job.inputs) for s in stimuli],
            memory=[s.job.memory for s in stimuli],
            watchdog_cycles=WATCHDOG_CYCLES,
            design=measured.design,
            note=note,
            coverage=Path(data),
        )
        measured.counts.add(data, measured.points)
    for stimulus, result in zip(stimuli, results, strict=True):
        if wrong := cases.difference(stimulus.job, result):
            measured.failures.append(f"{stimulus.job.image.manifest['model']}: {wrong}")
        measured.cycles += result.cycles
        job = stimulus.job
        measured.functions += functional.of_program(job.image, stimulus.graph, job.memory)
        measured.functions += functional.of_counters(result.counters)
    measured.programs += len(stimuli)
    note(f"{measured.programs} programs, {measured.cycles:,} cycles")
