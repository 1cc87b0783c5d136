"""From a board and a configuration to a bitstream with its figures.

The results lie in ``build/<board>/``: ``<board>.bit``, ``soc.json`` for the host, ``summary.json``
with resources, clocks and projections. They are replaced together when everything is done; logs and
intermediate files are in ``work/`` there.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from resarray.sim.build import build_dir
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.image import write_atomic

from . import floorplan, tools
from .boards import Board
from .devices import DEVICES, Device, luts_of, require_fit
from .projection import project
from .soc.elaborate import elaborate, require_litex

RESULTS = ("summary.json", "soc.json")
SHOWN_RESOURCES = {
    "luts": "TRELLIS_COMB",
    "registers": "TRELLIS_FF",
    "multipliers": "MULT18X18D",
    "rams": "DP16KD",
}
# Lines that say what a tool is doing.
YOSYS_STEP = re.compile(r"\d[\d.]*\. (Executing .*?)\.?$")
NEXTPNR_STEP = re.compile(r"(?:Info: )?\s*(.*\S)")

# note(phase) begins a phase; detail(text) tells where in the phase it is.
Note = Callable[[str], None]


def results_dir(board: Board) -> Path:
    """Folder of a board's results."""
    return build_dir() / board.name


def device_of(board: Board) -> Device:
    """What the board's FPGA has."""
    size = board.fpga.rpartition("-")[2].lower()
    return DEVICES[size]


def build_bitstream(
    board: Board, config: Config, note: Note, detail: Note, target: str = "ecp5"
) -> dict:
    """Make the bitstream of ``board`` with an accelerator of ``config``; its summary.

    target:       of the accelerator's Verilog, see `resarray.hw.verilog`
    note, detail: told each phase, and what it is doing

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
    soc = elaborate(board, config, target, note=note)
    shutil.copytree(soc, work)
    run = _Runner(work, note, detail)

    run(
        yosys,
        ["-l", "yosys.log", "-p", "read_verilog soc.v resarray.v; synth_ecp5 -top soc -json "
         "design.json; tee -q -o stat.json stat -json"],
        "synthesising (Yosys)",
        YOSYS_STEP,
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
        nextpnr,
        [*board.nextpnr, *tools.PLACER, "--json", "placed.json", "--lpf", "soc.lpf", "--textcfg",
         "soc.config", "--report", "report.json", "--timing-allow-fail", "--log", "nextpnr.log"],
        "placing and routing (nextpnr)",
        NEXTPNR_STEP,
    )  # fmt: skip
    report = json.loads((work / "report.json").read_text())
    summary = summarise(board, config, report)
    summary["target"] = target
    summary["tools"] = {"yosys": yosys.version, "nextpnr": nextpnr.version}
    require_timing(summary, work / "nextpnr.log")
    run(
        ecppack,
        ["--compress", "--input", "soc.config", "--bit", "soc.bit"],
        "packing the bitstream (ecppack)",
        NEXTPNR_STEP,
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


class _Runner:
    """Runs a tool in ``work``, shows what it says, and fails in one sentence."""

    def __init__(self, work: Path, note: Note, detail: Note):
        self._work, self._note, self._detail = work, note, detail

    def __call__(self, tool: tools.Tool, arguments: list[str], phase: str, step: re.Pattern):
        self._note(phase)
        log = self._work / f"{phase.split()[-1].strip('()')}.out"
        last: deque[str] = deque(maxlen=20)
        with (
            open(log, "w") as file,
            subprocess.Popen(
                [*tool.command, *arguments],
                cwd=self._work,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
            ) as process,
        ):
            try:
                for line in process.stdout:
                    file.write(line)
                    if line.strip():
                        last.append(line.strip())
                    match = step.match(line)
                    if match:
                        self._detail(match[1])
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            errors = [line for line in last if line.startswith("ERROR")] or list(last)[-1:]
            raise ResarrayError(
                f"{phase} failed with status {process.returncode}: "
                f"{errors[0] if errors else 'it said nothing'}; the whole output is in '{log}'"
            )
