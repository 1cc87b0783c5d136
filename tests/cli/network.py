"""A small network for the command line's tests: ``network.py:build``."""

import torch
from torch import nn


def build(channels: int = 4) -> nn.Module:
    """One convolution, a global average and a classifier, for 8x8 pixels; seeded."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, channels, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 10),
    )
    model.input_size = 8
    model.mean, model.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return model


def wider() -> nn.Module:
    """Other shapes under the same names."""
    return build(8)


def retrained() -> nn.Module:
    """Other weights in the same shapes."""
    model = build()
    with torch.no_grad():
        model[0].weight.copy_(-model[0].weight)
    return model


def unpadded() -> nn.Module:
    """Another convolution under the same name."""
    model = build()
    model[0].padding = (0, 0)
    return model


def unsupported() -> nn.Module:
    """An operator that the accelerator does not have."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.PixelShuffle(2), nn.Flatten(), nn.Linear(144, 10))
    model.input_size = 8
    return model


class Maps(nn.Module):
    """A map and a vector, with weights of one seed."""

    input_size, mean, std = 8, 0.5, 0.25

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 10, 3, 2, 1)

    def forward(self, x):
        y = self.conv(x)
        return {"map": y, "vector": y.mean((2, 3))}


class VectorFirst(Maps):
    """The same, the vector first."""

    def forward(self, x):
        return tuple(super().forward(x).values())[::-1]
