"""Runs cases on the RTL, many in one simulator process, and says what came out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...compiler.functional import ScheduleError
from ...sim import build, simulators
from ...sim.run import run_many
from ...spec.errors import ResarrayError
from .cases import Case, Job, difference, job
from .machines import machine
from .memories import WATCHDOG_CYCLES

EXACT, REFUSED, FAILED = RESULTS = "exact", "refused", "failed"
# How compilation begins to refuse a network that the buffers of a small accelerator do not hold.
TOO_LARGE = "in the input buffer"
TOGETHER = "only after the runs before it"


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    result:  EXACT; REFUSED, where it is not legal or does not fit; FAILED
    what:    why, in a sentence
    cycles:  that it ran
    counted: what the draw counted
    """

    case: Case
    result: str
    what: str = ""
    cycles: int = 0
    counted: dict[str, int] = field(default_factory=dict)


def prepare(name: str, simulator: str = "verilator") -> None:
    """Build the simulation of a machine; `ResarrayError` where that is not possible."""
    config = machine(name)
    build.build(simulators.find(simulator), build.verilog(config), config.rows, 1, quick=True)


def run(
    cases: Sequence[Case], simulator: str = "verilator", design: str | None = None
) -> list[Outcome]:
    """Outcomes of ``cases``, all of one machine, one after the other in one process; ``design``:
    other Verilog than that of ``hw/``."""
    if design is None:
        prepare(cases[0].machine, simulator)
    outcomes: dict[Case, Outcome] = {}
    jobs: dict[Case, tuple[Job, dict[str, int]]] = {}
    for case in cases:
        try:
            jobs[case] = job(case)
        except ResarrayError as error:
            result = REFUSED if TOO_LARGE in str(error) else FAILED
            outcomes[case] = Outcome(case, result, str(error))
        except Exception as error:  # in a network a rule that is broken is the compiler's fault
            illegal = isinstance(error, ScheduleError) and case.kind == "program"
            why = f"not legal: {error}" if illegal else f"{type(error).__name__}: {error}"
            outcomes[case] = Outcome(case, REFUSED if illegal else FAILED, why)
    found = simulate([made for made, _ in jobs.values()], simulator, design)
    for (case, (_, counted)), (what, cycles) in zip(jobs.items(), found, strict=True):
        result = EXACT if what is None else FAILED
        if what is not None and what.startswith(TOGETHER):
            what += f"; these are {' '.join(map(str, jobs))}"
        outcomes[case] = Outcome(case, result, what or "", cycles, counted)
    return [outcomes[case] for case in cases]


def simulate(
    jobs: Sequence[Job], simulator: str = "verilator", design: str | None = None
) -> list[tuple[str | None, int]]:
    """Of each what is wrong, None where nothing is, and its cycles. Where a run of several stops,
    each half runs by itself; a fault that this does not show again is the last one's."""
    if not jobs:
        return []
    try:
        results = run_many(
            [(made.image, made.inputs) for made in jobs],
            simulator=simulator,
            memory=[made.memory for made in jobs],
            watchdog_cycles=WATCHDOG_CYCLES,
            design=design,
            quick=True,
        )
    except ResarrayError as error:
        if len(jobs) == 1:
            return [(str(error), 0)]
        half = len(jobs) // 2
        found = simulate(jobs[:half], simulator, design) + simulate(jobs[half:], simulator, design)
        if all(what is None for what, _ in found):
            found[-1] = (f"{TOGETHER}: {error}", found[-1][1])
        return found
    return [
        (difference(made, result), result.cycles)
        for made, result in zip(jobs, results, strict=True)
    ]
