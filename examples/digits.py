"""The handwritten digits as tensors, and a short training on them."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from resarray.golden.data import load_images


def load(split: str) -> tuple[Tensor, Tensor]:
    """Images float [N, 1, 8, 8] in -1..1 and labels int64 [N] of "digits-train" or "digits"."""
    images = load_images(split, 8, channels=1)
    pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)
    return (pixels / 255 - 0.5) / 0.5, torch.from_numpy(images.labels)


def train(
    model: nn.Module,
    steps: int,
    rate: float = 0.05,
    look: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Gradient descent with momentum, the rate falling to 0; ``look`` sees each step."""
    x, labels = load("digits-train")
    optimiser = torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    model.train()
    for step in range(steps):
        chosen = torch.randint(len(x), (64,))
        loss = functional.cross_entropy(model(x[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        look(step, loss.item())
        optimiser.step()
        schedule.step()
    model.eval()


@torch.no_grad()
def accuracy(model: nn.Module) -> float:
    """Of the held-out digits, the fraction that is right."""
    x, labels = load("digits")
    return (model(x).argmax(1) == labels).float().mean().item()
