"""The devices of the ECP5 family: what they have, and whether a design fits."""

from collections.abc import Mapping
from dataclasses import dataclass

from resarray.spec.errors import ResarrayError

PACKAGE = "CABGA381"  # the ULX3S board's; every size comes in it


@dataclass(frozen=True)
class Device:
    """An LFE5U.

    option:  nextpnr's option for it
    luts, multipliers, rams:  LUT4, MULT18X18D and DP16KD
    multiplier_rows, ram_rows:  the rows of tiles that have them
    halves:  groups of four blocks in a row, left and right of the middle
    """

    name: str
    option: str
    luts: int
    multipliers: int
    rams: int
    multiplier_rows: tuple[int, ...]
    ram_rows: tuple[int, ...]
    halves: tuple[int, int]


DEVICES = {
    "25f": Device("LFE5U-25F", "--25k", 24_288, 28, 56, (13,), (25, 37), (3, 4)),
    "45f": Device("LFE5U-45F", "--45k", 43_848, 72, 108, (22, 46), (10, 34, 58), (4, 5)),
    "85f": Device("LFE5U-85F", "--85k", 83_640, 156, 208, (10, 34, 58), (22, 46, 70, 82), (7, 6)),
}


def device(name: str) -> Device:
    """The device called ``name``; `ResarrayError` names the known ones."""
    if name not in DEVICES:
        raise ResarrayError(f"unknown device '{name}': choose one of {', '.join(DEVICES)}")
    return DEVICES[name]


# LUTs that a cell takes: a carry cell two, a 16x4 memory four and the two that its address takes.
LUTS_PER_CELL = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}


def luts_of(cells: Mapping[str, int]) -> int:
    """LUTs of a netlist with so many ``cells`` of each type."""
    return sum(luts * cells.get(name, 0) for name, luts in LUTS_PER_CELL.items())


def require_fit(target: Device, preset: str, luts: int, multipliers: int, rams: int) -> None:
    """`ResarrayError` that says what of ``target`` a design exceeds, and by how much."""
    over = [
        f"{used:,} {what} where there are {there:,} ({used - there:,} too many)"
        for what, used, there in (
            ("MULT18X18D", multipliers, target.multipliers),
            ("DP16KD", rams, target.rams),
            ("LUT4", luts, target.luts),
        )
        if used > there
    ]
    if over:
        raise ResarrayError(
            f"preset '{preset}' does not fit the {target.name}: it needs {', '.join(over)}; choose "
            "a smaller preset or a larger device"
        )
