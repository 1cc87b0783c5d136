"""Training as users know it: a network of any kind on images of any kind, in epochs.

Every epoch draws from generators of its own, seeded by ``seed`` and its number, so that what goes
on from a checkpoint ends with the same bits as what was never interrupted.
"""

import dataclasses
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from resarray.spec.errors import ResarrayError, reason
from resarray.spec.pixels import Size, size_text
from resarray.spec.progress import Progress, silent

from . import user_model
from .augment import Augmentation
from .data import Images, Source, open_source, spread
from .datasets import open_images
from .pipeline import CALIBRATION_COUNT, Subject, open_subject
from .qat import FakeQuantised

# Bytes of pixels that are kept; of more, each batch is read anew.
MEMORY = 1 << 31
DEVICES = ("auto", "cpu", "cuda")
FORMAT = 1  # of checkpoints
VALIDATION = 0.1


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters.

    epochs:    over all images
    batch:     images per step; the last of an epoch may have fewer
    rate:      highest learning rate: reached in ``warmup`` epochs from a tenth, then down to 0 as
               a cosine
    momentum:  Nesterov's
    decay:     of the weights; those of one dimension (biases, batch norms) have none
    smoothing: of the labels
    augment:   random changes of the images
    quantised: train through the integer graph, batch norms fixed, see `qat`
    seed:      of the initial weights, the held-out images, their order and changes
    """

    epochs: int = 10
    batch: int = 64
    rate: float = 0.05
    warmup: float = 0.5
    momentum: float = 0.9
    decay: float = 5e-4
    smoothing: float = 0.0
    augment: Augmentation = field(default_factory=Augmentation)
    quantised: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch", 1, 1 << 20),
            ("rate", 0, 1e6),
            ("warmup", 0, self.epochs),
            ("momentum", 0, 1),
            ("decay", 0, 1e6),
            ("smoothing", 0, 1),
            ("seed", 0, (1 << 63) - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # of NaN, too
                raise ResarrayError(f"--{name} {value}: {low} to {high} is allowed")
        if not 0 <= self.augment.colour <= 1:
            raise ResarrayError(f"--colour {self.augment.colour}: 0 to 1 is allowed")


@dataclass(frozen=True)
class Epoch:
    """Of one epoch: mean loss and top-1 fraction on the training images as they were changed, and
    on the held-out ones; the learning rate at its end; seconds."""

    epoch: int
    train_loss: float
    train_top1: float
    loss: float
    top1: float
    rate: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """The network in evaluation mode, a row per epoch, and what a user should know."""

    name: str
    model: nn.Module
    epochs: list[Epoch]
    images: int
    held_out: int
    warnings: list[str]


def train(
    model: str,
    weights: str | None = None,
    images: str | None = None,
    *,
    validation: str | float | None = None,
    settings: Settings | None = None,
    device: str = "auto",
    save: Callable[[bytes], None] | None = None,
    resume: str | Path | None = None,
    report: Callable[[Epoch], None] = lambda row: None,
    progress: Progress = silent,
    **options,
) -> Trained:
    """A trained network.

    Parameters
    ----------
    model, weights:  as of `pipeline.build_network`; weights to start from
    images:          with labels; None: the digits' training split
    validation:      fraction of the images that is held out, or another source; None: of the
                     digits the split that is not trained on, else `VALIDATION`
    save:            takes a checkpoint after each epoch
    resume:          a checkpoint to go on from, of the same settings
    report:          takes each epoch's row
    options:         input_size, mean, std of `pipeline.build_network`
    """
    settings = settings or Settings()
    place = _device(device, settings.quantised)
    before = None if resume is None else _read(resume, settings, model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        subject = open_subject(model, weights, images or "digits-train", **options)
        if validation is None:
            validation = "digits" if images is None else VALIDATION
        _require_crop(settings.augment.crop, subject.size)
        training, held_out = _split(subject, validation, settings.seed)
        run = _Run(subject, settings, training, held_out, place)
        rows = run.fit(before, save, report, progress)
    subject.model.cpu().eval()
    user_model.require_finite(subject.model, subject.spec.name)
    return Trained(
        subject.spec.name, subject.model, rows, len(training), len(held_out), subject.warnings
    )


class _Run:
    """What an epoch needs."""

    def __init__(
        self,
        subject: Subject,
        settings: Settings,
        training: "_Set",
        held_out: "_Set",
        device: torch.device,
    ):
        self.subject, self.settings, self.device = subject, settings, device
        self.training, self.held_out = training, held_out
        self.module = subject.model.to(device)
        self.module.requires_grad_(True)
        shape = (subject.channels, *subject.size)
        self.quantised: FakeQuantised | None = None
        if settings.quantised:
            self.quantised = FakeQuantised(self.module, shape, subject.spec.name)
        self.optimiser = torch.optim.SGD(
            _groups(self.module, settings.decay),
            lr=settings.rate,
            momentum=settings.momentum,
            nesterov=settings.momentum > 0,
        )
        self.steps = math.ceil(len(training) / settings.batch)
        self.scheduler = _schedule(self.optimiser, settings, self.steps)

    def fit(
        self,
        before: dict | None,
        save: Callable[[bytes], None] | None,
        report: Callable[[Epoch], None],
        progress: Progress,
    ) -> list[Epoch]:
        rows: list[Epoch] = []
        if before is not None:
            rows = self._restore(before)
        for number in range(len(rows), self.settings.epochs):
            start = time.monotonic()
            loss, top1 = self._train(number, progress)
            held_loss, held_top1 = self._validate()
            seconds = time.monotonic() - start
            rate = float(self.scheduler.get_last_lr()[0])
            rows.append(Epoch(number + 1, loss, top1, held_loss, held_top1, rate, seconds))
            if save is not None:
                save(self._checkpoint(rows))
            report(rows[-1])
        return rows

    def _train(self, number: int, progress: Progress) -> tuple[float, float]:
        settings = self.settings
        own, dropout = np.random.SeedSequence([settings.seed, number]).generate_state(2)
        torch.manual_seed(int(dropout))
        generator = torch.Generator().manual_seed(int(own))
        self.module.train(self.quantised is None)
        if self.quantised is not None:
            chosen = spread(len(self.training), CALIBRATION_COUNT)
            self.quantised.settle(self.training.inputs(torch.from_numpy(chosen), None, None)[0])
        total, right = 0.0, 0
        order = torch.randperm(len(self.training), generator=generator)
        for step, chosen in enumerate(order.split(settings.batch)):
            if len(chosen) == 1 and len(order) > 1 and self.quantised is None:
                self.scheduler.step()
                continue  # a batch norm learns nothing of one image, or fails
            x, labels = self.training.inputs(chosen, settings.augment, generator)
            labels = labels.to(self.device)
            logits = self._logits(x)
            loss = functional.cross_entropy(logits, labels, label_smoothing=settings.smoothing)
            if not torch.isfinite(loss):
                raise ResarrayError(
                    f"the loss is no longer finite in epoch {number + 1}, step {step + 1}: give a "
                    "lower --rate, or a longer --warmup"
                )
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.scheduler.step()
            total += loss.item() * len(chosen)
            right += int((logits.argmax(1) == labels).sum())
            done = (number + (step + 1) / self.steps) / settings.epochs
            progress(
                done,
                f"training {self.subject.spec.name}: epoch {number + 1} of {settings.epochs}, "
                f"loss {loss.item():.3f}",
            )
        return total / len(order), right / len(order)

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        self.module.eval()
        total, right = 0.0, 0
        for chosen in torch.arange(len(self.held_out)).split(self.settings.batch):
            x, labels = self.held_out.inputs(chosen, None, None)
            logits, labels = self._logits(x), labels.to(self.device)
            total += functional.cross_entropy(logits, labels, reduction="sum").item()
            right += int((logits.argmax(1) == labels).sum())
        return total / len(self.held_out), right / len(self.held_out)

    def _logits(self, x: Tensor) -> Tensor:
        if self.quantised is not None:
            try:
                return self.quantised(x)
            except ResarrayError as error:  # weights that no longer are those of a network
                raise ResarrayError(
                    f"training through the integers came to weights that cannot be quantised "
                    f"({error}): give a lower --rate"
                ) from error
        name = self.subject.spec.name
        with user_model.users_code(f"forward() of model '{name}' fails in training"):
            answer = self.module(x.to(self.device))
        return user_model.outputs_of(answer)[0].flatten(1)

    def _checkpoint(self, rows: list[Epoch]) -> bytes:
        buffer = io.BytesIO()
        torch.save(
            {
                "format": FORMAT,
                "settings": dataclasses.asdict(self.settings),
                "state_dict": self.module.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "epochs": [dataclasses.asdict(row) for row in rows],
            },
            buffer,
        )
        return buffer.getvalue()

    def _restore(self, before: dict) -> list[Epoch]:
        try:
            self.module.load_state_dict(before["state_dict"])
            self.optimiser.load_state_dict(before["optimiser"])
            self.scheduler.load_state_dict(before["scheduler"])
            return [Epoch(**row) for row in before["epochs"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ResarrayError(
                f"the checkpoint of --resume is of another network ({reason(error)}): give the "
                "options that it was trained with"
            ) from error


class _Set:
    """Some images of a source, fitted to the network."""

    def __init__(self, subject: Subject, source: Source, indices: np.ndarray):
        self.subject, self.source, self.indices = subject, source, indices
        height, width = subject.size
        self.kept: Images | None = None
        if len(indices) * subject.channels * height * width <= MEMORY:
            self.kept = self._read(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def _read(self, indices: np.ndarray) -> Images:
        return self.source.read(self.subject.size, self.subject.channels, indices)

    def inputs(
        self, chosen: Tensor, augment: Augmentation | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """float [n][C][H][W], and their labels int64 [n]."""
        numbers = chosen.numpy()
        if self.kept is not None:
            pixels, labels = self.kept.pixels[numbers], self.kept.labels
            labels = None if labels is None else labels[numbers]
        else:
            found = self._read(self.indices[numbers])
            pixels, labels = found.pixels, found.labels
        assert labels is not None  # else it is refused
        x = torch.from_numpy(np.ascontiguousarray(pixels))
        if pixels.dtype == np.uint8:
            x = x.permute(0, 3, 1, 2).float().contiguous() / 255
            if augment is not None and generator is not None:
                x = augment.pixels(x, generator)
            assert self.subject.mean is not None and self.subject.std is not None
            mean, std = (torch.tensor(v) for v in (self.subject.mean, self.subject.std))
            x = (x - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1)
        if augment is not None and generator is not None:
            x = augment.places(x, generator)
        return x, torch.from_numpy(labels)


def _split(subject: Subject, validation: str | float, seed: int) -> tuple[_Set, _Set]:
    source = subject.source
    if isinstance(validation, str):
        other = open_source(validation) if validation == "digits" else open_images(validation)
        if other.labels is None:
            raise ResarrayError(f"images '{other.name}' of --validation have no labels")
        if other.ready != source.ready:
            raise ResarrayError(
                f"images '{source.name}' and '{other.name}' are of two kinds, pixels and float "
                "tensors: give both as pixels, or both as tensors that are ready for the network"
            )
        if source.by_folder and other.by_folder and source.classes != other.classes:
            raise ResarrayError(
                f"the class folders of '{other.name}' are called otherwise than those of "
                f"'{source.name}': give both the same classes"
            )
        if other.labels.max() >= subject.classes:
            raise ResarrayError(
                f"images '{other.name}' have labels up to {other.labels.max()}, the network has "
                f"{subject.classes} classes: give images of the same classes"
            )
        everything = np.arange(source.count)
        return _Set(subject, source, everything), _Set(subject, other, np.arange(other.count))
    if not 0 < validation < 1:
        raise ResarrayError(
            f"--validation {validation:g}: give a fraction between 0 and 1, or images"
        )
    order = np.random.default_rng(seed).permutation(source.count)
    held = round(source.count * validation)
    if not 0 < held < source.count:
        raise ResarrayError(
            f"{source.count} images cannot be divided into {validation:g} for validation and the "
            "rest: give more images, or --validation IMAGES"
        )
    parts = (np.sort(part) for part in (order[held:], order[:held]))
    training, held_out = (_Set(subject, source, part) for part in parts)
    return training, held_out


def _require_crop(crop: int, size: Size) -> None:
    if crop >= min(size):  # nothing of the image could be left
        raise ResarrayError(
            f"--crop {crop}: of images of {size_text(size)}, 0 to {min(size) - 1} is allowed"
        )


def _groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    parameters = list(module.parameters())
    if not parameters:
        raise ResarrayError("the network has no parameters: there is nothing to train")
    kinds = ([p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1])
    both = ({"params": kinds[0], "weight_decay": decay}, {"params": kinds[1], "weight_decay": 0.0})
    return [group for group in both if group["params"]]


def _schedule(optimiser: torch.optim.Optimizer, settings: Settings, steps: int) -> LRScheduler:
    total = settings.epochs * steps
    rise = min(total - 1, round(settings.warmup * steps))
    down = CosineAnnealingLR(optimiser, max(1, total - rise))
    if rise < 1:
        return down
    up = LinearLR(optimiser, 0.1, total_iters=rise)
    return SequentialLR(optimiser, [up, down], [rise])


def _device(name: str, quantised: bool) -> torch.device:
    if name not in DEVICES:
        raise ResarrayError(f"--device {name}: choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ResarrayError("--device cuda: PyTorch finds no GPU here: choose cpu, or auto")
    if quantised and name == "cuda":
        raise ResarrayError("--qat computes the integers on the CPU: choose --device cpu, or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() and not quantised else "cpu"
    return torch.device(name)


def _read(path: str | Path, settings: Settings, model: str) -> dict:
    """A checkpoint, as it was saved, of the same settings."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ResarrayError(
            f"checkpoint '{path}' does not exist: give a file of --checkpoint"
        ) from None
    except Exception as error:  # a broken pickle can raise anything, in many words
        why = error.strerror if isinstance(error, OSError) else None
        raise ResarrayError(
            f"checkpoint '{path}' cannot be read ({why or 'it is none, or damaged'}): give a file "
            "of --checkpoint"
        ) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ResarrayError(f"'{path}' is no checkpoint of 'resarray train': give one")
    now = dataclasses.asdict(settings)
    other = [name for name, value in found["settings"].items() if now.get(name) != value]
    if other:
        raise ResarrayError(
            f"checkpoint '{path}' was trained with {other[0]} {found['settings'][other[0]]}, not "
            f"{now.get(other[0])}: give the options that it was trained with"
        )
    return found
