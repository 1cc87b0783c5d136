"""Out-of-context synthesis of the accelerator alone: resources, frequency, critical path."""

import functools
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from resarray.sim import cache, children
from resarray.sim.cache import digest
from resarray.sim.convert import convert
from resarray.spec.cache import build_folder
from resarray.spec.config import Config
from resarray.spec.progress import Progress, silent

from . import floorplan, tools
from .devices import PACKAGE, Device, luts_of, require_fit
from .harness import TOP
from .process import NextpnrMeter, YosysMeter, run_tool

SPEED_GRADE = 6
TARGET_MHZ = 160  # what the placer aims for
# Columns of the table of units, with the cells that they count.
KINDS = ("LUT4", "CCU2C", "TRELLIS_FF", "MULT18X18D", "DP16KD", "TRELLIS_DPR16X4")


@dataclass(frozen=True)
class Hop:
    """One step of a path: ``logic`` inside a cell or ``routing`` between two, in ns."""

    kind: str
    delay: float
    source: str
    sink: str


@dataclass(frozen=True)
class Route:
    """What nextpnr made of one seed. ``slow``: endpoints of paths that are too long for TARGET_MHZ;
    many of them, and no single path is to blame for the frequency."""

    seed: int
    mhz: float
    slow: int
    used: dict[str, int]
    path: list[Hop]

    @property
    def logic(self) -> float:
        """Delay in cells along the critical path, in ns."""
        return sum(hop.delay for hop in self.path if hop.kind == "logic")

    @property
    def routing(self) -> float:
        """Delay between cells along the critical path, in ns."""
        return sum(hop.delay for hop in self.path if hop.kind == "routing")


@dataclass(frozen=True)
class Synthesis:
    """A configuration on a device.

    units:  cells by unit and kind; "harness" is not part of the accelerator
    routes: one for each seed, the fastest first
    """

    preset: str
    device: Device
    tools: dict[str, str]
    units: dict[str, dict[str, int]]
    routes: list[Route]

    @property
    def total(self) -> dict[str, int]:
        """Cells of the accelerator by kind."""
        return _total(self.units)


def synthesise(
    config: Config,
    device: Device,
    seeds: int,
    progress: Progress = silent,
) -> Synthesis:
    """Synthesise the accelerator for ``config`` and route it with seeds 1 to ``seeds``, as many at
    a time as there are processors.

    Everything is kept under `build_folder`, by the Verilog, the tools and their options.
    `ResarrayError` where a tool is missing or fails, or the design does not fit.
    """
    nextpnr = tools.find_nextpnr()
    netlist, units = _netlist(config, progress)
    total = _total(units)
    require_fit(device, config.name, luts_of(total), total["MULT18X18D"], total["DP16KD"])
    with cache.locked(netlist):
        places = floorplan.place_file(
            netlist / "netlist.json", netlist / "placed.json", TOP, device
        )

        step = f"placing and routing on the {device.name}, seeds 1 to {seeds}"
        done = dict.fromkeys(range(1, seeds + 1), 0.0)

        def told(seed: int, fraction: float, doing: str) -> None:
            done[seed] = fraction
            progress(fmean(done.values()), f"{step}: seed {seed} {doing}")

        def route(seed: int) -> Route:
            options = [
                device.option,
                "--package",
                PACKAGE,
                "--speed",
                str(SPEED_GRADE),
                "--freq",
                str(TARGET_MHZ),
                "--seed",
                str(seed),
                *tools.PLACER,
                "--lpf-allow-unconstrained",
                "--timing-allow-fail",
                "--detailed-timing-report",
                "--json",
                "placed.json",
            ]
            name = f"route-{digest(nextpnr.version, *options, json.dumps(places))}"
            report, stamp = netlist / f"{name}.json", f"{name}.{cache.STAMP}"
            if not cache.intact(netlist, [report.name], stamp):
                run_tool(
                    nextpnr,
                    [*options, "--report", report.name],
                    netlist,
                    f"{name}.log",
                    report.name,
                    NextpnrMeter(),
                    functools.partial(told, seed),
                )
                cache.seal(netlist, [report.name], stamp)
            told(seed, 1.0, "done")
            return _route(seed, json.loads(report.read_text()))

        progress(0, step)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                routes = list(pool.map(route, range(1, seeds + 1)))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                children.end_all()
                raise
    routes.sort(key=lambda route: -route.mhz)
    versions = {"yosys": tools.find_yosys().version, "nextpnr": nextpnr.version}
    return Synthesis(config.name, device, versions, units, routes)


