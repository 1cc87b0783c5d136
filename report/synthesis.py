"""Synthesis figures, read from what ``resarray synth --json`` or ``resarray bitstream`` wrote."""

from dataclasses import dataclass
from pathlib import Path

from resarray.spec.errors import ResarrayError
from resarray.spec.schema import (
    AMOUNT,
    COUNT,
    FLAG,
    POSITIVE,
    SIZE,
    TEXT,
    Each,
    Schema,
    SchemaError,
    check,
)

from .figure import Figure, bars, color, rows_layout
from .performance import bandwidth
from .read import read_json
from .text import NOTHING, Table, count, decimal, percent

AGAIN = "make it with 'resarray synth --json' or 'resarray bitstream'"

_SYNTH: Schema = {
    "preset": TEXT,
    "device": {"name": TEXT, "luts": SIZE, "multipliers": SIZE, "rams": SIZE},
    "tools": Each(TEXT),
    "units": Each(Each(COUNT)),
    "total": Each(COUNT),
    "mhz": POSITIVE,
    "routes": [
        {
            "seed": COUNT,
            "mhz": POSITIVE,
            "used": Each(COUNT),
            "path": [{"kind": TEXT, "delay": AMOUNT, "source": TEXT, "sink": TEXT}],
        }
    ],
}
_BOARD: Schema = {
    "board": TEXT,
    "fpga": TEXT,
    "preset": TEXT,
    "config_hash": TEXT,
    "core_mhz": POSITIVE,
    "sys_mhz": POSITIVE,
    "resources": Each({"used": COUNT, "available": SIZE}),
    "clocks": [{"name": TEXT, "wanted_mhz": POSITIVE, "achieved_mhz": POSITIVE, "met": FLAG}],
    "timing_met": FLAG,
    "tools": Each(TEXT),
}
# nextpnr's cells of one kind of resource, and the field of a device.
_KINDS = (
    ("LUTs", "TRELLIS_COMB", "luts"),
    ("multipliers", "MULT18X18D", "multipliers"),
    ("block RAMs", "DP16KD", "rams"),
)
_BOARD_WORDS = {
    "luts": "LUTs",
    "registers": "registers",
    "multipliers": "multipliers",
    "rams": "block RAMs",
}


@dataclass(frozen=True)
class Synthesis:
    """What synthesis, place and route made of a configuration.

    target:    the device, or the board with its device
    mhz:       frequency of the accelerator: the fastest seed's, or the clock that the board runs at
    resources: (kind, used, available), everything around the accelerator included
    units:     cells by unit and kind, where they were counted
    seeds:     (seed, MHz), the fastest first
    path:      steps (kind, ns, source, sink) of the critical path of the fastest seed
    clocks:    (name, wanted MHz, achieved MHz)
    """

    target: str
    preset: str
    config_hash: str | None
    mhz: float
    tools: dict[str, str]
    resources: list[tuple[str, int, int]]
    units: dict[str, dict[str, int]]
    seeds: list[tuple[int, float]]
    path: list[tuple[str, float, str, str]]
    clocks: list[tuple[str, float, float]]


def read_synthesis(path: Path, result: dict) -> Synthesis:
    """The figures in file ``path`` of the configuration that ``result`` ran on.

    `ResarrayError` for a file that cannot be read, is of another kind, holds impossible fields or
    is of another configuration.
    """
    data = read_json(path, "synthesis summary", AGAIN)
    try:
        if "board" in data:
            check(data, _BOARD)
            found = _of_board(data)
        elif "routes" in data:
            check(data, _SYNTH)
            found = _of_synth(data)
        else:
            raise SchemaError("has neither 'routes' nor 'board'")
    except SchemaError as error:
        raise ResarrayError(f"synthesis summary '{path}' {error}; {AGAIN}") from error
    same = found.config_hash in (None, result["config_hash"])
    if found.preset != result["preset"] or not same:
        raise ResarrayError(
            f"synthesis summary '{path}' is of preset '{found.preset}' "
            f"({found.config_hash or 'hash unknown'}), the result of '{result['preset']}' "
            f"({result['config_hash']}): give figures of the configuration that ran"
        )
    return found


def _of_synth(data: dict) -> Synthesis:
    if not data["routes"]:
        raise SchemaError("has no routes")
    routes = sorted(data["routes"], key=lambda route: -route["mhz"])
    best, device = routes[0], data["device"]
    return Synthesis(
        target=device["name"],
        preset=data["preset"],
        config_hash=data.get("config_hash"),
        mhz=best["mhz"],
        tools=data["tools"],
        resources=[(what, best["used"].get(cell, 0), device[key]) for what, cell, key in _KINDS],
        units={name: cells for name, cells in data["units"].items() if name != "harness"},
        seeds=[(route["seed"], route["mhz"]) for route in routes],
        path=[(hop["kind"], hop["delay"], hop["source"], hop["sink"]) for hop in best["path"]],
        clocks=[],
    )


