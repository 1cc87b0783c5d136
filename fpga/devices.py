"""The devices of the ECP5 family: what they have, and whether a design fits."""

from dataclasses import dataclass

from resarray.spec.errors import ResarrayError

PACKAGE = "CABGA381"  # the ULX3S board's; every size comes in it


@dataclass(frozen=True)
class Device:
    """An LFE5U.

    option:  nextpnr's option for it
    luts, multipliers, rams:  LUT4, MULT18X18D and DP16KD
    """

    name: str
    option: str
    luts: int
    multipliers: int
    rams: int


DEVICES = {
    "25f": Device("LFE5U-25F", "--25k", 24_288, 28, 56),
    "45f": Device("LFE5U-45F", "--45k", 43_848, 72, 108),
    "85f": Device("LFE5U-85F", "--85k", 83_640, 156, 208),
}


def device(name: str) -> Device:
    """The device called ``name``; `ResarrayError` names the known ones."""
    if name not in DEVICES:
        raise ResarrayError(f"unknown device '{name}': choose one of {', '.join(DEVICES)}")
    return DEVICES[name]


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
