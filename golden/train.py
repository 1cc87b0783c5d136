"""The project's own recipe: a network trained on the digits in under a minute on two cores, so
that nothing has to be downloaded.

About one epoch of gradient descent shapes the features; then the batch norms' statistics are
measured again and the classifier is fitted to the features.
"""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from resarray.spec.cache import cache_folder, require_writable_cache
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic
from resarray.spec.progress import Progress, silent

from .data import load_images
from .models import ZOO, ZooModel, classifier_of, find_model
from .networks import names
from .quantise import normalise

CLASSES = 10
# Part of the cached files' names: raise it when the training itself changes.
VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters; the cached file's name depends on them.

    Parameters
    ----------
    size:    height and width in pixels that the network is trained at
    steps:   steps of the optimiser; 0: random features, for networks that take too long
    batch:   images per step
    rate:    highest learning rate
    decay:   weight decay
    budget:  seconds after which the schedule is cut short; the final fit follows
    seed:    of the initial weights and the order of the images
    """

    size: int = 64
    steps: int = 44
    batch: int = 32
    rate: float = 0.03
    decay: float = 5e-4
    budget: float = 26.0
    seed: int = 0


_DIGITS = Recipe(size=28, steps=300, batch=64, rate=0.05)
RECIPES = (
    {name: Recipe(steps=0) for name in (*names.IMAGENET, *names.OTHERS)}
    # At 64x64 they would take minutes.
    | {name: Recipe(size=32, steps=0) for name in names.VGG}
    | {name: _DIGITS for name in names.DIGITS}
    # Without batch norms and with few activations, it diverges at higher rates.
    | {"digits_inception": dataclasses.replace(_DIGITS, steps=200, rate=0.005)}
    | {name: Recipe() for name in ("resnet18", "resnet34", "resnet18_c", "resnet18_gray")}
    | {
        "preact_resnet18": Recipe(),
        "resnet18_unpadded": Recipe(size=32),
        "resnet8": Recipe(size=16, steps=180, batch=64, rate=0.2),
        "alexnet": Recipe(size=224, steps=0),
    }
)
_CIFAR = Recipe(size=32, steps=90, rate=0.1)


def recipe_for(model_name: str) -> Recipe:
    """The recipe of a zoo model."""
    return RECIPES.get(model_name, _CIFAR)


def digits_size(model_name: str) -> int:
    """The input size that a zoo model is trained for on digits."""
    return recipe_for(model_name).size


def train(model_name: str, recipe: Recipe | None = None, progress: Progress = silent) -> nn.Module:
    """A zoo model trained on the digits' training split, in evaluation mode.

    The result depends on the recipe alone unless its time budget cuts the schedule short, which
    begins when half of it is spent and less than half of the steps are done.
    """
    if model_name not in ZOO and ":" not in model_name:
        raise ResarrayError(f"unknown model '{model_name}': choose one of {', '.join(ZOO)}")
    spec = find_model(model_name)
    if not isinstance(spec, ZooModel):
        raise ResarrayError(f"'{model_name}' is not a zoo model: give its trained weights")
    recipe = recipe or recipe_for(model_name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = spec.build(CLASSES)
        # PyTorch's types lack this argument by itself.
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _fit(model, spec, recipe, progress)
    return model.eval()


def _fit(model: nn.Module, spec: ZooModel, recipe: Recipe, progress: Progress) -> None:
    images = load_images("digits-train", recipe.size, spec.channels)
    inputs = normalise(images.pixels, spec.mean, spec.std)
    assert images.labels is not None  # the digits have labels
    labels = torch.from_numpy(images.labels)
    order = _batches(len(labels), recipe.batch)
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=recipe.rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=recipe.decay,
    )
    title = f"training {spec.name} on digits"
    model.train()
    start = time.monotonic()  # importing the optimiser took seconds
    for step in range(recipe.steps):
        done, elapsed = step / recipe.steps, (time.monotonic() - start) / recipe.budget
        if elapsed >= 1:
            break
        if elapsed > max(done, 0.5):  # too slow: follow the clock, at the cost of repeatability
            done = elapsed
        optimiser.param_groups[0]["lr"] = recipe.rate * _one_cycle(done)
        chosen = next(order)
        x = inputs[chosen].contiguous(memory_format=torch.channels_last)
        loss = functional.cross_entropy(model(x), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress(done, f"{title}: step {step + 1} of {recipe.steps}, loss {loss.item():.3f}")
    _settle_batch_norms(model, inputs)
    _settle_classifier(model, inputs, labels)
    progress(1.0, f"{title}: trained")


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


@torch.no_grad()
def _settle_batch_norms(model: nn.Module, x: Tensor, images: int = 512) -> None:
    """Batch-norm statistics of the final weights: the mean over batches of 64 training images."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms:
        return
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
    """Fit the last layer to the final features: logistic regression by L-BFGS. Behind a convolution
    come a ReLU and the average over its pixels."""
    _, classifier = classifier_of(model)
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
        logits = classifier(known)
        if logits.ndim == 4:
            logits = logits.relu().mean((2, 3))
        value = functional.cross_entropy(logits, labels)
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


def evaluate(model: nn.Module, spec: ZooModel, source: str = "digits", size: int = 64) -> float:
    """Float top-1 of ``model`` on all images of ``source``, which has labels."""
    images = load_images(source, size, spec.channels)
    assert images.labels is not None
    return top1(float_logits(model, normalise(images.pixels, spec.mean, spec.std)), images.labels)


def cached_weights(model_name: str, progress: Progress = silent) -> Path:
    """The file with the digits-trained weights of a zoo model; trains it on first use."""
    recipe = recipe_for(model_name)
    key = json.dumps([VERSION, model_name, dataclasses.asdict(recipe)], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    path = cache_folder() / f"{model_name}-digits-{digest}.pth"
    if not path.is_file():
        require_writable_cache()
        state = train(model_name, recipe, progress).state_dict()
        buffer = BytesIO()
        torch.save({name: value.contiguous() for name, value in state.items()}, buffer)
        write_atomic(path, buffer.getvalue())
    return path
