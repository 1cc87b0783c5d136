"""From a board and a configuration to a bitstream with its figures.

The results lie in ``build/<board>/``: ``<board>.bit``, ``soc.json`` for the host, ``summary.json``
with resources, clocks and projections. They are replaced together when everything is done; logs and
intermediate files are in ``work/`` there.
"""

import json
import os
import shutil
import time
from pathlib import Path

from resarray.sim.build import build_dir
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.image import write_atomic
from resarray.spec.progress import Progress

from . import floorplan, tools
from .boards import Board
from .devices import DEVICES, Device, luts_of, require_fit
from .process import Meter, NextpnrMeter, YosysMeter, run_tool
from .projection import project
from .soc.elaborate import elaborate, require_litex

RESULTS = ("summary.json", "soc.json")
SHOWN_RESOURCES = {
    "luts": "TRELLIS_COMB",
    "registers": "TRELLIS_FF",
    "multipliers": "MULT18X18D",
    "rams": "DP16KD",
}


def results_dir(board: Board) -> Path:
    """Folder of a board's results."""
    return build_dir() / board.name


def device_of(board: Board) -> Device:
    """What the board's FPGA has."""
    size = board.fpga.rpartition("-")[2].lower()
    return DEVICES[size]


def build_bitstream(board: Board, config: Config, progress: Progress, target: str = "ecp5") -> dict:
    """Make the bitstream of ``board`` with an accelerator of ``config``; its summary.

    progress: told each step and how far it is
    target:   of the accelerator's Verilog, see `resarray.hw.verilog`

    `ResarrayError` for a missing tool, a configuration that is too large, a clock that is not met,
    or a tool that fails (with its log). Then the last results stay as they were.
    """
    # What the array alone needs is known without synthesis.
    require_fit(device_of(board), config.name, luts=0, multipliers=config.multipliers, rams=0)
    require_litex()
    yosys, nextpnr, ecppack = tools.find_yosys(), tools.find_nextpnr(), tools.find_ecppack()
    started = time.monotonic()
    folder = results_dir(board)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    soc = elaborate(board, config, target, note=lambda text: progress(None, text))
    shutil.copytree(soc, work)

    def run(step: str, tool: tools.Tool, arguments: list[str], log: str, meter: Meter) -> None:
        progress(0, step)
        run_tool(
            tool, arguments, work, log, meter,
            lambda fraction, doing: progress(fraction, f"{step}: {doing}"),
        )  # fmt: skip

    run(
        "synthesising",
        yosys,
        ["-p", "read_verilog soc.v resarray.v; synth_ecp5 -top soc -json "
         "design.json; tee -q -o stat.json stat -json"],
        "yosys.log",
        YosysMeter(),
    )  # fmt: skip
    cells = json.loads((work / "stat.json").read_text())["design"]["num_cells_by_type"]
    require_fit(
        device_of(board),
        config.name,
        luts=luts_of(cells),
        multipliers=cells.get("MULT18X18D", 0),
        rams=cells.get("DP16KD", 0),
    )
    floorplan.place_file(work / "design.json", work / "placed.json", "soc", device_of(board))
    run(
        "placing and routing",
        nextpnr,
        [*board.nextpnr, *tools.PLACER, "--json", "placed.json", "--lpf", "soc.lpf", "--textcfg",
         "soc.config", "--report", "report.json", "--timing-allow-fail"],
        "nextpnr.log",
        NextpnrMeter(),
    )  # fmt: skip
    report = json.loads((work / "report.json").read_text())
    summary = summarise(board, config, report)
    summary["target"] = target
    summary["tools"] = {"yosys": yosys.version, "nextpnr": nextpnr.version}
    require_timing(summary, work / "nextpnr.log")
    run(
        "packing the bitstream",
        ecppack,
        ["--compress", "--input", "soc.config", "--bit", "soc.bit"],
        "ecppack.log",
        Meter(),
    )
    summary["seconds"] = round(time.monotonic() - started)
    # Never a summary without its bitstream, nor a bitstream with another one's summary.
    (folder / "summary.json").unlink(missing_ok=True)
    os.replace(work / "soc.bit", folder / f"{board.name}.bit")
    write_atomic(folder / "soc.json", (work / "soc.json").read_bytes())
    write_atomic(folder / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def summarise(board: Board, config: Config, report: dict) -> dict:
    """The figures in nextpnr's ``report``, as plain data."""
    used = report["utilization"]
    clocks = [
        {
            "name": name,
            "wanted_mhz": round(clock["constraint"], 2),
            "achieved_mhz": round(clock["achieved"], 2),
            "met": clock["achieved"] >= clock["constraint"],
        }
        for name, clock in sorted(report["fmax"].items())
    ]
    summary = {
        "board": board.name,
        "fpga": board.fpga,
        "preset": config.name,
        "config_hash": f"{config.hash:016x}",
        "sys_mhz": board.sys_clk / 1e6,
        "core_mhz": board.core_clk / 1e6,
        "resources": {
            name: {"used": used[cell]["used"], "available": used[cell]["available"]}
            for name, cell in SHOWN_RESOURCES.items()
        },
        "clocks": clocks,
        "timing_met": all(clock["met"] for clock in clocks),
    }
    projection = project(config, board.core_clk)
    if projection is not None:
        at_best = board.sdram_bytes * board.sys_clk / board.core_clk
        summary["projection"] = projection | {"memory_bytes_per_cycle_at_best": round(at_best, 2)}
    return summary


def require_timing(summary: dict, log: Path) -> None:
    """`ResarrayError` that names the clock which misses most."""
    missed = [clock for clock in summary["clocks"] if not clock["met"]]
    if missed:
        worst = min(missed, key=lambda clock: clock["achieved_mhz"] / clock["wanted_mhz"])
        raise ResarrayError(
            f"timing not met on '{summary['board']}': clock '{worst['name']}' reaches "
            f"{worst['achieved_mhz']:.1f} MHz of the {worst['wanted_mhz']:.1f} MHz that it runs at "
            f"(preset '{summary['preset']}'); choose a smaller preset, or a lower --core-mhz or "
            f"--sys-mhz; the critical paths are in '{log}'"
        )
