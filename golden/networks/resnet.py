"""Residual networks: `ImageNetResNet` has torchvision's parameter names, `CifarResNet` those of the
CIFAR-10 family with zero-padded (option A) shortcuts."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .names import Residual


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


class BasicBlock(PlainBlock):
    """With a shortcut; a strided 1x1 convolution where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__(in_channels, channels, stride)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False),
                nn.BatchNorm2d(channels),
            )

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
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

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


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _block(shape: Residual) -> tuple[Callable[..., nn.Module], int]:
    """What makes a block, and how many times a stage's channels it gives."""
    if shape.kind == "bottleneck":
        make = functools.partial(Bottleneck, groups=shape.groups, group_width=shape.group_width)
        return make, Bottleneck.expansion
    return (PlainBlock if shape.kind == "plain" else BasicBlock), 1


class ImageNetResNet(nn.Module):
    """ResNet with a 7x7/2 stem, max pool and four stages; float [N, 3, H, W], H and W >= 32."""

    def __init__(self, shape: Residual, num_classes: int = 1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        block, expansion = _block(shape)
        first, second, third, fourth = shape.blocks
        self.layer1 = _stage(block, 64, 64, first, 1, expansion)
        self.layer2 = _stage(block, 64 * expansion, 128, second, 2, expansion)
        self.layer3 = _stage(block, 128 * expansion, 256, third, 2, expansion)
        self.layer4 = _stage(block, 256 * expansion, 512, fourth, 2, expansion)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * expansion, num_classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class CifarResNet(nn.Module):
    """ResNet with a 3x3 stem and three stages; float [N, 3, H, W], H and W >= 8."""

    def __init__(self, blocks: int, widths: tuple[int, int, int], num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = _stage(PaddedBlock, widths[0], widths[0], blocks, 1)
        self.layer2 = _stage(PaddedBlock, widths[0], widths[1], blocks, 2)
        self.layer3 = _stage(PaddedBlock, widths[1], widths[2], blocks, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(widths[2], num_classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.flatten(self.avgpool(x), 1))
