"""Mutants of the compiler and the golden model against their tests.

One pytest session collects the tests and sees once, in a child, what functions each calls and how
long it takes. Then each mutant gets a child of its own (``fork``): nothing is imported or collected
again, the changed function is put in place, and the tests that call it run, up to the first that
fails. cosmic-ray and mutmut start pytest anew for each mutant, which would take a
second core for an hour; and neither leaves out tests that cannot notice.
"""

import functools
import itertools
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from resarray.sim import cache
from resarray.spec.errors import ResarrayError

from . import source
from .source import ROOT, Mutant

# What is changed.
FILES = (
    "compiler/*.py",
    "golden/ops/*.py",
    "golden/passes/*.py",
    "golden/quantise.py",
    "golden/equalise.py",
    "golden/graph.py",
    "golden/float_graph.py",
    "golden/fast.py",
    "golden/reference.py",
    "spec/isa.py",
    "spec/layout.py",
    "spec/memory.py",
    "spec/numerics.py",
)
# Texts for people; their tests read them as a whole.
WITHOUT = ("compiler/disasm.py",)
# The quick suite, but for what takes longer than `LONGEST`.
TESTS = (
    "tests/compiler",
    "tests/golden/ops",
    "tests/golden/passes",
    "tests/golden/test_equalise.py",
    "tests/golden/test_fast.py",
    "tests/golden/test_graph.py",
    "tests/golden/test_numerics.py",
    "tests/golden/test_quantise.py",
    "tests/golden/test_random_float_graphs.py",
    "tests/golden/test_random_quantised_graphs.py",
    "tests/golden/test_shared_scales.py",
    "tests/spec",
)
LONGEST = 2.5  # seconds of processor time
BUDGET = 6.0  # of the tests of one mutant, which is ended after `SLOWER` times as many and `MORE`
SLOWER, MORE = 4, 10
IDLE = 20  # times as long, by the clock, ends a child that waits for something
CALLS, RESULTS = "calls.json", "results.jsonl"
TIME = "it takes too long"


@dataclass(frozen=True)
class Verdict:
    """Of one mutant: the test that fails, or `TIME`; None: it survives, of ``tests`` tests."""

    killer: str | None
    tests: int

    @property
    def killed(self) -> bool:
        return self.killer is not None


def files() -> list[str]:
    """The files that are changed."""
    found = [str(p.relative_to(ROOT)) for pattern in FILES for p in sorted(ROOT.glob(pattern))]
    return [name for name in found if name not in WITHOUT]


def run(
    mutants: list[Mutant],
    jobs: int,
    into: Path,
    told: Callable[[str, Verdict], None] = lambda name, verdict: None,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, Verdict]:
    """Verdicts by name. Those that are in ``into`` already, of the same sources and tests, are not
    run again, but for survivors where a test is new. `ResarrayError` where a test fails without
    any change."""
    session = _Session(mutants, jobs, into, told, note)
    options = ["-p", "no:cacheprovider", "-p", "no:terminal"]
    torch.set_num_threads(1)  # a child of a process with threads would wait for them for ever
    pytest.main([*options, "--rootdir", str(ROOT), *TESTS], plugins=[session])
    if session.error is not None:
        raise session.error
    if not session.done:
        raise ResarrayError(f"pytest could not collect the tests of the mutants: run it on {TESTS}")
    return session.found


