"""A bitstream: what is made, what it needs of the FPGA, and how long it takes.

In the repository's folder: .venv/bin/python examples/05_bitstream.py; with --all it also
synthesises, places and routes, which takes six minutes or more.
"""

# %% The board and its preset: the array must fit the multipliers, which is known at once.
import sys
import time
from pathlib import Path

from resarray.cli.main import run
from resarray.fpga.bitstream import device_of, results_dir
from resarray.fpga.boards import BOARDS
from resarray.fpga.soc.elaborate import elaborate
from resarray.spec.presets import preset

board = BOARDS["ulx3s-25f"]
config = preset("25f")
device = device_of(board)
print(f"{board.name}: {config.multipliers} multipliers in the array, {device.multipliers} there")

# %% The SoC as Verilog, in seconds: accelerator, memory controller, serial bridge.
started = time.monotonic()
folder = elaborate(board, config, target="ecp5")
for path in sorted(Path(folder).iterdir()):
    print(f"  {path.name}: {path.stat().st_size:,} bytes")
print(f"elaborated in {time.monotonic() - started:.0f} s")

# %% Synthesis, placement and routing: the same as 'resarray bitstream --board ulx3s-25f'.
if "--all" in sys.argv:
    assert run(["bitstream", "--board", board.name]) == 0
else:
    print(
        f"""What follows, six minutes or more, with 'resarray bitstream --board {board.name}':
  Yosys           soc.v, resarray.v -> design.json: LUTs, registers, MULT18X18D, DP16KD
  floorplan       multipliers and block RAMs get their places
  nextpnr-ecp5    placed and routed; refused where a clock is not met
  ecppack         -> {results_dir(board)}/{board.name}.bit, soc.json for the host, summary.json
Then 'resarray program --board {board.name}' loads it, and 'resarray run' classifies pictures."""
    )
