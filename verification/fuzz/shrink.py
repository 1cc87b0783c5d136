"""The smallest case that still fails: parts are left out and made simple while it does."""

import dataclasses
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ...golden.graph import QGraph
from ...sim.memory_model import MemoryModel
from . import cases, graphs, programs
from .cases import Case, Job
from .machines import machine
from .memories import memory
from .steps import Step

Item = TypeVar("Item")
# Of several candidates, which fail.
Fails = Callable[[Sequence[Item]], list[bool]]
Simulate = Callable[[Sequence[Job]], list[bool]]

PLAIN = MemoryModel(latency=1)
AT_ONCE = 24  # candidates in one simulator process


@dataclasses.dataclass(frozen=True)
class Smallest:
    """A case and what of it fails: a program's recipe or a part of a network, and its memory."""

    case: Case
    part: programs.Recipe | QGraph | None
    memory: MemoryModel

    @property
    def size(self) -> str:
        if isinstance(self.part, programs.Recipe):
            return f"{len(self.part.steps)} steps"
        graph = self.part or cases.graph(self.case.seed).graph
        return f"{len(graph.ops)} layers"

    def job(self) -> Job:
        """`AssertionError` or `ResarrayError` as `cases.job`."""
        made, _ = cases.job(self.case, self.part)
        return dataclasses.replace(made, memory=self.memory)


def shrink(case: Case, fails: Simulate, seconds: float) -> Smallest | None:
    """The smallest that is found in about ``seconds``; None where ``case`` does not fail alone."""
    deadline = time.monotonic() + seconds
    config = machine(case.machine)
    model = memory(random.Random(f"memory of {case.kind} {case.seed}"), config)
    part = cases.recipe(case)[0] if case.kind == "program" else None
    smallest = Smallest(case, part, model)

    def fail(candidates: Sequence[Smallest]) -> list[bool]:
        return _fail(candidates, fails)

    if not fail([smallest])[0]:
        return None
    if case.kind == "program":
        smallest = _shrink_program(smallest, fail, deadline)
    else:
        whole = cases.graph(case.seed).graph
        candidates = [Smallest(case, part, model) for part in graphs.parts(whole)]
        smallest = first(candidates, fail, deadline) or smallest
    plain = dataclasses.replace(smallest, memory=PLAIN)
    return plain if fail([plain])[0] else smallest


def _fail(candidates: Sequence[Smallest], fails: Simulate) -> list[bool]:
    """Those that cannot be made do not."""
    jobs: dict[int, Job] = {}
    for number, candidate in enumerate(candidates):
        try:
            jobs[number] = candidate.job()
        except Exception:  # whatever a network that was cut up breaks
            continue
    found = dict(zip(jobs, fails(list(jobs.values())), strict=True)) if jobs else {}
    return [found.get(number, False) for number in range(len(candidates))]


def _shrink_program(smallest: Smallest, fail: Fails[Smallest], deadline: float) -> Smallest:
    assert isinstance(smallest.part, programs.Recipe)
    recipe = smallest.part

    def with_recipe(changed: programs.Recipe) -> Smallest:
        return dataclasses.replace(smallest, part=changed)

    def fail_steps(candidates: Sequence[tuple[Step, ...]]) -> list[bool]:
        return fail([with_recipe(dataclasses.replace(recipe, steps=c)) for c in candidates])

    in_order = dataclasses.replace(recipe, moves=0)
    if recipe.moves and fail([with_recipe(in_order)])[0]:
        recipe = in_order
    steps = leave_out(recipe.steps, fail_steps, deadline)
    steps = simplify(steps, simpler, fail_steps, deadline)
    steps = leave_out(steps, fail_steps, deadline)
    return with_recipe(dataclasses.replace(recipe, steps=steps))


def leave_out(
    items: tuple[Item, ...], fails: Fails[tuple[Item, ...]], deadline: float
) -> tuple[Item, ...]:
    """``items`` less what is not needed to fail: halves are tried first, then smaller parts."""
    size = max(1, len(items) // 2)
    while len(items) > 1:
        candidates = [items[:at] + items[at + size :] for at in range(0, len(items), size)]
        found = first([c for c in candidates if c], fails, deadline)
        if found is not None:
            items = found
            size = min(size, max(1, len(items) // 2))
        elif size == 1 or time.monotonic() > deadline:
            break
        else:
            size //= 2
    return items


def simplify(
    items: tuple[Item, ...],
    simpler: Callable[[Item], list[Item]],
    fails: Fails[tuple[Item, ...]],
    deadline: float,
) -> tuple[Item, ...]:
    """``items`` with each made as simple as it still fails."""
    at = 0
    while at < len(items) and time.monotonic() < deadline:
        candidates = [(*items[:at], other, *items[at + 1 :]) for other in simpler(items[at])]
        found = first(candidates, fails, deadline)
        if found is None:
            at += 1
        else:
            items = found
    return items


def first(candidates: Sequence[Item], fails: Fails[Item], deadline: float) -> Item | None:
    """The first candidate that fails; None where none does, or time is up."""
    for start in range(0, len(candidates), AT_ONCE):
        if time.monotonic() > deadline:
            return None
        some = candidates[start : start + AT_ONCE]
        for candidate, failed in zip(some, fails(some), strict=True):
            if failed:
                return candidate
    return None


# What a field is where it does nothing.
_PLAIN = {
    "LOAD": {"top": 0, "bottom": 0, "left": 0, "right": 0, "kept": 0, "mirror": 0},
    "COMPUTE": {"n_k0": 1, "n_k1": 1, "n_k2": 1, "n_m0": 1, "n_m1": 1, "n_m2": 1, "table": 0},
    "DRAIN": {"pool": 0, "table": 0, "res_en": 0, "lo": -128, "hi": 127, "zp_out": 0},
    "STORE": {"kept": 0, "mirror": 0},
}
# Those that mean something only beside others.
_TOGETHER = {"pool": ("pool_", "avg_", "line"), "res_en": ("res_", "multiply")}


def simpler(step: Step) -> list[Step]:
    """The step with one thing less, in each way."""
    found = []
    if step.slack != (0.0, 0.0):
        found.append(dataclasses.replace(step, slack=(0.0, 0.0)))
    if step.cuts:
        found.append(dataclasses.replace(step, cuts=()))
    if step.at is not None:
        found.append(dataclasses.replace(step, at=None))
    for name, plain in _PLAIN[step.engine].items():
        if step.fields.get(name, plain) == plain:
            continue
        fields = {
            key: value
            for key, value in step.fields.items()
            if not key.startswith(_TOGETHER.get(name, ()))
        }
        fields |= {name: plain}
        reads = () if name == "res_en" else step.reads
        if step.engine == "COMPUTE":
            fields["k_tiles"] = fields["n_k0"] * fields["n_k1"] * fields["n_k2"]
        found.append(dataclasses.replace(step, fields=fields, reads=reads))
    return found
