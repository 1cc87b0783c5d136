"""Behind ``resarray bench``: measure every case, write bench.json and bench.md."""

from pathlib import Path

import typer

from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_together

from .output import json_file
from .progress import Reporter

# Parts of the benchmark beside the cases, as ``--only`` calls them.
SCALING, LAYERS = "scaling", "layers"


def bench(
    folder: Path, only: list[str] | None, json_path: Path | None, progress: Reporter
) -> list[str]:
    """Run the cases (those named in ``only``), print the table, write it to ``folder``, and the
    figures to ``json_path`` too; the bars that were missed."""
    from resarray.bench import cases, measure
    from resarray.sim import simulators

    known = {case.name: case for case in cases.CASES}
    chosen = only or [*known, SCALING, LAYERS]
    unknown = [name for name in chosen if name not in {*known, SCALING, LAYERS}]
    if unknown:
        raise ResarrayError(
            f"no bench case is called '{unknown[0]}': choose from "
            f"{', '.join(map(repr, [*known, SCALING, LAYERS]))}"
        )
    simulators.find("verilator")
    rows = [measure.measure(known[name], progress.fraction) for name in chosen if name in known]
    scaling = measure.measure_scaling(progress.fraction) if SCALING in chosen else None
    layers = measure.measure_layers(progress.fraction) if LAYERS in chosen else []
    progress.close()
    failed = measure.judge(rows, scaling, layers)
    table = measure.markdown(rows, scaling, layers)
    result = {"cases": rows, "scaling": scaling, "layers": layers, "failed": failed}
    write_together(
        {folder / "bench.md": table.encode()}
        | json_file(folder / "bench.json", result)
        | json_file(json_path, result)
    )
    typer.echo(table)
    return failed
