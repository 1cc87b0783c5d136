"""Models by name: what builds a network of the zoo or a user's, and how its input is made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import MAX_SIDE, Size, as_size

from . import user_model
from .importers.files import FORMATS, ModelFile, is_model_file, open_file
from .networks import densenet, googlenet, names
from .networks.digits import DigitsInception, DigitsResNet, LeNet5
from .networks.mobilenet import MobileNetV2
from .networks.plain import VGG, AlexNet
from .networks.resnet import CifarResNet, ImageNetResNet
from .networks.squeezenet import SqueezeNet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Of grey pixels.
GRAY_MEAN, GRAY_STD = (0.449,), (0.226,)
MNIST_MEAN, MNIST_STD = (0.1307,), (0.3081,)


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
    max_size:     largest input size
    file:         the network where it comes as a file of operators; its ``build`` refuses
    """

    name: str
    build: Callable[[int | None], nn.Module]
    input_size: Size | None
    channels: int | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    min_size: int = 1
    max_size: int = MAX_SIDE
    file: ModelFile | None = None


def _own(name: str) -> str | None:
    return name


@dataclass(frozen=True)
class ZooModel(ModelSpec):
    """A model of the zoo, of whose input everything is known.

    Parameters
    ----------
    published:   what a parameter in published weights is called here; None: it is left out
    """

    input_size: Size
    channels: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    published: Callable[[str], str | None] = _own


def _imagenet(name: str, shape: names.Residual) -> ZooModel:
    gray = shape.channels == 1
    return ZooModel(
        name,
        lambda n: ImageNetResNet(shape, n or 1000),
        (224, 224),
        shape.channels,
        GRAY_MEAN if gray else IMAGENET_MEAN,
        GRAY_STD if gray else IMAGENET_STD,
        min_size=16 if shape.unpadded else 32,
    )


def _cifar(name: str, shape: names.Cifar) -> ZooModel:
    size = shape.pixels, shape.pixels
    return ZooModel(name, lambda n: CifarResNet(shape, n or 10), size, min_size=8)


def _vgg(name: str, shape: names.Vgg) -> ZooModel:
    return ZooModel(name, lambda n: VGG(shape, n or 1000), (224, 224), min_size=32)


def _digits(name: str, network: Callable[[int], nn.Module]) -> ZooModel:
    return ZooModel(
        name,
        lambda n: network(n or 10),
        (28, 28),
        1,
        MNIST_MEAN,
        MNIST_STD,
        min_size=28,
        max_size=31,
    )


def _others() -> list[ZooModel]:
    size = (224, 224)
    return [
        ZooModel("mobilenet_v2", lambda n: MobileNetV2(n or 1000), size, min_size=32),
        ZooModel("alexnet", lambda n: AlexNet(n or 1000), size, min_size=63),
        ZooModel("squeezenet", lambda n: SqueezeNet(n or 1000), size, min_size=32),
        ZooModel(
            "googlenet",
            lambda n: googlenet.GoogLeNet(n or 1000),
            size,
            # Of torchvision's weights, whose network makes these of ImageNet's.
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            min_size=32,
            published=googlenet.published,
        ),
        ZooModel(
            "densenet121",
            lambda n: densenet.DenseNet(n or 1000),
            size,
            min_size=32,
            published=densenet.published,
        ),
    ]


ZOO: dict[str, ZooModel] = {
    **{name: _imagenet(name, shape) for name, shape in names.IMAGENET.items()},
    **{name: _cifar(name, shape) for name, shape in names.CIFAR.items()},
    **{model.name: model for model in _others()},
    **{name: _vgg(name, shape) for name, shape in names.VGG.items()},
    "lenet5": _digits("lenet5", LeNet5),
    "digits_resnet": _digits("digits_resnet", DigitsResNet),
    "digits_inception": _digits("digits_inception", DigitsInception),
}


def find_model(spec: str) -> ModelSpec:
    """The model called ``spec``: a zoo name, a file of operators (`importers.files.FORMATS`),
    ``file.py:function``, or ``package.module:function`` of what is installed.

    The function takes no arguments and returns an `nn.Module`, which may set ``input_size`` (a
    number, or height and width), ``mean`` and ``std`` (one number, or one per channel) and, where
    its layers do not tell, ``channels``. `ResarrayError` for anything else.
    """
    if spec in ZOO:
        return ZOO[spec]
    if is_model_file(spec):
        return _file_model(open_file(Path(spec)))
    source, colon, function = spec.rpartition(":")
    if colon and source.endswith(".py"):
        return _user_model(user_model.load_module(Path(source), function))
    if colon and all(part.isidentifier() for part in [*source.split("."), function]):
        return _user_model(user_model.load_from_package(source, function))
    raise ResarrayError(
        f"unknown model '{spec}': choose one of {', '.join(ZOO)}, or give file.py:function, "
        f"package.module:function or a file ({', '.join(FORMATS)})"
    )


def of_module(module: nn.Module) -> ModelSpec:
    """The model that ``module`` is; it may set the attributes that `find_model` tells of."""
    return _user_model(module)


def classifier_of(model: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The layer of a zoo model that makes the logits, with its name: the last linear layer, or in a
    network without one the last convolution."""
    layers = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    linear = [(n, m) for n, m in layers if isinstance(m, nn.Linear)]
    return (linear or layers)[-1]


def load_model(spec: str, num_classes: int | None = None) -> nn.Module:
    """A new model in evaluation mode, see `find_model`."""
    model = find_model(spec).build(num_classes)
    model.eval()
    return model


def _file_model(file: ModelFile) -> ModelSpec:
    def build(_: int | None) -> nn.Module:
        raise ResarrayError(
            f"model '{file.name}' is a file with weights and operators: give it without --weights, "
            "or the network as file.py:function"
        )

    return ModelSpec(file.name, build, file.size, file.channels, None, None, file=file)


def _user_model(module: nn.Module) -> ModelSpec:
    model = user_model.unwrap(module)
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
