"""Behind ``resarray inspect``: every operator with its figures, and what the network takes."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from resarray import __version__
from resarray.api.inspection import inspect as inspect_network
from resarray.report.inspection import (
    memory,
    operator_table,
    page,
    preset_table,
    title,
    verdict,
)
from resarray.report.text import Table as TextTable
from resarray.spec.files import write_together

from .output import json_file
from .progress import Reporter


def inspect(
    model: str,
    input_size: str | None,
    name: str | None,
    presets: list[str] | None,
    latency: int,
    bytes_per_cycle: float | None,
    html: Path | None,
    json: Path | None,
    command: str,
    progress: Reporter,
    console: Console,
) -> bool:
    """Print the tables, write them to ``html`` and ``json`` where these are given; whether every
    operator can run."""
    found = inspect_network(
        model,
        input_size=input_size,
        name=name,
        presets=presets,
        latency=latency,
        bytes_per_cycle=bytes_per_cycle,
        progress=progress.fraction,
    ).as_dict()
    progress.close()
    files = {} if html is None else {html: page(found, __version__, command).encode()}
    write_together(files | json_file(json, found))
    _print(console, title(found), operator_table(found["operators"]))
    if found["presets"]:
        heading = f"one image, predicted; memory: {memory(found)}"
        _print(console, heading, preset_table(found, reasons=False))
    for each in found["presets"]:
        if each["error"] is not None:
            _line(console, f"Preset '{each['preset']}' cannot run it: {each['error']}", "red")
    for reason in found["reasons"]:
        _line(console, reason, "red")
    _line(console, verdict(found), "bold green" if found["runs"] else "bold red")
    return found["runs"]


def _line(console: Console, text: str, style: str) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _print(console: Console, heading: str, table: TextTable) -> None:
    shown = Table(title=heading, box=box.SIMPLE, pad_edge=False)
    for number, name in enumerate(table.headings):
        left = number in table.left
        # Names may be long; everything else keeps its line.
        shown.add_column(
            name,
            justify="left" if left else "right",
            no_wrap=name != "layer",
            overflow="fold",
        )
    for number, row in enumerate(table.rows):
        total = table.total and number == len(table.rows) - 1
        shown.add_row(*row, style="bold" if total else None)
    console.print(shown, markup=False, highlight=False)
