"""Behind ``resarray accuracy``: what the float and the integer network get right."""

import dataclasses
from pathlib import Path

from resarray.golden import accuracy as golden_accuracy
from resarray.golden import distribute
from resarray.spec.pixels import size_text

from .network import warn
from .options import NetworkOptions
from .output import write_json
from .progress import Reporter

# Layers and classes that are named.
SHOWN = 5


def accuracy(
    options: NetworkOptions,
    crops: int,
    jobs: int | None,
    scheduler: str | None,
    json_path: Path | None,
    progress: Reporter,
) -> str:
    """Evaluate the networks over the images; lines for the user, and all figures to
    ``json_path``."""
    found = golden_accuracy.accuracy(
        **options.arguments(),
        crops=crops,
        jobs=jobs or distribute.cores(),
        scheduler=scheduler,
        progress=progress.fraction,
    )
    warn(found.warnings, progress)
    write_json(json_path, dataclasses.asdict(found))
    return "\n".join(lines(found))


def lines(found: golden_accuracy.Accuracy) -> list[str]:
    """What a user wants to know first."""
    of_crops = f" ({found.crops} crops each)" if found.crops > 1 else ""
    text = [
        f"{found.model} at {size_text(found.input_size)} on {found.count} images of "
        f"{found.images}{of_crops}: float {_percent(found.float_top1)}, integer "
        f"{_percent(found.int8_top1)} (the same class on {_percent(found.agreement)}), integer "
        f"reference {found.seconds:.1f} s",
        f"among the first {golden_accuracy.TOP}: float {_percent(found.float_top5)}, integer "
        f"{_percent(found.int8_top5)}",
    ]
    noisy = [row for row in found.layers if row.sqnr_db is not None][:SHOWN]
    if noisy:
        layers = ", ".join(f"{row.layer} {row.sqnr_db:.1f} dB" for row in noisy)
        text.append(f"lowest signal-to-noise ratios: {layers}")
    losing = [row for row in found.classes if row.int8_top1 < row.float_top1][:SHOWN]
    if losing:
        classes = ", ".join(
            f"'{row.name}' from {_percent(row.float_top1)} to {_percent(row.int8_top1)}"
            for row in losing
        )
        text.append(f"classes that lose most: {classes}")
    return text


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
