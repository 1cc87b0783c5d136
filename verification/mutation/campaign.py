"""Both campaigns, their scores, and what is recorded."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from resarray.sim import children
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic

from ..results import Figure, record
from . import MUTANTS, SEED, equivalence, equivalents, hardware, software, source

ASKED = {"hardware": 0.97, "python": 0.90}
RECORDED = {"hardware": ("tiny", "25f"), "python": ("compiler and golden model",)}

Note = Callable[[str], None]


@dataclass
class Score:
    """Of one set of mutants.

    equivalent: proven or argued to change nothing, with how that is known
    survivors:  the others that nothing kills, with what they change
    killers:    how many each scenario or test file killed
    kinds:      how many showed in what
    """

    what: str
    total: int
    killed: int
    equivalent: dict[str, str]
    survivors: dict[str, str]
    killers: Counter
    kinds: Counter

    @property
    def figure(self) -> Figure:
        of = self.total - len(self.equivalent)
        kind = "python" if self.what in RECORDED["python"] else "hardware"
        what = f"{self.what}: mutants killed"
        return Figure(what, self.killed, of, asked=ASKED[kind])

    def lines(self) -> list[str]:
        """What a user wants to know."""
        of = self.total - len(self.equivalent)
        share = self.killed / of if of else 0.0
        text = [
            f"{self.what}: {self.total} mutants, {len(self.equivalent)} change nothing, "
            f"{self.killed} of {of} killed ({100 * share:.1f} %)",
            "  by " + ", ".join(f"{name} {n}" for name, n in self.killers.most_common(8)),
        ]
        if self.kinds:
            text.append("  seen in " + ", ".join(f"{k} {n}" for k, n in self.kinds.most_common()))
        return text + [f"  survives: {name} {what}" for name, what in self.survivors.items()]


def run_hardware(
    config: Config, count: int, seed: int, jobs: int, into: Path, prove: bool, note: Note
) -> Score:
    """The netlist's mutants; with ``prove``, survivors are looked at for equivalence."""
    campaign = hardware.prepare(config, count, seed, into, note)
    mutants = {mutant.name: mutant for mutant in campaign.mutants}
    argued = equivalents.of_hardware(
        config.name, campaign.mutants, (count, seed) == (MUTANTS, SEED)
    )
    note(f"running {len(mutants)} mutants of preset '{config.name}' (seed {seed})")
    verdicts = campaign.run(mutants, jobs)
    left = [name for name, verdict in verdicts.items() if not verdict.killed]
    _require_survivors(argued, left)
    proven = _prove(campaign, [n for n in left if n not in argued], jobs, note) if prove else {}
    equivalent = {n: argued[n] for n in left if n in argued} | proven
    killed = [v for v in verdicts.values() if v.killed]
    return Score(
        config.name,
        len(mutants),
        len(killed),
        {name: f"{mutants[name]}: {reason}" for name, reason in equivalent.items()},
        {name: str(mutants[name]) for name in left if name not in equivalent},
        Counter(str(v.scenario) for v in killed),
        Counter(str(v.kind) for v in killed),
    )


def _require_survivors(argued: dict[str, str], left: list[str]) -> None:
    """`ResarrayError` where one that is argued to change nothing was noticed."""
    for name in argued.keys() - set(left):
        raise ResarrayError(
            f"mutant {name} changes nothing, says {equivalents.PATH.name} ({argued[name]}), but "
            "the tests notice it: the argument is wrong, or a test sees what it must not"
        )


def _prove(campaign: hardware.Campaign, names: list[str], jobs: int, note: Note) -> dict[str, str]:
    """Proofs by name, which are remembered."""
    path = campaign.folder / "proofs.json"
    known: dict[str, str | None] = json.loads(path.read_text()) if path.exists() else {}
    mutants = {mutant.name: mutant for mutant in campaign.mutants}
    processed = campaign.design.with_name("processed.il")

    def prove(name: str) -> tuple[str, str | None]:
        note(f"trying to prove that mutant {name} changes nothing")
        return name, equivalence.prove(processed, mutants[name])

    with ThreadPoolExecutor(jobs) as pool:
        try:
            left = [pool.submit(prove, name) for name in names if name not in known]
            for future in as_completed(left):
                name, found = future.result()
                known[name] = found
                write_atomic(path, json.dumps(known).encode())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end_all()
            raise
    return {n: f"proven within {known[n]}" for n in names if known[n] is not None}


def run_python(count: int, seed: int, jobs: int, into: Path, note: Note) -> Score:
    """The compiler's and the golden model's mutants."""
    mutants = source.draw(software.files(), count, seed)
    argued = equivalents.of_python(mutants)
    note(f"running {len(mutants)} mutants of the compiler and the golden model (seed {seed})")
    verdicts = software.run(mutants, jobs, into, note=note)
    killed = [v for v in verdicts.values() if v.killed]
    left = [m for m in mutants if not verdicts[m.name].killed]
    _require_survivors(argued, [m.name for m in left])
    killers = Counter(str(v.killer).partition("::")[0].removeprefix("tests/") for v in killed)
    return Score(
        RECORDED["python"][0],
        len(mutants),
        len(killed),
        {m.name: f"{m}: {argued[m.name]}" for m in left if m.name in argued},
        {m.name: str(m) for m in left if m.name not in argued},
        killers,
        Counter(),
    )


def keep(scores: list[Score], command: str) -> Path:
    """Record them as the campaign's result."""
    details = {
        score.what: {
            "mutants": score.total,
            "equivalent": score.equivalent,
            "survivors": score.survivors,
            "killers": dict(score.killers.most_common()),
            "seen in": dict(score.kinds.most_common()),
        }
        for score in scores
    }
    return record("mutation", command, [score.figure for score in scores], details)