def resources(config: Config, progress: Progress = silent) -> dict[str, int]:
    """Cells of the accelerator for ``config`` by kind (`KINDS`), as Yosys makes them, before they
    are packed and without a harness. Kept and refused as by `synthesise`."""
    return _total(_netlist(config, progress)[1])


def _netlist(config: Config, progress: Progress) -> tuple[Path, dict[str, dict[str, int]]]:
    """Folder of the accelerator's netlist with its harness, and its cells by unit and kind."""
    yosys = tools.find_yosys()
    source = convert("resarray.fpga.harness:generate", config)
    script = f"read_verilog design.v; {tools.synthesis(TOP)}; write_json netlist.json"
    netlist = build_folder() / "fpga" / digest(source, script, yosys.version)
    cells = netlist / "cells.json"

    def make(folder: Path) -> None:
        step = f"synthesising preset '{config.name}'"
        progress(0, step)
        (folder / "design.v").write_text(source)
        run_tool(
            yosys,
            ["-p", script],
            folder,
            "yosys.log",
            "netlist.json",
            YosysMeter(),
            lambda fraction, doing: progress(fraction, f"{step}: {doing}"),
        )
        design = json.loads((folder / "netlist.json").read_text())
        cells.write_text(json.dumps(_units(design["modules"][TOP]["cells"])))

    cache.made(netlist, ["netlist.json", cells.name], make, lambda text: progress(None, text))
    return netlist, json.loads(cells.read_text())


def _units(cells: dict[str, dict]) -> dict[str, dict[str, int]]:
    """Cells by unit and kind. A unit is the register file, a submodule of the core, or the core.

    Yosys names cells after what they drive, so after the unit that they belong to; where logic of
    two units ends up in one LUT, it counts for one of them.
    """
    scopes = {name for name, cell in cells.items() if cell["type"] == "$scopeinfo"}
    units: dict[str, Counter] = {}
    for name, cell in cells.items():
        if cell["type"] in KINDS:
            parts = name.split(".")
            if parts[0] != "dut":
                unit = "harness"
            elif parts[1] != "core":
                unit = parts[1] if f"dut.{parts[1]}" in scopes else "top"
            else:
                unit = parts[2] if ".".join(parts[:3]) in scopes else "core"
            units.setdefault(unit, Counter())[cell["type"]] += 1
    return {unit: {kind: units[unit][kind] for kind in KINDS} for unit in sorted(units)}


def _total(units: dict[str, dict[str, int]]) -> dict[str, int]:
    return {
        kind: sum(cells[kind] for unit, cells in units.items() if unit != "harness")
        for kind in KINDS
    }


def _route(seed: int, report: dict) -> Route:
    """The figures of one nextpnr report, made with every net's timing: of its only clock."""
    ((_, clock),) = report["fmax"].items()
    (path,) = (
        path["path"]
        for path in report["critical_paths"]
        if path["from"].startswith("posedge") and path["to"].startswith("posedge")
    )
    hops = [
        Hop(
            "routing" if hop["type"] == "routing" else "logic",
            hop["delay"],
            f"{hop['from']['cell']}.{hop['from']['port']}",
            f"{hop['to']['cell']}.{hop['to']['port']}",
        )
        for hop in path
    ]
    used = {kind: entry["used"] for kind, entry in report["utilization"].items() if entry["used"]}
    slow = sum(
        max(end["delay"]) > 1e3 / TARGET_MHZ
        for net in report["detailed_net_timings"]
        if net["event"].startswith("posedge")
        for end in net["endpoints"]
    )
    return Route(seed, clock["achieved"], slow, used, hops)
