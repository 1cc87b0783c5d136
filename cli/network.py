"""Behind the commands that need the golden model: options to networks, with progress."""

import dataclasses
import io
import sys
from pathlib import Path

from resarray.golden import accuracy as golden_accuracy
from resarray.golden import pipeline
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_together
from resarray.spec.pixels import size_text

from .options import NetworkOptions
from .output import json_file, write_json
from .progress import Reporter


def prepare(options: NetworkOptions, progress: Reporter) -> pipeline.Prepared:
    """The quantised network with its images and golden tensors; says what a user should know."""
    prepared = pipeline.prepare(**options.arguments(), progress=progress.fraction)
    _warn(prepared.warnings, progress)
    return prepared


def _warn(warnings: list[str], progress: Reporter) -> None:
    progress.close()
    for sentence in warnings:
        print(f"warning: {sentence}", file=sys.stderr)


def train(model: str, output: Path | None, json_path: Path | None, progress: Reporter) -> str:
    """Train a zoo model on the digits, to ``output`` or to the cache, and write to ``json_path``
    where that is; a line for the user."""
    import torch

    from resarray.golden import train as golden_train
    from resarray.golden.weights import TORCH_SUFFIXES

    if output is not None and output.suffix not in TORCH_SUFFIXES:
        raise ResarrayError(
            f"cannot write weights '{output}', which --weights could not read: the name must end "
            f"in {', '.join(TORCH_SUFFIXES[:-1])} or {TORCH_SUFFIXES[-1]}"
        )
    if output is None:
        output = golden_train.cached_weights(model, progress.fraction)
        files = {}
    else:
        trained = golden_train.train(model, progress=progress.fraction)
        buffer = io.BytesIO()
        torch.save(trained.state_dict(), buffer)
        files = {output: buffer.getvalue()}
    write_together(files | json_file(json_path, {"model": model, "weights": str(output)}))
    return f"weights of {model}: {output}"


def accuracy(options: NetworkOptions, json_path: Path | None, progress: Reporter) -> str:
    """Top-1 of the float and the integer network over the images; lines for the user."""
    found = golden_accuracy.accuracy(**options.arguments(), progress=progress.fraction)
    _warn(found.warnings, progress)
    write_json(json_path, dataclasses.asdict(found))
    return (
        f"{found.model} at {size_text(found.input_size)} on {found.count} images of "
        f"{found.images}: float {100 * found.float_top1:.2f} %, integer "
        f"{100 * found.int8_top1:.2f} % (the same class on {100 * found.agreement:.2f} %), integer "
        f"reference {found.seconds:.1f} s"
    )
