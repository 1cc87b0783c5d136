"""From a board and a configuration to a bitstream with its figures.

The results lie in ``build/<board>/``: ``<board>.bit``, ``soc.json`` for the host, ``summary.json``
with resources, clocks and projections. They are replaced together when everything is done; logs and
intermediate files are in ``work/`` there.
"""

import json
import shutil
import time
from pathlib import Path

from resarray.sim.cache import locked, writing
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic
from resarray.spec.progress import Progress

from . import floorplan, tools
from .boards import Board
from .devices import DEVICES, Device, luts_of, require_fit
from .process import Meter, NextpnrMeter, YosysMeter, run_tool
from .projection import project
from .soc.elaborate import elaborate, require_litex

SUMMARY = "summary.json"  # of a board's results, the last to be written
SHOWN_RESOURCES = {
    "luts": "TRELLIS_COMB",
    "registers": "TRELLIS_FF",
    "multipliers": "MULT18X18D",
    "rams": "DP16KD",
}


def results_dir(board: Board) -> Path:
    """Folder of a board's results, in the current folder."""
    return Path("build") / board.name


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
    yosys, nextpnr = tools.find_yosys(), tools.find_nextpnr()
    ecppack = tools.find_ecppack(nextpnr)
    folder = results_dir(board)
    with locked(folder):
        return _build(board, config, progress, target, folder, yosys, nextpnr, ecppack)


def _build(
    board: Board,
    config: Config,
    progress: Progress,
    target: str,
    folder: Path,
    yosys: tools.Tool,
    nextpnr: tools.Tool,
    ecppack: tools.Tool,
) -> dict:
    """`build_bitstream` with its tools, while nobody else writes to ``folder``."""
    started = time.monotonic()
    soc = elaborate(board, config, target, note=lambda text: progress(None, text))
    work = folder / "work"
    with writing(work):
        if work.exists():
            shutil.rmtree(work)
        shutil.copytree(soc, work)

    def run(
        step: str, tool: tools.Tool, arguments: list[str], log: str, makes: str, meter: Meter
    ) -> None:
        progress(0, step)
        run_tool(
            tool,
            arguments,
            work,
            log,
            makes,
            meter,
            lambda fraction, doing: progress(fraction, f"{step}: {doing}"),
            keep=lambda log: log,
        )

    run(
        "synthesising",
        yosys,
        [
            "-p",
            f"read_verilog soc.v resarray.v; {tools.synthesis('soc')}; "
            "write_json design.json; tee -q -o stat.json stat -json",
        ],
        "yosys.log",
        "stat.json",
        YosysMeter(),
    )
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
        [
            *board.nextpnr,
            *tools.PLACER,
            *tools.ROUTER,
            "--json",
            "placed.json",
            "--lpf",
            "soc.lpf",
            "--textcfg",
            "soc.config",
            "--report",
            "report.json",
            "--timing-allow-fail",
        ],
        "nextpnr.log",
        "report.json",
        NextpnrMeter(),
    )
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
        "soc.bit",
        Meter(),
    )
    summary["seconds"] = round(time.monotonic() - started)
    # The summary is last: without it, the others are not taken for a whole.
    (folder / SUMMARY).unlink(missing_ok=True)
    write_atomic(folder / "soc.json", (work / "soc.json").read_bytes())
    write_atomic(folder / f"{board.name}.bit", (work / "soc.bit").read_bytes())
    write_atomic(folder / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def summarise(board: Board, config: Config, report: dict) -> dict:
    """The figures in nextpnr's ``report``, as plain data."""
    used = report["utilization"]
    clocks = [
        {
            "name": _clock_name(board, name, clock["constraint"]),
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


def _clock_name(board: Board, name: str, mhz: float) -> str:
    """nextpnr names a clock by its net."""
    known = {"sys": board.sys_clk, "core": board.core_clk}
    return next((ours for ours, hz in known.items() if abs(1e6 * mhz / hz - 1) < 0.01), name)


def require_timing(summary: dict, log: Path) -> None:
    """`ResarrayError` that names the clock which misses most; or where no clock was measured."""
    if not summary["clocks"]:
        raise ResarrayError(
            f"nextpnr reports no clock of '{summary['board']}', so its timing is not known: its "
            f"version may not suit; its output is in '{log}'"
        )
    missed = [clock for clock in summary["clocks"] if not clock["met"]]
    if missed:
        worst = min(missed, key=lambda clock: clock["achieved_mhz"] / clock["wanted_mhz"])
        raise ResarrayError(
            f"timing not met on '{summary['board']}': clock '{worst['name']}' reaches "
            f"{worst['achieved_mhz']:.1f} MHz of the {worst['wanted_mhz']:.1f} MHz that it runs at "
            f"(preset '{summary['preset']}'); choose a smaller preset, or a lower --core-mhz or "
            f"--sys-mhz; the critical paths are in '{log}'"
        )
