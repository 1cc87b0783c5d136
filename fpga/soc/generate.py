"""``python -m resarray.fpga.soc.generate SETTINGS.json``: writes a SoC's Verilog.

Runs in a process of its own: LiteX logs to the terminal, warns, and looks for processors in the
current folder. SETTINGS: ``{board: {field: value}, config: {field: value}, gap_cycles}``. Writes
``soc.v``, ``soc.lpf`` and ``soc.json`` (see `Soc.description`) into the current folder.
"""

import json
import re
import sys
from pathlib import Path

from resarray.spec.config import Config

from ..boards import Board
from .soc import Soc, platform_of


def with_inouts(verilog: str) -> str:
    """LiteX calls a port that only pad cells drive, bit by bit, an input."""
    pads = set(re.findall(r"\.B\s*\((\w+)\[", verilog))
    return re.sub(
        r"input  wire(\s+\[[^]]*\]\s+)(\w+)",
        lambda match: f"inout  wire{match[1]}{match[2]}" if match[2] in pads else match[0],
        verilog,
    )


def generate(settings: dict) -> None:
    """Write the three files."""
    fields = settings["board"] | {"nextpnr": tuple(settings["board"]["nextpnr"])}
    board = Board(**fields)
    platform = platform_of(board)
    soc = Soc(platform, board, Config(**settings["config"]), settings["gap_cycles"])
    soc.finalize()
    platform.build(soc, build_name="soc", build_dir=".", run=False)
    verilog = Path("soc.v")
    verilog.write_text(with_inouts(verilog.read_text()))
    Path("soc.json").write_text(json.dumps(soc.description(), indent=2) + "\n")


if __name__ == "__main__":
    generate(json.loads(Path(sys.argv[1]).read_text()))
