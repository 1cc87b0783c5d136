"""Verilog of the accelerator."""

from amaranth.back import verilog

from ..spec.config import Config
from .top import Accelerator

TOP = "resarray"


def generate(config: Config) -> str:
    """Verilog source of the accelerator for ``config``; the top module is called `TOP`."""
    return verilog.convert(Accelerator(config), name=TOP, strip_internal_attrs=True)
