"""Mutants of the netlist against the quick suite: builds the simulation, runs, remembers."""

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from resarray.sim import build, cache, memory_file, simulators
from resarray.sim.build import Build
from resarray.sim.process import simulate
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError

from . import netlist, suite
from .netlist import Mutant
from .scenario import LIMIT, Scenario, check

HERE = Path(__file__).parent
TOP = "mutation"
MODULE = "resarray.verification.mutation.bench"
MODELS = [Path(build.__file__).with_name(name) for name in ("axi_memory.v", "checks.v")]
CHUNK = 10  # mutants of one simulator process
# A scenario is over by then, or hangs: so many times as long as the unchanged design, and cycles.
SLOWER, MORE = 2, 3000
CRASH = "the simulator stopped"
RESULTS = "results.jsonl"

Note = Callable[[str], None]


@dataclass(frozen=True)
class Verdict:
    """Of one mutant: the scenario that shows it and what differs there; None: it survives."""

    scenario: str | None
    kind: str | None

    @property
    def killed(self) -> bool:
        return self.kind is not None


@dataclass
class Campaign:
    """The mutants of one preset in one simulation.

    expected: what the unchanged design shows, by scenario
    """

    config: Config
    folder: Path
    design: Path
    mutants: list[Mutant]
    scenarios: list[Scenario]
    binary: Build
    expected: dict[str, list]

    def run(
        self,
        names: Iterable[str],
        jobs: int,
        told: Callable[[str, Verdict], None] = lambda name, verdict: None,
    ) -> dict[str, Verdict]:
        """Verdicts of the mutants ``names``; those that are in the folder already are not run
        again."""
        numbers = {mutant.name: number for number, mutant in enumerate(self.mutants, 1)}
        found, met = self._remembered()
        every = [scenario.name for scenario in self.scenarios]
        left = [name for name in names if name not in found]
        chunks = [left[i : i + CHUNK] for i in range(0, len(left), CHUNK)]

        def work(chunk: list[str]) -> None:
            left = {n: [s for s in every if self._digests[s] not in met.get(n, ())] for n in chunk}
            for name, verdict in self._simulate([(n, numbers[n], left[n]) for n in chunk]):
                found[name] = verdict
                self._remember(name, verdict)
                told(name, verdict)

        with ThreadPoolExecutor(jobs) as pool:
            try:
                for _ in pool.map(work, chunks):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return {name: found[name] for name in names}

    def _simulate(self, mutants: list[tuple[str, int, list[str]]]) -> Iterable[tuple[str, Verdict]]:
        """Verdicts of mutants, given by name, number and the scenarios that they are to meet. One
        that ends the simulator has to do so once more, alone: a machine short of memory ends
        processes too."""
        alone: list[tuple[str, int, list[str]]] = []
        suspects: set[str] = set()
        while mutants or alone:
            if not mutants:
                mutants = [alone.pop()]
            with cache.scratch() as folder:
                _prepare(folder, self.scenarios, self.expected, self.config)
                jobs = _jobs(self.scenarios, self.expected, mutants)
                (folder / "jobs.json").write_text(json.dumps(jobs))
                (folder / "results.jsonl").touch()
                broken = None
                try:
                    simulate(self.binary, MODULE, TOP, folder)
                except ResarrayError as error:
                    # A mutant may close a loop without a register, which never settles.
                    if not (folder / "running").exists():
                        raise
                    broken = (folder / "running").read_text()
                    if broken not in [name for name, _, _ in mutants]:
                        raise error
                lines = (folder / "results.jsonl").read_text().splitlines()
            done = [json.loads(line) for line in lines]
            for name, scenario, kind in done:
                yield name, Verdict(scenario, kind)
            names = {name for name, _, _ in done} | {broken}
            if broken in suspects:
                yield broken, Verdict(None, CRASH)
            elif broken is not None:
                suspects.add(broken)
                alone += [mutant for mutant in mutants if mutant[0] == broken]
            elif len(done) < len(mutants):
                raise ResarrayError("the simulation of mutants ended early: run it again")
            mutants = [mutant for mutant in mutants if mutant[0] not in names]

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Of each scenario as it is run, by name."""
        entries = _jobs(self.scenarios, self.expected, [])["scenarios"]
        found = {}
        for entry, scenario in zip(entries, self.scenarios, strict=True):
            text = json.dumps({k: v for k, v in entry.items() if k != "index"})
            found[scenario.name] = cache.digest(text, scenario.memory.tobytes())
        return found

    def _remembered(self) -> tuple[dict[str, Verdict], dict[str, set[str]]]:
        """What killed a mutant still does where it is as it was; and the digests of the scenarios
        that the others have met: those that have met all survive."""
        path, found = self.folder / RESULTS, {}
        met: dict[str, set[str]] = {}
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        for name, scenario, kind, digest in (json.loads(x) for x in lines if x.endswith("\n")):
            if kind is None:
                met.setdefault(name, set()).update(digest)
                if met[name].issuperset(self._digests.values()):
                    found[name] = Verdict(None, None)
            elif scenario is None or self._digests.get(scenario) == digest:
                found[name] = Verdict(scenario, kind)
        return found, met

    def _remember(self, name: str, verdict: Verdict) -> None:
        all_met = sorted(self._digests.values())
        digest = self._digests[verdict.scenario] if verdict.scenario else all_met
        line = json.dumps([name, verdict.scenario, verdict.kind, digest]) + "\n"
        with open(self.folder / RESULTS, "ab") as file:  # one write: it is there whole or not
            os.write(file.fileno(), line.encode())


def prepare(
    config: Config, count: int, seed: int, into: Path, note: Note = lambda text: None
) -> Campaign:
    """``count`` mutants of ``config`` drawn with ``seed``, built and ready to run, in a folder of
    ``into``. `ResarrayError` where the suite fails on the unchanged design."""
    design, mutants = netlist.draw(config, count, seed, note)
    key = cache.digest(design.read_bytes(), repr(mutants))
    folder = into.absolute() / f"{config.name}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    source, harness = folder / "mutants.v", folder / "harness.v"
    if not source.exists():
        note(f"building {len(mutants)} mutants into preset '{config.name}'")
        netlist.mutated(design, mutants, folder)
    text = (HERE / "harness.v").read_text()
    harness.write_text(text.replace("ROWS = 4", f"ROWS = {config.rows}"))
    binary = build.build_timed(TOP, [*MODELS, harness, source], note)
    scenarios = suite.scenarios(config)
    expected = _unchanged(config, scenarios, binary, note)
    return Campaign(config, folder, design, mutants, scenarios, binary, expected)


def prepare_few(config: Config, design: Path, mutants: list[Mutant], into: Path) -> Campaign:
    """Only ``mutants``, and `suite.quick`, on Icarus Verilog, which compiles in seconds."""
    into.mkdir(parents=True, exist_ok=True)
    source = netlist.mutated(design, mutants, into)
    harness, binary = into / "harness.v", into / "sim.vvp"
    text = (HERE / "harness.v").read_text()
    text = text.replace("DEPTH_BITS = 19", "DEPTH_BITS = 12")
    harness.write_text(text.replace("ROWS = 4", f"ROWS = {config.rows}"))
    simulator = simulators.find("icarus")
    command = [simulator.executable, *build.ICARUS_FLAGS, "-o", str(binary), "-s", TOP]
    files = [str(path) for path in (*MODELS, harness, source)]
    build.run_commands([[*command, *files]], simulator, into)
    scenarios = suite.quick(config)
    compiled = Build(simulator, binary, 0)
    expected = _unchanged(config, scenarios, compiled, lambda text: None)
    return Campaign(config, into, design, mutants, scenarios, compiled, expected)


def _unchanged(
    config: Config, scenarios: list[Scenario], binary: Build, note: Note
) -> dict[str, list]:
    note(f"running the suite on the unchanged '{config.name}'")
    with cache.scratch() as folder:
        _prepare(folder, scenarios, None, config)
        jobs = _jobs(scenarios, None, []) | {"keep": True}
        (folder / "jobs.json").write_text(json.dumps(jobs))
        simulate(binary, MODULE, TOP, folder)
        expected = json.loads((folder / "shown.json").read_text())
        wrong = []
        for index, scenario in enumerate(scenarios):
            dump = folder / f"job{index}.dump"
            data = memory_file.read_dump(dump, config.rows) if dump.exists() else np.zeros(0)
            wrong += check(scenario, expected[scenario.name], data.view(np.int8))
    if wrong:
        raise ResarrayError(f"the unchanged design fails the quick suite: {'; '.join(wrong)}")
    return expected


def _prepare(
    folder: Path, scenarios: list[Scenario], expected: dict | None, config: Config
) -> None:
    """The memories' files."""
    for index, scenario in enumerate(scenarios):
        text = memory_file.format_words(scenario.memory, config.rows)
        (folder / f"job{index}.mem").write_bytes(text)


def _jobs(
    scenarios: list[Scenario],
    expected: dict[str, list] | None,
    mutants: list[tuple[str, int, list[str]]],
) -> dict:
    """What `bench` reads."""
    entries = []
    for index, scenario in enumerate(scenarios):
        shown = None if expected is None else expected[scenario.name]
        entries.append(
            {
                "name": scenario.name,
                "index": index,
                "load_words": len(scenario.memory) // scenario.image.config.rows,
                "ports": scenario.ports,
                "limit": _limit(shown),
                "steps": scenario.steps,
                "expected": shown,
            }
        )
    return {"mutants": mutants, "keep": False, "scenarios": entries}


def _limit(shown: list | None) -> int:
    """Cycles after which a program hangs; ``shown`` has its counters, the first one its cycles,
    behind its status."""
    if shown is None:
        return LIMIT
    ends = [shown[i + 1][0] for i, value in enumerate(shown) if isinstance(value, dict)]
    return SLOWER * max(ends, default=0) + MORE
