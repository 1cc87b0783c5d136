"""The campaign: every property and every twin, several at a time; the table and the record."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from rich import box
from rich.table import Table

from resarray.sim import children
from resarray.spec.progress import Progress

from .. import results
from . import engines
from .convert import rtlil_of
from .engines import Verdict
from .properties import Bounded, Calculation, Property, Variant

# As asked in the plan.
UNBOUNDED_SHARE, SECONDS, CORES = 0.9, 900, 2


@dataclass(frozen=True)
class Outcome:
    """What came out for one property and for each of its twins."""

    prop: Property
    verdict: Verdict
    twins: list[Verdict]

    @property
    def caught(self) -> int:
        """Twins that fail."""
        return sum(twin.holds is False for twin in self.twins)

    @property
    def good(self) -> bool:
        return self.verdict.holds is True and self.caught == len(self.twins)

    @property
    def word(self) -> str:
        """The verdict in words."""
        if self.verdict.holds is None:
            return "unknown"
        if not self.verdict.holds:
            return "FAILS"
        return "proven" if self.prop.method.unbounded else "holds"


def check(properties: Sequence[Property], jobs: int, progress: Progress) -> list[Outcome]:
    """Each property and its twins, ``jobs`` at a time."""
    tasks = [(p, t) for p in properties for t in (None, *range(len(p.twins)))]
    verdicts: dict[tuple[str, int | None], Verdict] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            waiting = {pool.submit(_judge, prop, twin): (prop, twin) for prop, twin in tasks}
            title = f"proving {len(properties)} properties"
            progress(0, title)
            for future in as_completed(waiting):
                prop, twin = waiting[future]
                verdicts[prop.name, twin] = future.result()
                progress(len(verdicts) / len(tasks), f"{title}: {prop.name}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end_all()
            raise
    return [
        Outcome(p, verdicts[p.name, None], [verdicts[p.name, t] for t in range(len(p.twins))])
        for p in properties
    ]


def _judge(prop: Property, twin: int | None) -> Verdict:
    if isinstance(prop.method, Calculation):
        started = time.thread_time()
        variant = prop if twin is None else prop.twins[twin]
        assert isinstance(variant, Property | Variant)
        holds = bool(variant.build())
        return Verdict(holds, round(time.thread_time() - started, 1))
    return engines.judge(rtlil_of(prop, twin), prop.method, twin is not None)


def table(outcomes: Sequence[Outcome]) -> Table:
    """What a user sees."""
    made = Table(box=box.SIMPLE)
    for title in ("property", "unit", "method", "seconds", "verdict", "twins caught"):
        right = title == "seconds"
        made.add_column(title, justify="right" if right else "left", no_wrap=title != "unit")
    for o in outcomes:
        made.add_row(
            o.prop.name,
            o.prop.unit,
            str(o.prop.method),
            f"{o.verdict.seconds:.1f}",
            o.word if o.good else f"[bold red]{o.word}[/]",
            f"{o.caught} of {len(o.twins)}",
        )
    return made


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """What is not as it should be, as sentences."""
    found = []
    for o in outcomes:
        if o.verdict.holds is not True:
            found.append(f"{o.prop.name}: {o.word}")
        for twin, verdict in zip(o.prop.twins, o.twins, strict=True):
            if verdict.holds is not False:
                found.append(f"{o.prop.name}: its twin is not caught: {twin.says}")
    return found


def record(outcomes: Sequence[Outcome], command: str) -> None:
    """Figures and the list of properties, for the plan."""
    proven = [o for o in outcomes if o.verdict.holds]
    # Of processor time, as they took when they were made.
    seconds = sum(v.seconds for o in outcomes for v in (o.verdict, *o.twins)) / CORES
    twins = sum(len(o.twins) for o in outcomes)
    figures = [
        results.Figure("properties that hold", len(proven), len(outcomes), asked=1.0),
        results.Figure(
            "properties proven without bound",
            sum(o.prop.method.unbounded for o in proven),
            len(outcomes),
            asked=UNBOUNDED_SHARE,
        ),
        results.Figure("broken twins caught", sum(o.caught for o in outcomes), twins, asked=1.0),
        results.Figure(
            f"processor time of the solvers, over {CORES} cores",
            round(seconds),
            unit="s",
            limit=SECONDS,
        ),
    ]
    details = [
        {
            "property": o.prop.name,
            "unit": o.prop.unit,
            "says": o.prop.says,
            "method": str(o.prop.method),
            "why": o.prop.method.why if isinstance(o.prop.method, Bounded) else None,
            "seconds": o.verdict.seconds,
            "verdict": o.word,
            "twins": [
                {"says": twin.says, "caught": verdict.holds is False}
                for twin, verdict in zip(o.prop.twins, o.twins, strict=True)
            ],
        }
        for o in outcomes
    ]
    results.record("formal", command, figures, details)
