"""The netlist that Yosys makes of the accelerator, for simulation: what is put on the FPGA, before
placing and routing."""

from collections.abc import Callable
from pathlib import Path

import resarray.hw
from resarray.hw.verilog import TOP, generate
from resarray.sim.build import build_dir, digest, locked
from resarray.spec.config import Config

from . import tools
from .process import run_tool

MODELS = ("ecp5/models.v", "ecp5/cells.v")
SCRIPT = f"read_verilog design.v; synth_ecp5 -top {TOP}; write_verilog -noattr netlist.v"


def netlist(config: Config, note: Callable[[str], None] = lambda text: None) -> str:
    """Verilog of the accelerator for ``config`` as ECP5 cells, with the cells' simulation models:
    takes the place of `sim.build.verilog`. Kept under `build_dir`; `ResarrayError` where Yosys is
    missing or fails."""
    yosys = tools.find_yosys()
    source = generate(config, "ecp5")
    folder = build_dir() / "fpga" / digest(source, SCRIPT, yosys.version)
    result = folder / "netlist.v"
    done = folder / "complete"
    with locked(folder):
        if not done.exists():
            note(f"synthesising preset '{config.name}'")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "design.v").write_text(source)
            run_tool(yosys, ["-q", "-p", SCRIPT], folder, "yosys.log", result.name)
            done.touch()
    hw = Path(resarray.hw.__path__[0])
    return result.read_text() + "".join((hw / name).read_text() for name in MODELS)
