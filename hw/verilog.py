"""Verilog of the accelerator."""

from amaranth.back import verilog

from ..spec.config import Config
from ..spec.errors import ResarrayError
from .ecp5.platform import Ecp5
from .top import Accelerator

TOP = "resarray"


class Portable:
    """Multipliers and memories from plain Verilog; and, as for every target, no `checks`."""


# What a unit's `elaborate` is given.
TARGETS: dict[str, Portable | Ecp5] = {"generic": Portable(), "ecp5": Ecp5()}


def platform_of(target: str) -> Portable | Ecp5:
    """The platform called ``target``; `ResarrayError` names the known ones."""
    if target not in TARGETS:
        raise ResarrayError(f"unknown target '{target}': choose one of {', '.join(TARGETS)}")
    return TARGETS[target]


def generate(config: Config, target: str = "generic") -> str:
    """Verilog source of the accelerator for ``config``; the top module is called `TOP`."""
    platform = platform_of(target)
    return verilog.convert(
        Accelerator(config), name=TOP, platform=platform, strip_internal_attrs=True
    )
