"""Programs and predicted cycles of some small networks, as they are: a slower choice shows.

What changes one of them on purpose renews the table: ``RESARRAY_PIN=1 pytest`` prints it.
"""

import hashlib
import os

import pytest

from resarray.compiler.compile import compile_graph
from resarray.spec.presets import preset

from .reference import Builder, pooled_resnet, random_graph

pytestmark = pytest.mark.verifies("compiler", by="unit")

PRESETS = ("tiny", "25f", "default")


def excite() -> Builder:
    b = Builder(2, (24, 10, 9))
    x = b.function(b.conv("x", 40, (1, 1), relu=False))
    factor = b.function(b.conv(b.average(x), 40, (1, 1), relu=False))
    x = b.add(b.multiply(x, factor), x)
    b.conv(x, 80, (3, 3), (2, 2), (1, 1, 1, 1), groups=40)
    return b


def parts() -> Builder:
    b = Builder(3, (8, 12, 12))
    x = b.concat(b.conv("x", 8, (1, 1)), b.conv("x", 13, (3, 3), padding=(1, 1, 1, 1)))
    x = b.max_pool(x, 3, 1, 1)
    x = b.upsample(b.slice(x, 2, 16), (2, 1))
    b.add(x, b.constant((16, 24, 12)))
    return b


def wide() -> Builder:
    """Whole maps do not fit: tiles of rows and columns, streams of weights."""
    b = Builder(4, (40, 22, 23))
    b.conv(b.conv("x", 48, (3, 3), padding=(1, 1, 1, 1)), 33, (5, 1), dilation=(3, 1))
    return b


CASES = {
    "resnet": (pooled_resnet, {}),
    "resnet, 3 images": (pooled_resnet, {"batch": 3}),
    "resnet, unfused": (pooled_resnet, {"fuse_pool": False}),
    "resnet, narrow": (pooled_resnet, {"bytes_per_cycle": 1.5, "latency": 90}),
    "excite": (excite, {}),
    "parts": (parts, {}),
    "wide": (wide, {}),
    "random 4": (lambda: random_graph(4), {}),
    "random 18": (lambda: random_graph(18), {"batch": 2}),
}
# Instructions, bytes of memory, cycles, and the digest of the program's bytes.
PINNED: dict[tuple[str, str], tuple[int, int, int, str]] = {
    ("resnet", "tiny"): (121, 11712, 7502, "8cffe925b74e"),
    ("resnet", "25f"): (81, 11136, 5922, "cb5048af57f9"),
    ("resnet", "default"): (34, 18496, 4733, "bbb8193ed4af"),
    ("resnet, 3 images", "tiny"): (395, 24704, 19606, "fee6a21148b3"),
    ("resnet, 3 images", "25f"): (191, 18880, 16301, "39613dc9a49c"),
    ("resnet, 3 images", "default"): (80, 24576, 8125, "82cba17a21f2"),
    ("resnet, unfused", "tiny"): (136, 12992, 7994, "9697d16f9672"),
    ("resnet, unfused", "25f"): (91, 12480, 6545, "aa7f05034594"),
    ("resnet, unfused", "default"): (39, 20480, 5485, "6a47fc44f8c4"),
    ("resnet, narrow", "tiny"): (121, 11072, 10807, "f7145cada35d"),
    ("resnet, narrow", "25f"): (73, 10880, 9599, "737175bbef8e"),
    ("resnet, narrow", "default"): (34, 18496, 14086, "bbb8193ed4af"),
    ("excite", "tiny"): (598, 41856, 23556, "2432266e8dc5"),
    ("excite", "25f"): (255, 31104, 13062, "66ae123e136a"),
    ("excite", "default"): (126, 41344, 9482, "705b61ffc6fd"),
    ("parts", "tiny"): (482, 42176, 21198, "d5cc3f938d3c"),
    ("parts", "25f"): (204, 33152, 15595, "a172b2f34053"),
    ("parts", "default"): (111, 34432, 7533, "edb3fb76372e"),
    ("wide", "tiny"): (1885, 141056, 516493, "0d6c8aa0844b"),
    ("wide", "25f"): (254, 88640, 342987, "183991efa01c"),
    ("wide", "default"): (64, 96832, 38863, "fb54d65bb02a"),
    ("random 4", "tiny"): (1776, 134848, 45499, "bd03b097ce35"),
    ("random 4", "25f"): (194, 84480, 26366, "fb04696e0982"),
    ("random 4", "default"): (99, 108416, 18320, "a4c9bc7ade68"),
    ("random 18", "tiny"): (295, 26240, 20894, "4563984cedad"),
    ("random 18", "25f"): (87, 19456, 17220, "d430e87eff6c"),
    ("random 18", "default"): (35, 27520, 7587, "24ad6eb21262"),
}


def found(case: str, name: str) -> tuple[int, int, int, str]:
    build, options = CASES[case]
    image = compile_graph(build().graph, preset(name), **options)
    m = image.manifest
    cycles = sum(layer["predicted_cycles"] for layer in m["layers"])
    digest = hashlib.sha256(image.payload).hexdigest()[:12]
    return m["program"]["count"], m["mem_size"], cycles, digest


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("case", CASES)
def test_programs_are_as_they_were(case, name):
    seen = found(case, name)
    if os.environ.get("RESARRAY_PIN"):
        print(f"    ({case!r}, {name!r}): {seen},".replace("'", '"'))
    else:
        assert seen == PINNED[case, name]
