"""Behind ``resarray bench``: measure every case, write bench.json and bench.md."""

import json
from pathlib import Path

import typer

from resarray.spec.errors import ResarrayError
from resarray.spec.image import write_atomic

from .progress import Reporter


def bench(folder: Path, only: list[str] | None, progress: Reporter) -> list[str]:
    """Run the cases (those named in ``only``), print the table; the bars that were missed."""
    from resarray.bench import cases, measure
    from resarray.sim import simulators

    known = {case.name: case for case in cases.CASES}
    unknown = [name for name in only or () if name not in known]
    if unknown:
        raise ResarrayError(
            f"no bench case is called '{unknown[0]}': choose from {', '.join(map(repr, known))}"
        )
    simulators.find("verilator")
    rows = [measure.measure(known[name], progress.note) for name in only or known]
    scaling = None if only else measure.measure_scaling(progress.note)
    layers = [] if only else measure.measure_layers(progress.note)
    progress.close()
    failed = measure.judge(rows, scaling, layers)
    table = measure.markdown(rows, scaling, layers)
    result = {"cases": rows, "scaling": scaling, "layers": layers, "failed": failed}
    write_atomic(folder / "bench.json", (json.dumps(result, indent=2) + "\n").encode())
    write_atomic(folder / "bench.md", table.encode())
    typer.echo(table)
    return failed