class _Session:
    """A pytest plugin: takes the place of the loop over tests."""

    def __init__(self, mutants, jobs, into, told, note):
        self.mutants, self.jobs, self.into, self.told, self.note = mutants, jobs, into, told, note
        self.found: dict[str, Verdict] = {}
        self.error: BaseException | None = None
        self.done = False

    def pytest_collection_finish(self, session) -> None:
        self.items = {item.nodeid: item for item in session.items}

    def pytest_runtestloop(self, session) -> bool:
        try:
            self._run()
            self.done = True
        except BaseException as error:  # pytest would keep it for itself
            self.error = error
        return True

    def _run(self) -> None:
        self.into.mkdir(parents=True, exist_ok=True)
        keys = _keys(self.items)
        calls = self._calls(keys)
        results = self.into / RESULTS
        lines = results.read_text().splitlines(keepends=True) if results.exists() else []
        for name, killer, tests, key in (json.loads(x) for x in lines if x.endswith("\n")):
            if key == keys.get(killer, keys[None]):
                self.found[name] = Verdict(killer, tests)
        left = [m for m in self.mutants if m.name not in self.found]
        running: dict[int, tuple[Mutant, int, int]] = {}  # by the end of the pipe
        try:
            while left or running:
                while left and len(running) < self.jobs:
                    mutant = left.pop(0)
                    killers = {verdict.killer for verdict in self.found.values()}
                    tests_of, seconds = _tests_of(mutant, calls, killers)
                    limit = round(SLOWER * seconds + MORE)
                    child, end = _fork(functools.partial(self._try, mutant, tests_of), limit)
                    running[end] = mutant, child, len(tests_of)
                ready, _, _ = select.select(list(running), [], [])
                for end in ready:
                    mutant, child, count = running.pop(end)
                    text, ended_by = _read(end, child)
                    killer = TIME if ended_by == signal.SIGXCPU else json.loads(text or "null")
                    verdict = Verdict(killer, count)
                    self.found[mutant.name] = verdict
                    if not text and killer is None:  # nobody's verdict: it is run again next time
                        self.note(f"'{mutant.name}' ended its process: taken for a survivor")
                        self.told(mutant.name, verdict)
                        continue
                    entry = [mutant.name, killer, count, keys.get(killer, keys[None])]
                    with open(results, "a") as file:
                        file.write(json.dumps(entry) + "\n")
                    self.told(mutant.name, verdict)
        finally:
            for _, child, _ in running.values():
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def _calls(self, keys: dict[str | None, str]) -> dict[str, tuple[float, list[str]]]:
        """Seconds and functions of each test, seen anew where its file has changed."""
        path = self.into / CALLS
        known = json.loads(path.read_text()) if path.exists() else {}
        known = {n: entry for n, entry in known.items() if keys.get(n) == entry[2]}
        new = {name: item for name, item in self.items.items() if name not in known}
        if new:
            self.note(f"seeing what {len(new)} tests call")
            seen = json.loads(_in_child(lambda: json.dumps(_profile(new))))
            if "failed" in seen:
                raise ResarrayError(f"a test fails without any mutant: {seen['failed']}")
            known |= {name: [*entry, keys[name]] for name, entry in seen.items()}
            path.write_text(json.dumps(known))
        return {name: (entry[0], entry[1]) for name, entry in known.items()}

    def _try(self, mutant: Mutant, tests: list[str]) -> str:
        """The first test that ``mutant`` fails, as JSON."""
        source.apply(mutant)
        return json.dumps(_first_failure([self.items[name] for name in tests]))


def _keys(items: dict) -> dict[str | None, str]:
    """Of each test: what its file, all that tests share and all that is tested are made of; None:
    of all."""
    shared = [p for name in ("compiler", "golden", "spec") for p in (ROOT / name).rglob("*.py")]
    helpers = [p for p in (ROOT / "tests").rglob("*.py") if not p.name.startswith("test_")]
    shared += [p for p in helpers if p.parent.name != "verification"]
    base = cache.digest(*(path.read_bytes() for path in sorted(shared)))
    names = {name: name.partition("::")[0] for name in items}
    files = {file: cache.digest(base, (ROOT / file).read_bytes()) for file in names.values()}
    found: dict[str | None, str] = {name: files[file] for name, file in names.items()}
    found[None] = cache.digest(*(files[file] for file in sorted(files)))
    return found


