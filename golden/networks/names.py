"""The zoo's networks by name; without PyTorch, for who only wants to name them."""

from typing import NamedTuple


class Residual(NamedTuple):
    """A residual network for 224x224 pixels.

    blocks:       in each of the four stages
    kind:         of block: "basic", "bottleneck", "preact" (batch norm and ReLU in front of the
                  convolutions) or "plain" (without shortcuts)
    groups:       of bottlenecks, and the channels of each group in the first stage
    option:       of shortcuts: "B", a projection where the shape changes; "C", everywhere (of
                  basic blocks)
    channels:     of the input
    unpadded:     whether the stem is a 3x3 convolution of stride 2 without padding and a 2x2 max
                  pool of stride 1, in place of 7x7 and 3x3
    """

    blocks: tuple[int, int, int, int]
    kind: str = "basic"
    groups: int = 1
    group_width: int = 64
    option: str = "B"
    channels: int = 3
    unpadded: bool = False


class Cifar(NamedTuple):
    """A residual network of the CIFAR-10 family.

    blocks:  in each of the three stages
    widths:  channels of the stages
    pixels:  height and width of the input
    option:  of shortcuts: "A", zero channels added where the shape changes; "B", a projection
             there; "C", projections everywhere
    preact:  blocks with batch norm and ReLU in front of the convolutions; their shortcuts are "B"
    """

    blocks: int
    widths: tuple[int, int, int] = (16, 32, 64)
    pixels: int = 32
    option: str = "A"
    preact: bool = False


class Vgg(NamedTuple):
    """Convolutions in each of the five stages; whether batch norms follow them."""

    convs: tuple[int, int, int, int, int]
    norms: bool = False


IMAGENET: dict[str, Residual] = {
    "resnet18": Residual((2, 2, 2, 2)),
    "resnet34": Residual((3, 4, 6, 3)),
    "resnet50": Residual((3, 4, 6, 3), "bottleneck"),
    "resnet101": Residual((3, 4, 23, 3), "bottleneck"),
    "resnet152": Residual((3, 8, 36, 3), "bottleneck"),
    "resnext50": Residual((3, 4, 6, 3), "bottleneck", groups=32, group_width=4),
    "plain18": Residual((2, 2, 2, 2), "plain"),
    "plain34": Residual((3, 4, 6, 3), "plain"),
    "preact_resnet18": Residual((2, 2, 2, 2), "preact"),
    "resnet18_c": Residual((2, 2, 2, 2), option="C"),
    "resnet18_gray": Residual((2, 2, 2, 2), channels=1),
    "resnet18_unpadded": Residual((2, 2, 2, 2), unpadded=True),
}
CIFAR: dict[str, Cifar] = {
    "resnet20": Cifar(3),
    "resnet32": Cifar(5),
    "resnet44": Cifar(7),
    "resnet56": Cifar(9),
    "resnet110": Cifar(18),
    # 0.8 million multiply-accumulates: for quick tests and slow simulators.
    "resnet8": Cifar(1, (8, 16, 32), 16),
    "resnet20_b": Cifar(3, option="B"),
    "resnet20_c": Cifar(3, option="C"),
    "preact_resnet20": Cifar(3, preact=True),
}
VGG: dict[str, Vgg] = {
    "vgg11": Vgg((1, 1, 2, 2, 2)),
    "vgg16": Vgg((2, 2, 3, 3, 3)),
    "vgg19": Vgg((2, 2, 4, 4, 4)),
    "vgg11_bn": Vgg((1, 1, 2, 2, 2), norms=True),
    "vgg16_bn": Vgg((2, 2, 3, 3, 3), norms=True),
    "vgg19_bn": Vgg((2, 2, 4, 4, 4), norms=True),
}
# For digits of 28x28 pixels and one channel.
DIGITS = ("lenet5", "digits_resnet", "digits_inception")
OTHERS = ("mobilenet_v2", "alexnet", "squeezenet", "googlenet", "densenet121")
NAMES = (*IMAGENET, *CIFAR, *OTHERS, *VGG, *DIGITS)
