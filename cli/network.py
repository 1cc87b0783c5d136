"""Behind the commands that need the golden model: options to networks, with progress."""

import sys

from resarray.golden import pipeline

from .options import NetworkOptions
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
