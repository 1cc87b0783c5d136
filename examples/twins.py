"""A deep network for digits with and without shortcuts: ``--model examples/twins.py:plain``."""

from torch import Tensor, nn
from torch.nn import functional

BLOCKS, CHANNELS = 12, 16


class Block(nn.Module):
    """Two 3x3 convolutions, with a shortcut or without."""

    def __init__(self, shortcut: bool):
        super().__init__()
        self.shortcut = shortcut
        self.conv1 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(CHANNELS)
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(y + x if self.shortcut else y)


class Twin(nn.Module):
    """26 layers; float [N, 1, 8, 8] to logits [N, 10]. Both twins have the same parameters."""

    input_size, mean, std = 8, 0.5, 0.5

    def __init__(self, shortcut: bool):
        super().__init__()
        self.stem = nn.Conv2d(1, CHANNELS, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(shortcut) for _ in range(BLOCKS)))
        self.fc = nn.Linear(CHANNELS, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(functional.relu(self.stem(x))).mean((2, 3)))


def plain() -> nn.Module:
    return Twin(shortcut=False)


def residual() -> nn.Module:
    return Twin(shortcut=True)
