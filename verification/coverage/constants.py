"""Bits that Yosys proves constant: they cannot toggle."""

import json
from pathlib import Path

from ...fpga import tools
from ...fpga.process import run_tool
from ...hw.verilog import TOP
from ...sim import cache
from ...spec.cache import build_folder

# Flattened and optimised, with every name that a signal has in the source.
SCRIPT = (
    f"read_verilog design.v; hierarchy -top {TOP}; proc; flatten; opt -full; opt_clean; "
    "write_json netlist.json"
)


def constants(verilog: str) -> dict[tuple[str, str], frozenset[int]]:
    """By module and signal: its bits that are constant in the netlist of ``verilog``, of module
    `TOP`. `ResarrayError` where Yosys is missing."""
    yosys = tools.find_yosys()
    # An initial value of a wire, which only says that a register drives it.
    source = "".join(line for line in verilog.splitlines(True) if "(* init =" not in line)
    folder = build_folder() / "fpga" / cache.digest(source, SCRIPT, yosys.version)
    result = folder / "constants.json"

    def make(folder: Path) -> None:
        (folder / "design.v").write_text(source)
        run_tool(yosys, ["-q", "-p", SCRIPT], folder, "yosys.log", "netlist.json")
        nets = json.loads((folder / "netlist.json").read_text())["modules"][TOP]["netnames"]
        found = {
            name: [i for i, bit in enumerate(net["bits"]) if isinstance(bit, str)]
            for name, net in nets.items()
        }
        result.write_text(json.dumps({name: bits for name, bits in found.items() if bits}))

    cache.made(folder, [result.name], make)
    return {_place(name): frozenset(bits) for name, bits in json.loads(result.read_text()).items()}


def _place(name: str) -> tuple[str, str]:
    """Module and signal of a name in the flattened netlist."""
    unit, _, signal = name.rpartition(".")
    return f"{TOP}.{unit}" if unit else TOP, signal
