"""Results of campaigns: ``verification/results/NAME.json``, which are committed and shown.

A campaign (``make formal``, ``make fuzz``, ...) writes its figures with `record`;
``docs/verification.md`` is made of them.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..sim import children
from ..spec.errors import ResarrayError
from ..spec.files import write_atomic

FOLDER = Path(__file__).parent / "results"
ROOT = Path(__file__).resolve().parent.parent  # not by the links in resarray/


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    what:   what was counted, as it stands in a table: "random programs, bit-exact"
    value:  how many
    of:     out of how many; None where it is no share
    unit:   "" for a count, else as "s" or "cycles"
    asked:  the bar: ``value`` (or, with ``of``, ``value / of``) is at least that; None: no bar
    limit:  the other way round: ``value`` is at most that
    """

    what: str
    value: float
    of: float | None = None
    unit: str = ""
    asked: float | None = None
    limit: float | None = None

    @property
    def reached(self) -> bool:
        """That it meets its bars; true where there is none."""
        share = self.value if self.of is None else self.value / self.of if self.of else 0.0
        return (self.asked is None or share >= self.asked) and (
            self.limit is None or self.value <= self.limit
        )


def commit() -> str:
    """The sources' commit, "+" behind it where files other than results differ from it; "unknown"
    without git."""
    name = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "-uno", "--", ".", ":(exclude)verification/results")
    return f"{name}+" if name and changed else name or "unknown"


def _git(*command: str) -> str:
    """What git says; nothing where it cannot."""
    try:
        found = children.run(
            ["git", "-C", str(ROOT), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        return ""
    return found.stdout.strip()


def sources(folders: Iterable[str]) -> str:
    """Digest of the Python and Verilog files in ``folders``: results of others are of others."""
    hasher = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".v"):
                data = path.read_bytes()
                hasher.update(f"{path.relative_to(ROOT)} {len(data)} ".encode() + data)
    return hasher.hexdigest()[:16]


def record(name: str, command: str, figures: list[Figure], details: object = None) -> Path:
    """Replace the result of campaign ``name``: the command that makes it again, its figures, and
    what else its page needs (JSON). The commit goes with them."""
    path = FOLDER / f"{name}.json"
    result = {
        "command": command,
        "commit": commit(),
        "figures": [asdict(f) for f in figures],
        "details": details,
    }
    write_atomic(path, (json.dumps(result, indent=1) + "\n").encode())
    return path


def read(name: str) -> tuple[str, list[Figure], object]:
    """Command, figures and details of campaign ``name``; `ResarrayError` where it has not run."""
    result = _read(name)
    return result["command"], [Figure(**f) for f in result["figures"]], result["details"]


def commit_of(name: str) -> str:
    """The commit that campaign ``name`` ran on, as `commit` has it."""
    return _read(name).get("commit", "unknown")


def _read(name: str) -> dict:
    path = FOLDER / f"{name}.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        raise ResarrayError(f"no result '{path}': run 'make {name}'") from None
