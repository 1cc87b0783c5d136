"""Behind ``resarray bitstream``, ``program`` and ``run``."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import typer

from resarray.fpga import tools
from resarray.fpga.bitstream import SUMMARY, build_bitstream, results_dir
from resarray.fpga.boards import board as find_board
from resarray.fpga.host.accelerator import SIMULATION, Accelerator
from resarray.fpga.process import LoaderMeter, run_tool
from resarray.fpga.projection import describe as describe_projection
from resarray.golden.data import open_files
from resarray.spec.errors import ResarrayError
from resarray.spec.image import Image, load
from resarray.spec.layout import from_dict
from resarray.spec.pixels import quantise_pixels
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
    chosen = find_board(board)
    image = load(program)
    batch = image.manifest["batch"]
    spare = -len(pictures) % batch
    if spare and port == SIMULATION:
        raise ResarrayError(
            f"the program runs batches of {batch:,} pictures, {len(pictures):,} given: the "
            f"simulation would take as long as for whole batches; give a multiple of {batch:,}, or "
            "compile it with a smaller --batch"
        )
    inputs = read_inputs(image, pictures)
    if description is None and port != SIMULATION:
        description = results_dir(chosen) / "soc.json"

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
    outputs = list(dict.fromkeys(image.manifest["outputs"]))
    found = []
    with Accelerator.open(port, description, progress=report) as accelerator:
        accelerator.load(image)
        for start in range(0, len(pictures), batch):
            # The last batch is filled up with its last picture.
            chosen_inputs = inputs[[min(start + i, len(inputs) - 1) for i in range(batch)]]
            accelerator.write_inputs(chosen_inputs)
            accelerator.run(timeout)
            values = accelerator.tensors({*outputs})
            cycles = accelerator.counters()["CYCLES"]
            for number, picture in enumerate(pictures[start : start + batch]):
                answer = _answer({name: values[name][number] for name in outputs}, classes)
                found.append({"picture": str(picture), **answer, "cycles": cycles})
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


def read_inputs(image: Image, pictures: list[Path]) -> np.ndarray:
    """int8 [N, C, H, W] of picture files, for a program that knows its pixels."""
    if "pixels" not in image.manifest:
        raise ResarrayError(
            "the program does not say how pictures become its inputs: compile it again with "
            "'resarray compile'"
        )
    pixels, entry = image.manifest["pixels"], image.manifest["inputs"][0]
    shape = from_dict(entry["layout"])
    if shape.channels not in (1, 3):
        raise ResarrayError(
            f"the program takes {shape.channels} channels, pictures have 1 or 3: write such inputs "
            "from Python, with resarray.fpga.host"
        )
    read = open_files(pictures).read((shape.height, shape.width), shape.channels)
    return quantise_pixels(
        read.pixels, pixels["mean"], pixels["std"], entry["scale"], entry["zero_point"]
    )
