"""GoogLeNet with batch norms, without auxiliary classifiers, with torchvision's parameter names."""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import initialise

# Stage -> (in channels, 1x1, 3x3 behind a 1x1, 3x3 behind a 1x1, 1x1 behind the pool) of each of
# its modules.
MODULES = {
    3: ((192, 64, (96, 128), (16, 32), 32), (256, 128, (128, 192), (32, 96), 64)),
    4: (
        (480, 192, (96, 208), (16, 48), 64),
        (512, 160, (112, 224), (24, 64), 64),
        (512, 128, (128, 256), (24, 64), 64),
        (512, 112, (144, 288), (32, 64), 64),
        (528, 256, (160, 320), (32, 128), 128),
    ),
    5: ((832, 256, (160, 320), (32, 128), 128), (832, 384, (192, 384), (48, 128), 128)),
}
FEATURES = 1024
AUXILIARY = re.compile(r"(^|\.)aux[12]\.")


def published(name: str) -> str | None:
    """Here, a parameter's name in torchvision's weights; None: of an auxiliary classifier, which
    only training uses."""
    return None if AUXILIARY.search(name) else name


class Layer(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, channels: int, kernel: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches side by side, concatenated."""

    def __init__(
        self,
        in_channels: int,
        first: int,
        second: tuple[int, int],
        third: tuple[int, int],
        fourth: int,
    ):
        super().__init__()
        self.branch1 = Layer(in_channels, first)
        self.branch2 = nn.Sequential(Layer(in_channels, second[0]), Layer(*second, 3))
        # Of 3x3, where the paper has 5x5, as in the published weights.
        self.branch3 = nn.Sequential(Layer(in_channels, third[0]), Layer(*third, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Layer(in_channels, fourth))

    def forward(self, x: Tensor) -> Tensor:
        branches = self.branch1, self.branch2, self.branch3, self.branch4
        return torch.cat([branch(x) for branch in branches], 1)


class GoogLeNet(nn.Module):
    """float [N, 3, H, W], H and W >= 32."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        self.conv1 = Layer(3, 64, 7, 2)
        self.maxpool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = Layer(64, 64)
        self.conv3 = Layer(64, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.inception3a, self.inception3b = (Inception(*m) for m in MODULES[3])
        self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        (
            self.inception4a,
            self.inception4b,
            self.inception4c,
            self.inception4d,
            self.inception4e,
        ) = (Inception(*m) for m in MODULES[4])
        self.maxpool4 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.inception5a, self.inception5b = (Inception(*m) for m in MODULES[5])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(FEATURES, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3(self.conv2(self.maxpool1(self.conv1(x))))
        x = self.inception3b(self.inception3a(self.maxpool2(x)))
        x = self.inception4b(self.inception4a(self.maxpool3(x)))
        x = self.inception4e(self.inception4d(self.inception4c(x)))
        x = self.inception5b(self.inception5a(self.maxpool4(x)))
        return self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))
