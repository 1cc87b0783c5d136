"""Residual networks: `ImageNetResNet` has torchvision's parameter names, `CifarResNet` those of the
CIFAR-10 family."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import initialise
from .names import Cifar, Residual


class PlainBlock(nn.Module):
    """Two 3x3 convolutions without a shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)))


def _projection(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """A shortcut of a 1x1 convolution."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
    )


class BasicBlock(PlainBlock):
    """With a shortcut; a strided 1x1 convolution where the shape changes (``option`` "B"), or
    always ("C")."""

    def __init__(self, in_channels: int, channels: int, stride: int, option: str = "B"):
        super().__init__(in_channels, channels, stride)
        self.downsample = None
        if stride != 1 or in_channels != channels or option == "C":
            self.downsample = _projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        # After conv1, so that the long convolution hides the wait for the previous block's output.
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 in ``groups`` of ``group_width`` (at 64 ``channels``) and a 1x1 convolution to
    four times the channels, and a shortcut."""

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int, groups: int = 1, group_width: int = 64
    ):
        super().__init__()
        width, out = channels * group_width // 64 * groups, channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or in_channels != out:
            self.downsample = _projection(in_channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.bn3(self.conv3(y)) + shortcut)


class PaddedBlock(PlainBlock):
    """With a shortcut without weights: every ``stride``-th pixel, with zero channels added equally
    on both sides."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__(in_channels, channels, stride)
        self.stride = stride
        self.side = (channels - in_channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.stride != 1:
            shortcut = shortcut[:, :, :: self.stride, :: self.stride]
        if self.side:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.side, self.side))
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class ProjectedBlock(PlainBlock):
    """With a shortcut; a strided 1x1 convolution where the shape changes (``option`` "B"), or
    always ("C"). As `BasicBlock`, with the parameter names of the CIFAR-10 family."""

    def __init__(self, in_channels: int, channels: int, stride: int, option: str):
        super().__init__(in_channels, channels, stride)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels or option == "C":
            self.shortcut = _projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class PreactBlock(nn.Module):
    """Batch norm and ReLU in front of each of two 3x3 convolutions, and a shortcut; where the shape
    changes it is a strided 1x1 convolution behind the first ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(x))
        shortcut = x if self.downsample is None else self.downsample(y)
        y = functional.relu(self.bn2(self.conv1(y)))
        return self.conv2(y) + shortcut


def _stage(
    block: Callable[..., nn.Module],
    in_channels: int,
    channels: int,
    count: int,
    stride: int,
    expansion: int = 1,
) -> nn.Sequential:
    """``count`` blocks that give ``expansion`` times ``channels``; the first one strides."""
    out = channels * expansion
    blocks = [block(in_channels, channels, stride)]
    blocks += [block(out, channels, 1) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


def _block(shape: Residual) -> tuple[Callable[..., nn.Module], int]:
    """What makes a block, and how many times a stage's channels it gives."""
    if shape.kind == "bottleneck":
        make = functools.partial(Bottleneck, groups=shape.groups, group_width=shape.group_width)
        return make, Bottleneck.expansion
    if shape.kind == "basic":
        return functools.partial(BasicBlock, option=shape.option), 1
    return (PlainBlock if shape.kind == "plain" else PreactBlock), 1


def _last(channels: int, preact: bool) -> nn.Module:
    """What follows the stages: of pre-activation blocks a batch norm and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU()) if preact else nn.Identity()


class ImageNetResNet(nn.Module):
    """ResNet with a 7x7/2 stem, max pool and four stages; float [N, C, H, W], H and W >= 32.

    Behind an unpadded stem the max pool keeps the size: it has a line more at the bottom and the
    right, of zeros, which behind a ReLU are never above the other pixels.
    """

    def __init__(self, shape: Residual, num_classes: int = 1000):
        super().__init__()
        kernel, pad = (3, 0) if shape.unpadded else (7, 3)
        self.conv1 = nn.Conv2d(shape.channels, 64, kernel, 2, pad, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool: nn.Module = nn.MaxPool2d(3, 2, 1)
        if shape.unpadded:
            self.maxpool = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1))
        block, expansion = _block(shape)
        first, second, third, fourth = shape.blocks
        self.layer1 = _stage(block, 64, 64, first, 1, expansion)
        self.layer2 = _stage(block, 64 * expansion, 128, second, 2, expansion)
        self.layer3 = _stage(block, 128 * expansion, 256, third, 2, expansion)
        self.layer4 = _stage(block, 256 * expansion, 512, fourth, 2, expansion)
        self.last = _last(512 * expansion, shape.kind == "preact")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * expansion, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        x = self.last(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _cifar_block(shape: Cifar) -> Callable[..., nn.Module]:
    if shape.preact:
        return PreactBlock
    if shape.option == "A":
        return PaddedBlock
    return functools.partial(ProjectedBlock, option=shape.option)


class CifarResNet(nn.Module):
    """ResNet with a 3x3 stem and three stages; float [N, 3, H, W], H and W >= 8."""

    def __init__(self, shape: Cifar, num_classes: int = 10):
        super().__init__()
        block, blocks = _cifar_block(shape), shape.blocks
        first, second, third = shape.widths
        self.conv1 = nn.Conv2d(3, first, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.layer1 = _stage(block, first, first, blocks, 1)
        self.layer2 = _stage(block, first, second, blocks, 2)
        self.layer3 = _stage(block, second, third, blocks, 2)
        self.last = _last(third, shape.preact)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(third, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.last(self.layer3(self.layer2(self.layer1(x))))
        return self.linear(torch.flatten(self.avgpool(x), 1))
