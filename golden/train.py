"""The project's own recipe: a network trained on scikit-learn's digits in under a minute on two
cores, so that nothing has to be downloaded.

Most steps see small images. At the size that the network will run at, the batch norms' statistics
are then measured again and the classifier is fitted to the features; the learning rate follows one
cycle.
"""

import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from resarray.spec.errors import ResarrayError
from resarray.spec.image import write_atomic

from .data import load_images
from .models import ModelSpec, find_model
from .quantise import normalise

CLASSES = 10
# Part of the cached files' names: raise it when the training itself changes.
VERSION = 1
# Progress of a training run: (fraction done, what it is doing).
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters; the cached file's name depends on them.

    Parameters
    ----------
    size:          input size in pixels that the network is trained for
    small_size:    input size of the first epochs
    small_steps:   steps at ``small_size``
    steps:         steps at ``size`` after them
    batch:         images per step
    rate:          highest learning rate
    decay:         weight decay
    shift:         largest shift of an image, as a fraction of its size
    budget:        seconds after which the schedule is cut short; the final fit follows
    seed:          of the initial weights, the order and the shifts
    """

    size: int = 64
    small_size: int = 32
    small_steps: int = 46
    steps: int = 10
    batch: int = 64
    rate: float = 0.03
    decay: float = 5e-4
    shift: float = 0.0
    budget: float = 30.0
    seed: int = 0


RECIPES = {
    "resnet18": Recipe(),
    "resnet34": Recipe(),
    "resnet8": Recipe(size=16, small_steps=0, steps=180, rate=0.2),
}
_CIFAR = Recipe(size=32, small_size=16, small_steps=110, steps=20, rate=0.1)


def recipe_for(model_name: str) -> Recipe:
    """The recipe of a zoo model."""
    return RECIPES.get(model_name, _CIFAR)


def digits_size(model_name: str) -> int:
    """The input size that a zoo model is trained for on digits."""
    return recipe_for(model_name).size


def train(
    model_name: str, recipe: Recipe | None = None, progress: Progress | None = None
) -> nn.Module:
    """A zoo model trained on the digits' training split, in evaluation mode.

    The result depends on the recipe alone unless its time budget cuts the schedule short, which
    begins when half of it is spent and less than half of the steps are done.
    """
    spec = find_model(model_name)
    if not spec.zoo:
        raise ResarrayError(f"'{model_name}' is not a zoo model: give its trained weights")
    recipe = recipe or recipe_for(model_name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = spec.build(CLASSES).to(memory_format=torch.channels_last)
        _fit(model, spec, recipe, progress or (lambda fraction, what: None))
    return model.eval()


def _fit(model: nn.Module, spec: ModelSpec, recipe: Recipe, progress: Progress) -> None:
    start = time.monotonic()
    sizes = [recipe.small_size] * recipe.small_steps + [recipe.size] * recipe.steps
    data = {s: load_images("digits-train", s, spec.channels) for s in {*sizes, recipe.size}}
    inputs = {s: normalise(images.pixels, spec.mean, spec.std) for s, images in data.items()}
    labels = torch.from_numpy(data[recipe.size].labels)
    order = _batches(len(labels), recipe.batch)
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=recipe.rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=recipe.decay,
    )
    model.train()
    for step, size in enumerate(sizes):
        done, elapsed = step / len(sizes), (time.monotonic() - start) / recipe.budget
        if elapsed >= 1:
            break
        if elapsed > max(done, 0.5):  # too slow: follow the clock, at the cost of repeatability
            done = elapsed
        optimiser.param_groups[0]["lr"] = recipe.rate * _one_cycle(done)
        chosen = next(order)
        x = _shifted(inputs[size][chosen], recipe.shift)
        loss = functional.cross_entropy(
            model(x.contiguous(memory_format=torch.channels_last)), labels[chosen]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress(done, f"step {step + 1} of {len(sizes)}, loss {loss.item():.3f}")
    _settle_batch_norms(model, inputs[recipe.size])
    _settle_classifier(model, inputs[recipe.size], labels)
    progress(1.0, "trained")


def _batches(count: int, batch: int) -> Iterator[Tensor]:
    """Indices of batches, every image once before any comes again; endless."""
    while True:
        yield from torch.randperm(count).tensor_split(math.ceil(count / batch))


def _one_cycle(done: float) -> float:
    """Learning rate as a fraction of its maximum: up over the first fifth, then down to near 0."""
    rise = 0.2
    if done < rise:
        return 0.1 + 0.9 * done / rise
    return max(0.002, 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise))))


def _shifted(x: Tensor, fraction: float) -> Tensor:
    """The batch moved by a random number of pixels, the border repeated."""
    reach = round(fraction * x.shape[2])
    if not reach:
        return x
    dy, dx = torch.randint(0, 2 * reach + 1, (2,)).tolist()
    padded = functional.pad(x, (reach,) * 4, mode="replicate")
    return padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]]


@torch.no_grad()
def _settle_batch_norms(model: nn.Module, x: Tensor, images: int = 512) -> None:
    """Batch-norm statistics of the final weights: the mean over batches of 64 training images."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    model.train()
    for batch in x[:images].split(64):
        model(batch.contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _settle_classifier(model: nn.Module, x: Tensor, labels: Tensor, decay: float = 1e-3) -> None:
    """Fit the last linear layer to the final features: logistic regression by L-BFGS."""
    classifier = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    features: list[Tensor] = []
    hook = classifier.register_forward_pre_hook(lambda _, args: features.append(args[0]))
    float_logits(model, x)
    hook.remove()
    known = torch.cat(features).clone()  # outside inference mode
    optimiser = torch.optim.LBFGS(
        classifier.parameters(), max_iter=100, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(classifier(known), labels)
        value = value + decay * classifier.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)


@torch.inference_mode()
def float_logits(model: nn.Module, x: Tensor, batch: int = 64) -> np.ndarray:
    """float32 [N][classes] for normalised images [N][C][H][W]."""
    model.eval()
    return torch.cat([model(part) for part in x.split(batch)]).numpy()


def top1(logits: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of images whose largest logit (the first, if equal) is the label's."""
    return float((logits.argmax(1) == labels).mean())


def evaluate(model: nn.Module, spec: ModelSpec, source: str = "digits", size: int = 64) -> float:
    """Float top-1 of ``model`` on all images of ``source``."""
    images = load_images(source, size, spec.channels)
    return top1(float_logits(model, normalise(images.pixels, spec.mean, spec.std)), images.labels)


def cache_folder() -> Path:
    """``$RESARRAY_CACHE`` or ``~/.cache/resarray``."""
    folder = os.environ.get("RESARRAY_CACHE")
    return Path(folder) if folder else Path.home() / ".cache" / "resarray"


def cached_weights(model_name: str, progress: Progress | None = None) -> Path:
    """The file with the digits-trained weights of a zoo model; trains it on first use."""
    recipe = recipe_for(model_name)
    key = json.dumps([VERSION, model_name, dataclasses.asdict(recipe)], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    path = cache_folder() / f"{model_name}-digits-{digest}.pth"
    if not path.is_file():
        state = train(model_name, recipe, progress).state_dict()
        buffer = BytesIO()
        torch.save({name: value.contiguous() for name, value in state.items()}, buffer)
        write_atomic(path, buffer.getvalue())
    return path
