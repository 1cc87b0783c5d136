"""Behind ``resarray synth``: out-of-context synthesis, a table and a JSON file."""

import dataclasses
from pathlib import Path

import typer

from resarray.spec.presets import preset as find_preset

from .output import write_json
from .progress import Reporter


def synth(preset: str, device: str, seeds: int, json_path: Path | None, progress: Reporter) -> None:
    """Synthesise ``preset`` for ``device``, print the figures and write them to ``json_path``."""
    from resarray.fpga import core, devices
    from resarray.fpga.projection import describe, project

    config = find_preset(preset)
    found = core.synthesise(config, devices.device(device), seeds, progress.fraction)
    progress.close()
    typer.echo(table(found))
    projection = project(config, 1e6 * found.routes[0].mhz)
    if projection is not None:
        typer.echo(describe(projection))
    best = found.routes[0]
    result = dataclasses.asdict(found) | {
        "config_hash": f"{config.hash:016x}",
        "total": found.total,
        "mhz": best.mhz,
        "critical_path_ns": {"logic": best.logic, "routing": best.routing},
        "projection": projection,
    }
    write_json(json_path, result)


def table(found) -> str:
    """Resources by unit, use of the device, frequency of each seed, critical path."""
    from resarray.fpga.core import KINDS, TARGET_MHZ

    rows: list[tuple[str, ...]] = [("unit", *KINDS)]
    rows += [
        (unit, *(f"{cells[kind]:,}" for kind in KINDS))
        for unit, cells in found.units.items()
        if unit != "harness"
    ]
    rows.append(("total", *(f"{found.total[kind]:,}" for kind in KINDS)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    best, device = found.routes[0], found.device
    lines += [
        "",
        f"{device.name}, harness included: "
        + ", ".join(
            f"{best.used.get(kind, 0):,} of {there:,} {name} ({best.used.get(kind, 0) / there:.0%})"
            for kind, name, there in (
                ("TRELLIS_COMB", "LUT4", device.luts),
                ("MULT18X18D", "MULT18X18D", device.multipliers),
                ("DP16KD", "DP16KD", device.rams),
            )
        ),
        "frequency: "
        + ", ".join(
            f"seed {r.seed} {r.mhz:.1f} MHz ({r.slow:,} endpoints miss {TARGET_MHZ})"
            for r in found.routes
        ),
        f"critical path: {best.logic:.2f} ns logic, {best.routing:.2f} ns routing",
        f"  from {best.path[0].source}",
        f"  to   {best.path[-1].sink}",
    ]
    return "\n".join(lines)
