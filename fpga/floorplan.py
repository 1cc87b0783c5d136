"""Where the accelerator's multipliers and block RAMs lie; nextpnr places the rest around them.

The array is a chain, and so is its place: column after column along the rows of multipliers, to
and fro; a column's accumulators in the nearest block RAMs, the input buffer and the weight FIFO
where the chain begins, the requantisation lanes behind its end. nextpnr's own legalisation of so
many blocks tears the chain apart (docs/fpga.md has the figures).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from .devices import Device

# A group of four blocks is this many tiles wide; the first begins at the fourth tile. Between the
# halves of a device lie two more.
GROUP_TILES = 9
FIRST_TILE = 4
MIDDLE_TILES = 2
# Tile within the group, and the block's name there.
MULTIPLIERS = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))
RAMS = ((0, "EBR0"), (2, "EBR1"), (4, "EBR2"), (6, "EBR3"))

# Cells by what they are; the numbers in a name count along the chain. Amaranth tells equal names
# apart by a number behind "$".
UNIQUE = re.compile(r"\$\d+")
ARRAY = re.compile(r"core\.array\.(?:shared|column(\d+))\.element(\d+)\.multiplier(\d*)\.block$")
LANES = re.compile(r"core\.drain\.(?:lane(\d+)|pool)\..*\.block$")
ACCUMULATORS = re.compile(r"core\.accumulators\.column(\d+)\.bank(\d+)\.block(\d+)$")
# What lies near the chain's beginning (0.0), its end (1.0) or between them, in the order in which
# it chooses: what feeds the chain, both banks of a part of the buffer beside each other; what is
# behind its end; what that takes from memory and gives to it; and its instructions, which come from
# the other end.
AROUND = (
    (0.0, re.compile(r"core\.buffer\.(?:even|odd)(\d+)\.block(\d+)$")),
    (0.0, re.compile(r"core\.weights\.")),
    (0.0, re.compile(r"core\.(?:load|fetch|queue_(?:load|weights|compute))\.")),
    (0.7, re.compile(r"core\.(?:residual|store)\.")),
    (1.0, re.compile(r"core\.drain\.")),
    (0.5, re.compile(r"core\.queue_(?:drain|residual|store)\.")),
)

Site = tuple[int, int, str]  # column and row of the tile, name of the block


def place(cells: dict[str, dict], device: Device) -> dict[str, str]:
    """Places of the multipliers and block RAMs of an accelerator among ``cells``: of a Yosys
    netlist for ``device``, which they fit, by name. Written into the cells' attributes for nextpnr
    too, which places what the plan does not know."""
    multipliers = _of_type(cells, "MULT18X18D")
    chain = _sorted(multipliers, ARRAY) + _sorted(multipliers, LANES)
    if not chain:
        return {}
    sites = dict(zip(chain, _snake(device), strict=False))
    free = [
        (x + tile, y, name) for y in device.ram_rows for x in _groups(device) for tile, name in RAMS
    ]

    def nearest(name: str, x: float, y: float) -> None:
        if free:
            site = min(free, key=lambda site: (abs(site[0] - x) + abs(site[1] - y), site))
            free.remove(site)
            sites[name] = site

    columns: dict[str, list[Site]] = {}
    for name, site in sites.items():
        if match := _match(ARRAY, name):
            columns.setdefault(match[1], []).append(site)
    rams = _of_type(cells, "DP16KD")
    for name in _sorted(rams, ACCUMULATORS):
        match = _match(ACCUMULATORS, name)
        if match and (column := columns.get(match[1])):
            nearest(name, fmean(x for x, _, _ in column), fmean(y for _, y, _ in column))
    (x0, y0, _), (x1, y1, _) = sites[chain[0]], sites[chain[-1]]
    for part, pattern in AROUND:
        anchor = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
        # A FIFO's blocks lie side by side; the buffer's, whose parts have numbers, by part.
        first: dict[str, Site] = {}
        for name in _sorted(rams, pattern):
            memory = name if pattern.groups else name.rpartition(".block")[0]
            nearest(name, *(first[memory][:2] if memory in first else anchor))
            if name in sites:
                first.setdefault(memory, sites[name])
    places = {name: f"X{x}/Y{y}/{block}" for name, (x, y, block) in sites.items()}
    for name, bel in places.items():
        cells[name].setdefault("attributes", {})["BEL"] = bel
    return places


def place_file(netlist: Path, placed: Path, top: str, device: Device) -> dict[str, str]:
    """`place` the cells of module ``top`` of a netlist file, which goes to ``placed`` with that."""
    design = json.loads(netlist.read_text())
    places = place(design["modules"][top]["cells"], device)
    placed.write_text(json.dumps(design))
    return places


def _of_type(cells: dict[str, dict], kind: str) -> list[str]:
    return [name for name, cell in cells.items() if cell["type"] == kind]


def _match(pattern: re.Pattern, name: str) -> re.Match | None:
    return pattern.search(UNIQUE.sub("", name))


def _sorted(names: list[str], pattern: re.Pattern) -> list[str]:
    """The names with ``pattern``, by its numbers; one without the first number comes first."""
    numbers = {
        name: [int(group or -1) for group in match.groups()]
        for name in names
        if (match := _match(pattern, name))
    }
    return sorted(numbers, key=lambda name: (numbers[name], name))


def _groups(device: Device) -> list[int]:
    """First tile of each group of blocks in a row."""
    left, right = device.halves
    return [
        FIRST_TILE + GROUP_TILES * i + (MIDDLE_TILES if i >= left else 0)
        for i in range(left + right)
    ]


def _snake(device: Device) -> Iterator[Site]:
    """All multipliers, row by row from the lowest, to and fro, beginning on the right."""
    for i, y in enumerate(reversed(device.multiplier_rows)):
        row = [(x + tile, y, name) for x in _groups(device) for tile, name in MULTIPLIERS]
        yield from row if i % 2 else reversed(row)
