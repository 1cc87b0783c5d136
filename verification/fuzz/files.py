"""Files of the campaign: outcomes, a line each, and cases that failed."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from ...compiler.disasm import disassemble
from ...golden.graph import QGraph
from ...sim.memory_model import MemoryModel
from ...spec import image
from ...spec.errors import ResarrayError
from ...spec.files import write_atomic
from ...spec.memory import memory_contents
from . import cases, graphs, programs
from .cases import KINDS, Case
from .execute import RESULTS, Outcome
from .machines import is_machine, require_machine
from .shrink import Smallest
from .steps import Step

COMMAND = "python -m resarray.verification.fuzz"


def append(path: Path, outcomes: Sequence[Outcome], commit: str, sources: str) -> None:
    """Add a line for each outcome, and what it is of; what was half-written before is ended
    first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        for outcome in outcomes:
            row = dataclasses.asdict(outcome) | dataclasses.asdict(outcome.case)
            del row["case"]
            file.write(json.dumps(row | {"commit": commit, "sources": sources}).encode() + b"\n")


def read(path: Path) -> dict[Case, dict]:
    """The last line of each case; a line that is cut off or damaged does not count.
    `ResarrayError` where the file cannot be read."""
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise ResarrayError(
            f"cannot read '{path}': {error.strerror}; give another --results"
        ) from error
    found = {}
    for line in lines:
        try:
            row = json.loads(line)
            case = Case(row["kind"], row["seed"], row["machine"])
            if _whole(row):
                found[case] = row
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _whole(row: dict) -> bool:
    """Whether `append` can have written it."""
    counted = row["counted"]
    return (
        row["kind"] in KINDS
        and row["result"] in RESULTS
        and is_machine(row["machine"])
        and all(isinstance(row[name], str) for name in ("what", "commit", "sources"))
        and all(isinstance(row[name], int) and row[name] >= 0 for name in ("seed", "cycles"))
        and isinstance(counted, dict)
        and all(isinstance(count, int) for count in counted.values())
    )


def save(smallest: Smallest, what: str, folder: Path) -> tuple[Path, str]:
    """Write what is needed to run a case again, and to read it, into ``folder``; the file of the
    case, and the command that runs it."""
    case = smallest.case
    made = smallest.job()
    path = folder / f"{case.kind}-{case.seed}-{case.machine.replace(',', '-')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = smallest.part
    row: dict = dataclasses.asdict(case) | {
        "what": what,
        "memory": dataclasses.asdict(smallest.memory),
    }
    if isinstance(part, programs.Recipe):
        row["recipe"] = dataclasses.asdict(part)
    elif part is not None:
        row["part"] = [part.input, part.output]
    write_atomic(path, (json.dumps(row, indent=1) + "\n").encode())
    if case.kind == "program":
        image.save(programs.to_file(made.image), path.with_suffix(".rsa"))
    contents = memory_contents(made.image, made.inputs)
    path.with_suffix(".mem").write_bytes(contents.tobytes())
    path.with_suffix(".txt").write_text(f"{what}\n{smallest.memory}\n\n{disassemble(made.image)}")
    return path, f"{COMMAND} --case {path}"


def load(path: Path) -> Smallest:
    """What `save` wrote; `ResarrayError` where that is not what the file holds."""
    try:
        row = json.loads(path.read_text())
        case = Case(row["kind"], row["seed"], row["machine"])
        stalls = row["memory"]["stalls"]
        memory = row["memory"] | {"stalls": None if stalls is None else tuple(stalls)}
        part: programs.Recipe | QGraph | None = None
        if "recipe" in row:
            steps = tuple(_step(step) for step in row["recipe"]["steps"])
            part = programs.Recipe(row["recipe"]["seed"], steps, row["recipe"]["moves"])
        elif "part" in row:
            whole = cases.graph(case.seed).graph
            found = [g for g in graphs.parts(whole) if [g.input, g.output] == row["part"]]
            part = found[0]
        require_machine(case.machine)
        if case.kind not in KINDS:
            raise ValueError(case.kind)
        return Smallest(case, part, MemoryModel(**memory))
    except OSError as error:
        raise ResarrayError(
            f"cannot read '{path}': {error.strerror}; give a file that a failure wrote"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ResarrayError(
            f"'{path}' is no case that a failure wrote: give one of build/fuzz"
        ) from error


def _step(row: dict) -> Step:
    reads = tuple((pattern, slack) for pattern, slack in row["reads"])
    changed = {"slack": tuple(row["slack"]), "cuts": tuple(row["cuts"]), "reads": reads}
    return Step(**row | changed)
