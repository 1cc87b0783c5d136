"""The zoo's networks by name; without PyTorch, for who only wants to name them."""

from typing import NamedTuple


class Residual(NamedTuple):
    """A residual network for 224x224 pixels: blocks in each of the four stages, their kind; of
    bottlenecks, groups and the channels of each group in the first stage."""

    blocks: tuple[int, int, int, int]
    kind: str = "basic"  # "basic", "bottleneck" or "plain" (without shortcuts)
    groups: int = 1
    group_width: int = 64


IMAGENET: dict[str, Residual] = {
    "resnet18": Residual((2, 2, 2, 2)),
    "resnet34": Residual((3, 4, 6, 3)),
    "resnet50": Residual((3, 4, 6, 3), "bottleneck"),
    "resnet101": Residual((3, 4, 23, 3), "bottleneck"),
    "resnet152": Residual((3, 8, 36, 3), "bottleneck"),
    "resnext50": Residual((3, 4, 6, 3), "bottleneck", groups=32, group_width=4),
    "plain18": Residual((2, 2, 2, 2), "plain"),
    "plain34": Residual((3, 4, 6, 3), "plain"),
}
# Blocks in each of the three stages, their channels, and pixels.
CIFAR: dict[str, tuple[int, tuple[int, int, int], int]] = {
    "resnet20": (3, (16, 32, 64), 32),
    "resnet32": (5, (16, 32, 64), 32),
    "resnet44": (7, (16, 32, 64), 32),
    "resnet56": (9, (16, 32, 64), 32),
    "resnet110": (18, (16, 32, 64), 32),
    # 0.8 million multiply-accumulates: for quick tests and slow simulators.
    "resnet8": (1, (8, 16, 32), 16),
}
OTHERS = ("mobilenet_v2", "alexnet")
NAMES = (*IMAGENET, *CIFAR, *OTHERS)
