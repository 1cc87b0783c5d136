"""Behind ``resarray train``: the project's own recipe, or training as the options say."""

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from resarray.golden import train as recipes
from resarray.golden import training
from resarray.golden.augment import Augmentation
from resarray.golden.weights import TORCH_SUFFIXES
from resarray.report.curves import page
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic, write_together

from .network import warn
from .options import NetworkOptions
from .output import json_file
from .progress import Reporter

SAFETENSORS = ".safetensors"
# Of fine-tuning: the weights are trained already.
QAT_RATE = 0.001
# With these alone, it is the recipe that 'sim' takes.
_OF_RECIPE = {"model", "output", "json"}


@dataclass(frozen=True)
class Request:
    """The options of ``resarray train``; None: the default."""

    model: str
    weights: Path | None
    images: str | None
    validation: str | None
    input_size: str | None
    mean: str | None
    std: str | None
    epochs: int | None
    batch: int | None
    rate: float | None
    warmup: float | None
    momentum: float | None
    decay: float | None
    smoothing: float | None
    crop: int | None
    flip: bool | None
    colour: float | None
    qat: bool | None
    device: str | None
    seed: int | None
    output: Path | None
    checkpoint: Path | None
    resume: Path | None
    json: Path | None
    curves: Path | None

    @property
    def is_recipe(self) -> bool:
        """Whether nothing but a model of the zoo is asked for."""
        asked = {k for k, value in vars(self).items() if value is not None}
        return asked <= _OF_RECIPE and ":" not in self.model

    def settings(self) -> training.Settings:
        """`ResarrayError` where an option is not what it must be."""
        names = ("epochs", "batch", "rate", "warmup", "momentum", "decay", "smoothing", "seed")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.qat:
            given = {"rate": QAT_RATE} | given
        augment = Augmentation(self.crop or 0, bool(self.flip), self.colour or 0.0)
        return training.Settings(**given, augment=augment, quantised=bool(self.qat))


def only_one(argument: str | None, option: str | None) -> str:
    """The model, which may be given in one of two ways."""
    if argument is not None and option is not None:
        raise ResarrayError(f"two models are given, '{argument}' and '{option}': give one")
    return argument or option or "resnet18"


def train(request: Request, progress: Reporter) -> str:
    """Train, write what was asked for; a line for the user."""
    _require_readable(request.output)
    if request.is_recipe:
        return _by_recipe(request, progress)
    settings = request.settings()
    if request.output is None:
        raise ResarrayError("nothing says where the trained weights go: give -o FILE")
    options = NetworkOptions(
        request.model, input_size=request.input_size, mean=request.mean, std=request.std
    ).arguments()

    def save(data: bytes) -> None:
        if request.checkpoint is not None:
            write_atomic(request.checkpoint, data)

    def report(row: training.Epoch) -> None:
        progress.close()
        progress.console.print(
            f"epoch {row.epoch} of {settings.epochs}: loss {row.train_loss:.3f}, top-1 "
            f"{100 * row.train_top1:.2f} %; held out {row.loss:.3f}, {100 * row.top1:.2f} %; "
            f"{row.seconds:.1f} s",
            highlight=False,
            soft_wrap=True,
        )

    found = training.train(
        request.model,
        None if request.weights is None else str(request.weights),
        request.images,
        validation=_fraction(request.validation),
        settings=settings,
        device=request.device or "auto",
        save=save if request.checkpoint is not None else None,
        resume=request.resume,
        report=report,
        progress=progress.fraction,
        **{name: options[name] for name in ("input_size", "mean", "std")},
    )
    warn(found.warnings, progress)
    rows = [dataclasses.asdict(row) for row in found.epochs]
    facts = {
        "model": found.name,
        "weights": str(request.output),
        "images": found.images,
        "held_out": found.held_out,
        "settings": dataclasses.asdict(settings),
        "epochs": rows,
    }
    files = {request.output: _encoded(found.model.state_dict(), request.output)}
    if request.curves is not None:
        files[request.curves] = page(found.name, rows).encode()
    write_together(files | json_file(request.json, facts))
    return (
        f"weights of {found.name}: {request.output}, top-1 {100 * found.epochs[-1].top1:.2f} % on "
        f"{found.held_out} held-out images"
    )


def _by_recipe(request: Request, progress: Reporter) -> str:
    output, files = request.output, {}
    if output is None:
        output = recipes.cached_weights(request.model, progress.fraction)
    else:
        trained = recipes.train(request.model, progress=progress.fraction)
        files = {output: _encoded(trained.state_dict(), output)}
    facts = {"model": request.model, "weights": str(output)}
    write_together(files | json_file(request.json, facts))
    return f"weights of {request.model}: {output}"


def _require_readable(output: Path | None) -> None:
    suffixes = (*TORCH_SUFFIXES, SAFETENSORS)
    if output is not None and output.suffix not in suffixes:
        raise ResarrayError(
            f"cannot write weights '{output}', which --weights could not read: the name must end "
            f"in {', '.join(suffixes[:-1])} or {suffixes[-1]}"
        )


def _fraction(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _encoded(state: dict[str, Tensor], path: Path) -> bytes:
    """A state dictionary as a file of the kind that ``path`` names."""
    if path.suffix == SAFETENSORS:
        from resarray.golden.weights import to_safetensors

        return to_safetensors(state)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