def _of_board(data: dict) -> Synthesis:
    return Synthesis(
        target=f"{data['board']} ({data['fpga']})",
        preset=data["preset"],
        config_hash=data["config_hash"],
        mhz=data["core_mhz"],
        tools=data["tools"],
        resources=[
            (_BOARD_WORDS.get(name, name), entry["used"], entry["available"])
            for name, entry in data["resources"].items()
        ],
        units={},
        seeds=[],
        path=[],
        clocks=[(c["name"], c["wanted_mhz"], c["achieved_mhz"]) for c in data["clocks"]],
    )


def images_per_second(found: Synthesis, result: dict) -> float:
    """A projection: the frequency over the cycles of an image as simulated."""
    return found.mhz * 1e6 * result["images"] / result["cycles"]


def summary_table(found: Synthesis, result: dict) -> Table:
    rows = [["target", found.target], ["frequency", f"{found.mhz:.1f} MHz"]]
    rows += [
        [f"clock {name}", f"{achieved:.1f} MHz, {wanted:.1f} MHz wanted"]
        for name, wanted, achieved in found.clocks
    ]
    if found.seeds:
        rows.append(["seeds", ", ".join(f"{seed}: {mhz:.1f} MHz" for seed, mhz in found.seeds)])
    if found.path:
        logic, routing = (
            sum(step[1] for step in found.path if (step[0] == "routing") == is_routing)
            for is_routing in (False, True)
        )
        rows += [
            ["critical path", f"{logic:.2f} ns logic, {routing:.2f} ns routing"],
            ["from", found.path[0][2]],
            ["to", found.path[-1][3]],
        ]
    projected, memory = images_per_second(found, result), bandwidth(result)[1]
    rows.append(
        [
            "projected",
            f"{projected:.1f} images/s with this run's memory, {memory} (frequency ÷ simulated "
            "cycles, not a board)",
        ]
    )
    rows += [[name, version] for name, version in found.tools.items()]
    return Table(["synthesis", ""], rows, left=(0, 1))


def resource_table(found: Synthesis) -> Table:
    return Table(
        ["resource", "used", "available", "share"],
        [
            [kind, count(used), count(there), percent(used / there)]
            for kind, used, there in found.resources
        ],
        bars={3: [used / there for _, used, there in found.resources]},
    )


def unit_table(found: Synthesis) -> Table | None:
    """Cells of every unit; None where they were not counted."""
    if not found.units:
        return None
    kinds = list(dict.fromkeys(kind for cells in found.units.values() for kind in cells))
    rows = [
        [unit, *(count(cells.get(kind, 0)) for kind in kinds)]
        for unit, cells in found.units.items()
    ]
    sums = [sum(cells.get(kind, 0) for cells in found.units.values()) for kind in kinds]
    return Table(["unit", *kinds], [*rows, ["total", *map(count, sums)]], total=True)


def units(found: Synthesis) -> Figure | None:
    if not found.units:
        return None
    by_luts = sorted(found.units.items(), key=lambda item: -item[1].get("LUT4", 0))
    names = [name for name, _ in by_luts]
    kinds = (("LUT4", "LUT4", "compute"), ("TRELLIS_FF", "registers", "load"))
    return Figure(
        "units",
        f"The {names[0]} takes most of the logic",
        "LUTs and registers of each unit of the accelerator alone.",
        [
            bars(names, [cells.get(kind, 0) for _, cells in by_luts], words, tint, "%{x:,}")
            for kind, words, tint in kinds
        ],
        rows_layout(names, "cells", barmode="group"),
    )


def critical_path(found: Synthesis) -> Figure | None:
    if not found.path:
        return None
    at, data = 0.0, []
    for kind, words, tint in (("logic", "logic", "compute"), ("routing", "routing", "weights")):
        starts, delays, texts = [], [], []
        at = 0.0
        for step, delay, source, sink in found.path:
            if (step == "routing") == (kind == "routing"):
                starts.append(at)
                delays.append(delay)
                texts.append(f"{source}<br>to {sink}" if source != sink else source)
            at += delay
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": words,
                "y": [""] * len(delays),
                "x": delays,
                "base": starts,
                "text": None,
                "hovertext": texts,
                "marker": {"color": color(tint), "line": {"width": 1, "color": color("paper")}},
                "hovertemplate": "%{hovertext}<br>%{x:.2f} ns<extra>" + words + "</extra>",
            }
        )
    routing = sum(step[1] for step in found.path if step[0] == "routing")
    return Figure(
        "path",
        f"{percent(routing / at, 0) if at else NOTHING} of the critical path is routing",
        f"Steps of the slowest path, {decimal(at, 2)} ns from clock to clock; point at one for its "
        "cells.",
        data,
        {
            "height": 130,
            "barmode": "overlay",
            "hovermode": "closest",
            "xaxis": {"title": {"text": "ns"}},
            "yaxis": {"showticklabels": False},
            "showlegend": False,
        },
    )
