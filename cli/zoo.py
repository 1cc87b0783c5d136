"""Behind ``resarray zoo``: measure the networks of the zoo, write zoo.json and zoo.md."""

from pathlib import Path

import typer

from resarray.golden.networks.names import NAMES
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_together
from resarray.spec.pixels import as_size
from resarray.spec.presets import preset as find_preset

from .output import json_file
from .progress import Reporter


def zoo(
    folder: Path,
    models: list[str] | None,
    input_size: str | None,
    preset: str,
    jobs: int,
    json_path: Path | None,
    progress: Reporter,
) -> list[str]:
    """Run the networks (those named in ``models``), print the table, write it to ``folder``, and
    the figures to ``json_path`` too; what was refused or differs."""
    unknown = [name for name in models or () if name not in NAMES]
    if unknown:
        raise ResarrayError(
            f"no network of the zoo is called '{unknown[0]}': choose from {', '.join(NAMES)}"
        )
    find_preset(preset)
    if input_size is not None:
        as_size(input_size)
    from resarray.bench import zoo as bench_zoo
    from resarray.sim import simulators

    simulators.find("verilator")
    names = list(dict.fromkeys(models or NAMES))
    rows = bench_zoo.measure_all(names, preset, input_size, jobs, progress.fraction)
    progress.close()
    failed = bench_zoo.failures(rows)
    table = bench_zoo.markdown(rows)
    result = {"networks": rows, "failed": failed}
    write_together(
        {folder / "zoo.md": table.encode()}
        | json_file(folder / "zoo.json", result)
        | json_file(json_path, result)
    )
    typer.echo(table)
    return failed
