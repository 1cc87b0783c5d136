"""Behind ``resarray bitstream``, ``program`` and ``run``."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import typer

from resarray.api.board import open_accelerator, require_whole_batches, run_batches
from resarray.api.images import read_inputs
from resarray.fpga import tools
from resarray.fpga.bitstream import SUMMARY, build_bitstream, results_dir
from resarray.fpga.boards import board as find_board
from resarray.fpga.process import LoaderMeter, run_tool
from resarray.fpga.projection import describe as describe_projection
from resarray.golden.data import open_files
from resarray.spec.errors import ResarrayError
from resarray.spec.image import load
from resarray.spec.presets import preset as find_preset

from .output import write_json
from .progress import Reporter

# What the PLLs of the boards can make.
MHZ_RANGE = (10.0, 200.0)


def bitstream(
    board: str,
    preset: str | None,
    core_mhz: float | None,
    sys_mhz: float | None,
    json_path: Path | None,
    progress: Reporter,
) -> str:
    """Make the bitstream, write its summary to ``json_path`` too; lines for the user."""
    chosen = find_board(board)
    for option, field, mhz in (("core", "core_clk", core_mhz), ("sys", "sys_clk", sys_mhz)):
        if mhz is None:
            continue
        least, most = MHZ_RANGE
        why = ""
        if option == "sys":
            most = chosen.max_sys_clk / 1e6
            why = f" (the memory of '{chosen.name}' allows no more)"
        if not least <= mhz <= most:
            raise ResarrayError(
                f"--{option}-mhz {mhz:g} is not possible: choose {least:g} to {most:g}{why}"
            )
        clock: dict[str, Any] = {field: 1e6 * mhz}
        chosen = dataclasses.replace(chosen, **clock)
    config = find_preset(preset or chosen.preset)
    summary = build_bitstream(chosen, config, progress.fraction)
    progress.close()
    write_json(json_path, summary)
    return describe(summary, results_dir(chosen))


def describe(summary: dict, folder: Path) -> str:
    """A summary as lines."""
    resources = ", ".join(
        f"{entry['used']:,} of {entry['available']:,} {name}"
        for name, entry in summary["resources"].items()
    )
    clocks = ", ".join(
        f"{clock['achieved_mhz']:.1f} MHz where {clock['wanted_mhz']:.1f} are needed"
        for clock in summary["clocks"]
    )
    lines = [
        f"{folder / summary['board']}.bit: preset '{summary['preset']}' on {summary['fpga']}, "
        f"{summary['seconds']} s",
        f"resources: {resources}",
        f"clocks: {clocks}: timing met",
    ]
    if "projection" in summary:
        at_best = summary["projection"]["memory_bytes_per_cycle_at_best"]
        lines.append(
            f"{describe_projection(summary['projection'])}; this board's memory has "
            f"{at_best:g} bytes a cycle at best"
        )
    return "\n".join(lines)


def program(board: str, json_path: Path | None, progress: Reporter) -> None:
    """Load the bitstream into the FPGA; which, goes to ``json_path``."""
    chosen = find_board(board)
    file = results_dir(chosen) / f"{chosen.name}.bit"
    if not (file.exists() and (file.parent / SUMMARY).exists()):
        raise ResarrayError(f"no whole '{file}': make it with 'make bitstream BOARD={board}'")
    loader = tools.find_loader()
    step = f"loading {file}"
    progress.fraction(0, step)
    try:
        run_tool(
            loader,
            ["--board", chosen.loader, file.name],
            file.parent,
            "loader.log",
            None,
            LoaderMeter(),
            lambda fraction, doing: progress.fraction(fraction, f"{step}: {doing}"),
        )
    except ResarrayError as error:
        raise ResarrayError(
            f"{error}; is the board plugged in, and may this user open it?"
        ) from error
    write_json(json_path, {"board": chosen.name, "bitstream": str(file)})


def classify(
    program: Path,
    pictures: list[Path],
    port: str,
    board: str,
    description: Path | None,
    timeout: float,
    json_path: Path | None,
    progress: Reporter,
) -> list[str]:
    """Run the pictures, write classes, logits and cycles to ``json_path``, and the int8 values of
    outputs that are no logits; a line per picture.

    A board always runs a whole batch: the last is filled up, which costs nothing. In simulation it
    would cost as much as pictures that somebody wants, and is refused.
    """
    folder = results_dir(find_board(board))
    image = load(program)
    batch = image.manifest["batch"]
    spare = require_whole_batches(image, len(pictures), port)
    inputs = read_inputs(image, open_files(pictures))

    update: Callable[[float], None] | None = None
    shown = ""

    def report(what: str, done: int, total: int) -> None:
        nonlocal update, shown
        if what != shown:
            shown = what
            if total:
                update = progress.measured(what, total, "bytes")
            else:
                update = None
                progress.note(what)
        if update is not None:
            update(done)

    if spare:
        typer.echo(
            f"the last batch of {batch:,} is filled up with {spare:,} copies of '{pictures[-1]}'",
            err=True,
        )
    classes = image.manifest["pixels"]["classes"]
    found = []
    with open_accelerator(port, description or folder / "soc.json", report) as accelerator:
        accelerator.load(image)
        for index, ran in enumerate(run_batches(accelerator, image, inputs, timeout)):
            for number, picture in enumerate(pictures[index * batch : (index + 1) * batch]):
                outputs = {name: values[number] for name, values in ran.outputs.items()}
                answer = _answer(outputs, classes)
                found.append({"picture": str(picture), **answer, "cycles": ran.cycles})
    progress.close()
    write_json(json_path, {"batch": batch, "filled_up": spare, "pictures": found})
    of = f" for {batch:,} pictures" if batch > 1 else ""
    return [
        f"{entry['picture']}: {entry.get('name', 'no classes')} ({entry['cycles']:,} cycles{of})"
        for entry in found
    ]


def _answer(outputs: dict[str, np.ndarray], classes: list[str]) -> dict:
    """The class of int8 outputs [C][H][W] by the first where it is a vector, and the others."""
    first = next(iter(outputs))
    found: dict[str, Any] = {}
    if outputs[first].shape[1:] == (1, 1):
        values = outputs[first].reshape(-1)
        number = int(values.argmax())
        name = classes[number] if number < len(classes) else str(number)
        found = {"class": number, "name": name, "logits": values.tolist()}
    others = {name: v.tolist() for name, v in outputs.items() if name != first or not found}
    return found | ({"outputs": others} if others else {})
