"""Small networks for handwritten digits: float [N, 1, H, W], H and W of 28 to 31."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import ConvRelu


class LeNet5(nn.Module):
    """LeNet-5, with ReLUs and max pools."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(functional.relu(self.fc2(x)))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = ConvRelu(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv2(self.conv1(x)) + x)


class DigitsResNet(nn.Module):
    """5x5 convolutions without padding, max pools and two residual blocks."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1, self.block1 = ConvRelu(1, 16, 5), ResidualBlock(16)
        self.conv2, self.block2 = ConvRelu(16, 32, 5), ResidualBlock(32)
        self.fc = nn.Linear(32 * 4 * 4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block1(functional.max_pool2d(self.conv1(x), 2))
        x = self.block2(functional.max_pool2d(self.conv2(x), 2))
        return self.fc(torch.flatten(x, 1))


class Inception(nn.Module):
    """Four branches side by side, concatenated to 16 + 24 + 24 + 24 channels; no activations."""

    channels = 88

    def __init__(self, in_channels: int):
        super().__init__()
        self.branch1 = nn.Conv2d(in_channels, 16, 1)
        self.branch2 = nn.Sequential(nn.Conv2d(in_channels, 16, 1), nn.Conv2d(16, 24, 5, padding=2))
        self.branch3 = nn.Sequential(
            nn.Conv2d(in_channels, 16, 1),
            nn.Conv2d(16, 24, 3, padding=1),
            nn.Conv2d(24, 24, 3, padding=1),
        )
        self.branch4 = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(in_channels, 24, 1))

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1, self.branch2, self.branch3, self.branch4
        return torch.cat([branch(x) for branch in branches], 1)


class DigitsInception(nn.Module):
    """5x5 convolutions without padding, each with a max pool, then a ReLU, then an Inception
    module behind it."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1, self.inception1 = nn.Conv2d(1, 10, 5), Inception(10)
        self.conv2, self.inception2 = nn.Conv2d(Inception.channels, 20, 5), Inception(20)
        self.fc = nn.Linear(Inception.channels * 4 * 4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inception1(functional.relu(functional.max_pool2d(self.conv1(x), 2)))
        x = self.inception2(functional.relu(functional.max_pool2d(self.conv2(x), 2)))
        return self.fc(torch.flatten(x, 1))
