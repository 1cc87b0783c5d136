"""The netlist that Yosys makes of the accelerator, for simulation: what is put on the FPGA, before
placing and routing."""

from collections.abc import Callable
from pathlib import Path

import resarray.hw
from resarray.hw.verilog import TOP
from resarray.sim import build, cache
from resarray.spec.cache import build_folder
from resarray.spec.config import Config

from . import tools
from .process import run_tool

MODELS = ("ecp5/models.v", "ecp5/cells.v")
SCRIPT = f"read_verilog design.v; {tools.synthesis(TOP)}; write_verilog -noattr netlist.v"


def netlist(config: Config, note: Callable[[str], None] = lambda text: None) -> str:
    """Verilog of the accelerator for ``config`` as ECP5 cells, with the cells' simulation models:
    takes the place of `sim.build.verilog`. Kept under `build_folder`; `ResarrayError` where Yosys
    is missing or fails."""
    yosys = tools.find_yosys()
    source = build.verilog(config, note, "ecp5", models=False)
    folder = build_folder() / "fpga" / cache.digest(source, SCRIPT, yosys.version)
    result = folder / "netlist.v"

    def make(folder: Path) -> None:
        note(f"synthesising preset '{config.name}'")
        (folder / "design.v").write_text(source)
        run_tool(yosys, ["-q", "-p", SCRIPT], folder, "yosys.log", result.name)

    cache.made(folder, [result.name], make, note)
    hw = Path(resarray.hw.__path__[0])
    return result.read_text() + "".join((hw / name).read_text() for name in MODELS)
