"""Behind the commands that need the golden model: options to networks, with progress."""

import io
import sys
from pathlib import Path

from resarray.golden import pipeline
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_together

from .options import NetworkOptions
from .output import json_file
from .progress import Reporter


def prepare(options: NetworkOptions, progress: Reporter) -> pipeline.Prepared:
    """The quantised network with its images and golden tensors; says what a user should know."""
    prepared = pipeline.prepare(**options.arguments(), progress=progress.fraction)
    warn(prepared.warnings, progress)
    return prepared


def warn(warnings: list[str], progress: Reporter) -> None:
    """What a user should know, on standard error."""
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
