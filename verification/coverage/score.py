"""What was reached of what could be, waivers applied."""

import re
from collections import Counter
from dataclasses import dataclass, field

from ...spec.config import Config
from . import constants, functional, verilog
from .measure import Measured
from .waivers import Waiver

_BIT = re.compile(r"(.*?)(?:\[(\d+)\])?")


@dataclass
class Share:
    """Points of one kind: reached; of the others those that are waived, and those that are not."""

    reached: int = 0
    waived: int = 0
    missed: int = 0

    @property
    def of(self) -> int:
        return self.reached + self.waived + self.missed

    def add(self, reached: bool, waived: bool) -> None:
        self.reached += reached
        self.waived += not reached and waived
        self.missed += not reached and not waived


@dataclass
class Score:
    """A preset's coverage.

    lines:    branches of the hardware by the line of ``hw/`` that they are: `Share`
    units:    edges of the nets of each unit: `Share`
    bins:     by group and name: how often; waived
    constant: edges that Yosys has proven impossible
    missing:  of each unit, bits with edges that are neither reached nor waived, and how many
    """

    config: Config
    programs: int
    cycles: int
    branches: Share = field(default_factory=Share)
    toggles: Share = field(default_factory=Share)
    functions: Share = field(default_factory=Share)
    constant: int = 0
    lines: dict[str, Share] = field(default_factory=dict)
    units: dict[str, Share] = field(default_factory=dict)
    bins: dict[str, dict[str, tuple[int, bool]]] = field(default_factory=dict)
    missing: dict[str, Counter[str]] = field(default_factory=dict)


def score(measured: Measured, waivers: list[Waiver]) -> Score:
    config = measured.config
    found = Score(config, measured.programs, measured.cycles)

    def waived(kind: str, reached: bool, name: str, bit: int = 0) -> bool:
        matching = [w for w in waivers if w.kind == kind and w.matches(config, name, bit)]
        for waiver in matching:
            waiver.reached += reached
            waiver.waived += not reached
        return bool(matching)

    for branch, count in measured.counts.branches.items():
        excused = [waived("line", count > 0, line) for line in branch.lines]
        point = count > 0, bool(excused) and all(excused)
        found.branches.add(*point)
        for line in branch.lines:
            found.lines.setdefault(line, Share()).add(*point)

    constant = constants.constants(verilog.source(config))
    for (module, name, _), count in measured.counts.toggles.items():
        signal, bit = _BIT.fullmatch(name).groups()  # type: ignore[union-attr]
        bit, unit = int(bit or 0), re.sub(r"\$\d+(?=\.|$)", "", module)
        if bit in constant.get((unit, signal), ()):
            found.constant += 1
            continue
        point = count > 0, waived("toggle", count > 0, f"{unit}.{signal}", bit)
        found.toggles.add(*point)
        found.units.setdefault(unit, Share()).add(*point)
        if not any(point):
            found.missing.setdefault(unit, Counter())[name] += 1

    reached = measured.functions + functional.of_overlaps(measured.counts.overlaps)
    for group, names in functional.bins(config).items():
        found.bins[group] = {}
        for name in names:
            point = reached[name] > 0, waived("bin", reached[name] > 0, name)
            found.functions.add(*point)
            found.bins[group][name] = reached[name], point[1]
    return found
