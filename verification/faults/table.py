"""The campaign as a whole: its table, and what of it is recorded."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

from resarray.spec.config import Config
from resarray.verification.results import Figure, record

from . import campaign, host, program
from .cases import FLIPS

HOST = "host"
ASKED = 50  # timings of each kind
QUICK_DAMAGE = 300


@dataclass
class Row:
    """One kind of fault on one element, or of damage on the host's side.

    survived: that ended as they must; ends: how, where several ends are right
    """

    kind: str
    element: str
    timings: int = 0
    survived: int = 0
    ends: dict[str, int] = field(default_factory=dict)


def full(
    config: Config,
    seeds: Iterable[int],
    jobs: int,
    damaged: int,
    note: Callable[[str], None],
) -> tuple[list[Row], list[str]]:
    """Every fault on both elements, and the host's side; the rows and what did not survive."""
    rows: dict[tuple[str, str], Row] = {}
    problems: list[str] = []
    simulations = [campaign.Simulation(one, note) for one in program.elements(config)]
    for seed in seeds:
        for simulation in simulations:
            tallies = campaign.full(simulation, seed, jobs, note)
            problems += _add(rows, simulation.config.element, tallies)
        problems += _add(rows, HOST, host.run(program.block(config), damaged, seed, note))
    for simulation in simulations:
        simulation.forget()
    return list(rows.values()), problems


def quick(config: Config, seed: int, note: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Some of every fault, on the first element."""
    rows: dict[tuple[str, str], Row] = {}
    simulation = campaign.Simulation(next(program.elements(config)), note, small=False)
    problems = _add(rows, simulation.config.element, campaign.quick(simulation, seed))
    simulation.forget()
    problems += _add(rows, HOST, host.run(program.block(config), QUICK_DAMAGE, seed, note))
    return list(rows.values()), problems


def _add(
    rows: dict[tuple[str, str], Row], element: str, tallies: dict[str, campaign.Tally]
) -> list[str]:
    problems = []
    for kind, tally in tallies.items():
        row = rows.setdefault((kind, element), Row(kind, element))
        row.timings += tally.timings
        row.survived += tally.timings - len(tally.problems)
        row.ends = dict(Counter(row.ends) + tally.ends)
        problems += [f"{element}: {problem}" for problem in tally.problems]
    return problems


def text(rows: list[Row]) -> str:
    """The table, as it is printed."""
    width = max(len(row.kind) for row in rows)
    lines = [f"{'kind':{width}}  element  timings  survived"]
    for row in rows:
        line = f"{row.kind:{width}}  {row.element:7}  {row.timings:7,}  {row.survived:8,}"
        ends = "; ".join(f"{end} {count:,}" for end, count in sorted(row.ends.items()))
        lines.append(f"{line}  {ends}".rstrip())
    return "\n".join(lines)


def record_rows(command: str, rows: list[Row]) -> None:
    """Keep the campaign's figures for docs/verification.md."""
    faults = [row for row in rows if row.element != HOST]
    timed = [row for row in faults if row.kind != FLIPS]
    bits = [row for row in faults if row.kind == FLIPS]
    damage = [row for row in rows if row.element == HOST]

    def shares(what: str, some: list[Row]) -> Figure:
        return Figure(what, sum(r.survived for r in some), sum(r.timings for r in some), asked=1.0)

    enough = sum(row.timings >= ASKED for row in timed)
    figures = [
        shares("faults at one time or another, survived", timed),
        Figure(f"kinds of fault with {ASKED} timings or more", enough, len(timed), asked=1.0),
        shares("bits of instructions turned around, survived", bits),
        shares("damaged files and replies, survived", damage),
        Figure("damaged files and replies", sum(r.timings for r in damage), asked=10_000),
    ]
    record("faults", command, figures, [asdict(row) for row in rows])