def _tests_of(mutant: Mutant, calls: dict, killers: set) -> tuple[list[str], float]:
    """The tests that call the changed function, those first that have killed others, then the
    quickest; and how long they take. Of a constant: first those whose file names it, then those
    that call a function of its module."""
    function, stem = f"{mutant.file}:{mutant.function}", f"{mutant.file}:"
    constant = mutant.text.partition(" ")[0]

    def order(name: str) -> tuple[bool, bool, float]:
        naming = not mutant.function and constant in _text(name.partition("::")[0])
        return not naming, name not in killers, calls[name][0]

    chosen, total = [], 0.0
    for name in sorted(calls, key=order):
        seconds, called = calls[name]
        if mutant.function:
            there = function in called
        else:
            there = any(c.startswith(stem) for c in called) or not order(name)[0]
        if there and seconds <= LONGEST and total + seconds <= BUDGET:
            chosen.append(name)
            total += seconds
    return chosen, total


@functools.cache
def _text(file: str) -> str:
    return (ROOT / file).read_text()


def _profile(items: dict) -> dict:
    """Seconds, and the functions called, as "file:qualified name", of each test that passes."""
    prefix = len(str(ROOT)) + 1
    calls: set[tuple[str, str]] = set()
    names: dict[str, str | None] = {}

    def watch(frame, event, argument):
        code = frame.f_code
        calls.add((code.co_filename, code.co_qualname))

    def short(path: str) -> str | None:
        if path not in names:
            inside = path.startswith(str(ROOT)) and "resarray/" in path
            names[path] = path[prefix:].removeprefix("resarray/") if inside else None
        return names[path]

    found = {}
    for name, item in items.items():
        calls.clear()
        sys.settrace(watch)
        try:
            failed = _first_failure([item])
        finally:
            sys.settrace(None)
        # Again without the tracing, which takes several times as long as a test.
        begin = time.process_time()
        failed = failed or _first_failure([item])
        seconds = time.process_time() - begin
        if failed is not None:
            return {"failed": failed}
        functions = sorted(
            {
                f"{short(path)}:{function.split('.<locals>')[0]}"
                for path, function in calls
                if short(path)
            }
        )
        found[name] = (round(seconds, 3), functions)
    return found


def _first_failure(items: list) -> str | None:
    """Run tests up to the first that fails."""
    failed: list[str] = []

    class Reports:
        def pytest_runtest_logreport(self, report) -> None:
            if report.failed:
                failed.append(report.nodeid)

    for item, following in itertools.zip_longest(items, items[1:]):
        reports = Reports()
        item.config.pluginmanager.register(reports)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        item.config.pluginmanager.unregister(reports)
        if failed:
            return failed[0]
    return None


def _fork(work: Callable[[], str], limit: int | None) -> tuple[int, int]:
    """A child that does ``work`` within ``limit`` seconds of processor time, and the end of the
    pipe that what it returns comes through; nothing comes where it fails."""
    end, other = os.pipe()
    child = os.fork()
    if child:
        os.close(other)
        return child, end
    try:
        os.close(end)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + MORE))  # SIGXCPU, SIGKILL
            signal.alarm(IDLE * limit)
        with open(other, "w") as pipe:
            pipe.write(work())
    finally:
        os._exit(0)


def _read(end: int, child: int) -> tuple[str, int]:
    """What ``child`` wrote, and the signal that ended it; 0: none."""
    with open(end) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return text, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _in_child(work: Callable[[], str]) -> str:
    """What ``work`` gives in a child; `ResarrayError` where that gives nothing."""
    child, end = _fork(work, None)
    text, ended_by = _read(end, child)
    if not text:
        raise ResarrayError(
            f"the process that runs the tests without any mutant ended by signal {ended_by}: run "
            "it again, and see that there is memory enough"
        )
    return text


def names(mutants: Iterable[Mutant]) -> dict[str, Mutant]:
    """By their names."""
    return {mutant.name: mutant for mutant in mutants}
