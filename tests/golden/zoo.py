"""Networks of the zoo for tests: those that others do not cover with fewer layers."""

from resarray.golden.models import ZOO
from resarray.golden.networks.names import NAMES

DEEP = {"resnet34", "resnet50", "resnet101", "resnet152", "plain34", "resnet110"}
DEEP |= {"resnet32", "resnet44", "resnet56"}
LARGE = {"vgg11", "vgg16", "vgg19", "vgg16_bn", "vgg19_bn"}
ALIKE = {"resnet18_c", "resnet20_c"}
NETWORKS = [name for name in NAMES if name not in DEEP | LARGE | ALIKE]
# Of those with many layers or weights, 'resarray zoo' sees what quantisation makes.
SLOW = {"densenet121", "vgg11_bn", "resnext50"}
QUANTISED = [name for name in NETWORKS if ZOO[name].min_size < 63 and name not in SLOW]


def odd_shape(name: str) -> tuple[int, int, int]:
    """A small input [C, H, W] of odd size, where the network takes one."""
    size = max(17, ZOO[name].min_size + 1)
    return ZOO[name].channels, size, size
