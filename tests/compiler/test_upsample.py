"""Upsampling layers on the functional model: every preset, odd sizes, batches; what they cost."""

from dataclasses import replace

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.disasm import instructions
from resarray.compiler.functional import run_image
from resarray.spec.config import PRESETS
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import Engine

from .reference import Builder, evaluate, mismatches

pytestmark = pytest.mark.verifies("compiler", by="unit")

SHAPES = [
    ((5, 7, 9), (2, 2)),
    ((1, 1, 1), (4, 4)),
    ((1, 6, 5), (2, 2)),
    ((33, 40, 3), (1, 3)),  # more rows than a COMPUTE's outer loop has
    ((3, 70, 5), (3, 2)),
    ((40, 17, 60), (2, 4)),
    ((2, 3, 255), (1, 4)),  # no row fits the accumulators of 'tiny'
    ((9, 20, 11), (4, 1)),
]


def check(builder: Builder, config, batch: int = 1) -> None:
    image = compile_graph(builder.graph, config, batch=batch)
    x = np.stack([builder.input() for _ in range(batch)])
    values = [evaluate(builder.graph, each, config) for each in x]
    assert not mismatches(image, run_image(image, x), values)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(("shape", "factor"), SHAPES)
def test_upsampling(name, shape, factor):
    for batch in (1, 3):
        b = Builder(1, shape)
        b.upsample("x", factor)
        check(b, PRESETS[name], batch)


@pytest.mark.parametrize("name", PRESETS)
def test_around_it(name):
    """Behind a convolution, in front of a table, a pool and a concatenation, and as an output."""
    b = Builder(2, (4, 6, 5))
    up = b.upsample(b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1)), (2, 3))
    skip = b.conv(b.upsample("x", (2, 3)), 16, (1, 1))
    b.conv(b.concat(up, skip), 7, (3, 3))
    b.max_pool(b.function(b.upsample(b.graph.output, (2, 2))), 2)
    b.graph.outputs += (up,)
    check(b, PRESETS[name], batch=2)


def test_it_reads_and_sums_once():
    """The rows of a tile are stored as often as they are there, of one sum."""
    b = Builder(3, (8, 4, 4))
    b.upsample("x", (3, 2))
    image = compile_graph(b.graph, PRESETS["default"])
    engines = [instruction.engine for instruction in instructions(image)]
    computes, *outputs = map(engines.count, (Engine.COMPUTE, Engine.DRAIN, Engine.STORE))
    assert outputs == [3 * computes] * 2


def test_the_input_is_not_packed():
    b = Builder(3, (1, 6, 5))
    b.upsample("x", (2, 2))
    image = compile_graph(b.graph, PRESETS["tiny"])
    assert image.manifest["inputs"][0]["layout"]["kind"] == "blocked"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"factor": (5, 1)}, r"factor \(5, 1\), 1 to 4 is allowed"),
        ({"factor": (3, 2)}, r"declared as \[3, 8, 8\], its operands give \[3, 12, 8\]"),
    ],
)
def test_what_is_refused(change, why):
    b = Builder(4, (3, 4, 4))
    b.upsample("x", (2, 2))
    b.graph.ops[0] = replace(b.graph.ops[0], **change)
    with pytest.raises(ResarrayError, match=why):
        compile_graph(b.graph, PRESETS["tiny"])


def test_maps_too_large_are_refused():
    b = Builder(4, (3, 300, 4))
    b.upsample("x", (4, 2))
    with pytest.raises(ResarrayError, match="1023 pixels are allowed; use a smaller map"):
        compile_graph(b.graph, PRESETS["tiny"])
