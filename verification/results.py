"""Results of campaigns: ``verification/results/NAME.json``, which are committed and shown.

A campaign (``make formal``, ``make fuzz``, ...) writes its figures with `record`;
``docs/verification.md`` is made of them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..spec.errors import ResarrayError
from ..spec.files import write_atomic

FOLDER = Path(__file__).parent / "results"


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


def record(name: str, command: str, figures: list[Figure], details: object = None) -> Path:
    """Replace the result of campaign ``name``: the command that makes it again, its figures, and
    what else its page needs (JSON)."""
    path = FOLDER / f"{name}.json"
    result = {"command": command, "figures": [asdict(f) for f in figures], "details": details}
    write_atomic(path, (json.dumps(result, indent=1) + "\n").encode())
    return path


def read(name: str) -> tuple[str, list[Figure], object]:
    """Command, figures and details of campaign ``name``; `ResarrayError` where it has not run."""
    path = FOLDER / f"{name}.json"
    try:
        result = json.loads(path.read_text())
    except (OSError, ValueError):
        raise ResarrayError(f"no result '{path}': run 'make {name}'") from None
    return result["command"], [Figure(**f) for f in result["figures"]], result["details"]
