"""DenseNet-121, with torchvision's parameter names."""

import re
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import initialise

BLOCKS = (6, 12, 24, 16)
STEM, GROWTH, HIDDEN = 64, 32, 128


def published(name: str) -> str | None:
    """Here, a parameter's name in torchvision's weights, which have dots that its module has not:
    ``denselayer1.norm.1.weight``."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name)


class DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution, batch norm and ReLU in front of each, to `GROWTH` channels,
    behind those that it reads."""

    def __init__(self, in_channels: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, HIDDEN, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(HIDDEN)
        self.conv2 = nn.Conv2d(HIDDEN, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(functional.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(functional.relu(self.norm2(y)))], 1)


def _block(in_channels: int, layers: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            (f"denselayer{number + 1}", DenseLayer(in_channels + number * GROWTH))
            for number in range(layers)
        )
    )


def _transition(channels: int) -> nn.Sequential:
    """To half the channels, height and width."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(channels),
            relu=nn.ReLU(),
            conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(nn.Module):
    """float [N, 3, H, W], H and W >= 32."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, STEM, 7, 2, 3, bias=False),
            norm0=nn.BatchNorm2d(STEM),
            relu0=nn.ReLU(),
            pool0=nn.MaxPool2d(3, 2, 1),
        )
        channels = STEM
        for number, count in enumerate(BLOCKS, 1):
            if number > 1:
                layers[f"transition{number - 1}"] = _transition(channels)
                channels //= 2
            layers[f"denseblock{number}"] = _block(channels, count)
            channels += count * GROWTH
        layers["norm5"] = nn.BatchNorm2d(channels)
        layers["relu5"] = nn.ReLU()
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
