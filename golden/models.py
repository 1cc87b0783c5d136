"""Models by name: what builds a network of the zoo or a user's, and how its input is made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import Size, as_size

from . import user_model
from .networks import names
from .networks.mobilenet import MobileNetV2
from .networks.plain import AlexNet
from .networks.resnet import CifarResNet, ImageNetResNet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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


def _imagenet(name: str, shape: names.Residual) -> ZooModel:
    return ZooModel(name, lambda n: ImageNetResNet(shape, n or 1000), (224, 224), min_size=32)


def _cifar(name: str, blocks: int, widths: tuple[int, int, int], pixels: int) -> ZooModel:
    size = pixels, pixels
    return ZooModel(name, lambda n: CifarResNet(blocks, widths, n or 10), size, min_size=8)


ZOO: dict[str, ZooModel] = {
    **{name: _imagenet(name, shape) for name, shape in names.IMAGENET.items()},
    **{name: _cifar(name, *shape) for name, shape in names.CIFAR.items()},
    "mobilenet_v2": ZooModel(
        "mobilenet_v2", lambda n: MobileNetV2(n or 1000), (224, 224), min_size=32
    ),
    "alexnet": ZooModel("alexnet", lambda n: AlexNet(n or 1000), (224, 224), min_size=223),
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
