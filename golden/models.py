"""The model zoo: float residual networks with the parameter names of their published weights.

`ImageNetResNet` has torchvision's names, `CifarResNet` those of the CIFAR-10 family with
zero-padded (option A) shortcuts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import Size, as_size

from . import user_model, zoo

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; a strided 1x1 convolution where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
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


class PaddedBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without weights: every ``stride``-th pixel, with zero
    channels added equally on both sides."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
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


def _stage(block: type[nn.Module], in_channels: int, channels: int, count: int, stride: int):
    blocks = [block(in_channels, channels, stride)]
    blocks += [block(channels, channels, 1) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ImageNetResNet(nn.Module):
    """ResNet with a 7x7/2 stem, max pool and four stages; float [N, 3, H, W], H and W >= 32."""

    def __init__(self, blocks: tuple[int, int, int, int], num_classes: int = 1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(BasicBlock, 64, 64, blocks[0], 1)
        self.layer2 = _stage(BasicBlock, 64, 128, blocks[1], 2)
        self.layer3 = _stage(BasicBlock, 128, 256, blocks[2], 2)
        self.layer4 = _stage(BasicBlock, 256, 512, blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, num_classes)
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


@dataclass(frozen=True)
class ModelSpec:
    """A buildable model and how its input is made.

    Parameters
    ----------
    name:         zoo name, or the class of a user's model
    build:        num_classes (None: the model's own) -> nn.Module
    input_size:   default height and width in pixels; None: not known
    channels:     input channels; None: not known, see `user_model.input_channels`
    mean, std:    of pixels scaled to [0, 1], one number per channel or one for all; None: not known
    min_size:     smallest input size
    """

    name: str
    build: Callable[[int | None], nn.Module]
    input_size: Size | None
    channels: int | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    min_size: int = 1


@dataclass(frozen=True)
class ZooModel(ModelSpec):
    """A model of the zoo, of whose input everything is known."""

    input_size: Size
    channels: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


def _imagenet(name: str, blocks: tuple[int, int, int, int]) -> ZooModel:
    return ZooModel(name, lambda n: ImageNetResNet(blocks, n or 1000), (224, 224), min_size=32)


def _cifar(name: str, blocks: int, widths: tuple[int, int, int], pixels: int) -> ZooModel:
    size = pixels, pixels
    return ZooModel(name, lambda n: CifarResNet(blocks, widths, n or 10), size, min_size=8)


ZOO: dict[str, ZooModel] = {
    **{name: _imagenet(name, blocks) for name, blocks in zoo.IMAGENET.items()},
    **{name: _cifar(name, *shape) for name, shape in zoo.CIFAR.items()},
}


def find_model(spec: str) -> ModelSpec:
    """The model called ``spec``: a zoo name, or ``file.py:function``.

    The function takes no arguments and returns an `nn.Module`, which may set ``input_size`` (a
    number, or height and width), ``mean`` and ``std`` (one number, or one per channel) and, where
    its layers do not tell, ``channels``. `ResarrayError` for anything else.
    """
    if spec in ZOO:
        return ZOO[spec]
    path, colon, function = spec.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise ResarrayError(
            f"unknown model '{spec}': choose one of {', '.join(ZOO)}, or give file.py:function"
        )
    return _user_model(Path(path), function)


def load_model(spec: str, num_classes: int | None = None) -> nn.Module:
    """A new model in evaluation mode, see `find_model`."""
    model = find_model(spec).build(num_classes)
    model.eval()
    return model


def _user_model(path: Path, function: str) -> ModelSpec:
    model = user_model.unwrap(user_model.load_module(path, function))
    name = type(model).__name__

    def attribute(*names: str) -> object:
        found = [user_model.attribute(model, name) for name in names]
        return next((f for f in found if f is not None and not callable(f)), None)

    size, channels = attribute("input_size"), attribute("channels", "in_channels")
    return ModelSpec(
        name=name,
        build=lambda _: model,
        input_size=None if size is None else as_size(size, f"input_size of model '{name}':"),
        channels=channels if type(channels) is int and channels > 0 else None,
        mean=user_model.per_channel(attribute("mean"), "mean"),
        std=user_model.per_channel(attribute("std"), "std"),
    )
