"""Verilator's counts (``coverage.dat``), as counts of the points that `points.annotate` chose."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ...spec.isa import Engine
from .points import Branch, Points

TOP = "harness.accelerator"
RECORD = re.compile(r"C '(.*)' (\d+)")


@dataclass
class Counts:
    """How often each point was met.

    branches: by `Branch`; the instances of one module are one module each in Amaranth's Verilog
    toggles:  by (module, signal and bit, "0->1" or "1->0")
    overlaps: cycles in which both engines were busy
    """

    branches: Counter[Branch] = field(default_factory=Counter)
    toggles: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    overlaps: Counter[tuple[Engine, Engine]] = field(default_factory=Counter)

    def add(self, path: Path, points: Points) -> None:
        """The counts of one run."""
        for key, count in RECORD.findall(path.read_text(errors="replace")):
            fields = dict(part.split("\2", 1) for part in key.split("\1") if part)
            if not fields["h"].startswith(TOP):
                continue
            line, what = int(fields["l"]), fields["o"]
            if fields["t"] == "toggle":
                if line in points.nets:
                    module, _ = points.nets[line]
                    signal, _, edge = what.rpartition(":")
                    self.toggles[module, _decoded(signal), edge] += int(count)
            elif line in points.overlaps:
                if what != "else":
                    self.overlaps[points.overlaps[line]] += int(count)
            elif branch := points.branches.get((line, what == "else")):
                self.branches[branch] += int(count)


def _decoded(name: str) -> str:
    """A name without Verilator's codes for special characters."""
    return re.sub(r"__0([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), name)
