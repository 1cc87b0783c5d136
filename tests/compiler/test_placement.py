"""Concatenations and slices: what costs nothing, what is copied, and that all of it is right."""

from dataclasses import replace

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import run_image
from resarray.compiler.placement import complete, place
from resarray.golden import fast
from resarray.spec.config import PRESETS, Config

from .reference import Builder, evaluate, layers_of, mismatches

pytestmark = pytest.mark.verifies("compiler", by="unit")

WIDE = Config(name="wide", rows=16, columns=16, lanes=4)
CONFIGS = {**PRESETS, "wide": WIDE}


def check(b: Builder, config: Config, copies: int | None = None) -> None:
    """Right in a batch of one and of two; as many layers more than operators that compute."""
    for batch in (1, 2):
        image = compile_graph(b.graph, config, batch=batch)
        inputs = np.stack([b.input() for _ in range(batch)])
        memory = run_image(image, inputs)
        assert not mismatches(image, memory, [evaluate(b.graph, x, config) for x in inputs])
    added = sum(layer.op == "copy" for layer in layers_of(b.graph, config))
    assert copies is None or added == copies


def conv(b: Builder, x: str, cout: int, kernel: int = 1) -> str:
    return b.conv(x, cout, (kernel, kernel), padding=(kernel // 2,) * 4)


@pytest.mark.parametrize("name", CONFIGS)
def test_side_by_side_and_a_part(name):
    """Two layers write one tensor; one reads the second of its parts, and adds the first."""
    b = Builder(4, (16, 9, 11))
    both = b.concat(conv(b, "x", 16, 3), conv(b, "x", 16))
    first, second = b.slice(both, 0, 16), b.slice(both, 16, 16)
    b.conv(second, 16, (3, 3), padding=(1, 1, 1, 1), residual=first)
    check(b, CONFIGS[name], 0)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_tensor_keeps_its_place_until_its_last_part_is_written(name):
    """Between the two layers that write a tensor another map would find room in its place."""
    b = Builder(1, (16, 6, 6))
    first = conv(b, "x", 16, 3)
    y = conv(b, first, 16, 3)
    other = conv(b, y, 16)
    both = b.concat(first, conv(b, y, 16))
    conv(b, other, 16, 3)
    conv(b, both, 8)
    check(b, CONFIGS[name], 0)


@pytest.mark.parametrize("name", CONFIGS)
def test_growing_lists(name):
    """As in a DenseNet, which concatenates all that came before again and again."""
    b = Builder(2, (4, 5, 6))
    parts = [conv(b, "x", 32)]
    for _ in range(4):
        y = conv(b, b.concat(*parts) if len(parts) > 1 else parts[0], 16)
        parts.append(conv(b, y, 16, 3))
    conv(b, b.concat(*parts), 10)
    check(b, CONFIGS[name], 0)


def test_nested():
    b = Builder(3, (4, 5, 6))
    inner = b.concat(conv(b, "x", 16), conv(b, "x", 32))
    outer = b.concat(conv(b, inner, 16), inner, conv(b, inner, 16))
    conv(b, outer, 5)
    check(b, PRESETS["default"], 0)


COPIED = {
    "twice in one": lambda b, y, z: b.concat(y, z, y),
    "in two, in other places": lambda b, y, z: b.concat(b.concat(y, z), conv(b, b.concat(z, y), 8)),
    "a slice": lambda b, y, z: b.concat(b.slice(y, 8, 8), z),
}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("case", COPIED)
def test_copies(case, name):
    b = Builder(5, (4, 5, 6))
    y, z = conv(b, "x", 16, 3), conv(b, "x", 8)
    conv(b, COPIED[case](b, y, z), 7)
    check(b, PRESETS[name], 2 if case.startswith("in two") else 1)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("sizes", [(3, 5), (1, 1, 1), (8, 3, 9), (20, 13, 4, 11)], ids=str)
def test_channels_that_fill_no_block(sizes, name):
    b = Builder(sum(sizes), (5, 4, 7))
    both = b.concat(*(conv(b, "x", size, 3) for size in sizes))
    conv(b, both, 6)
    check(b, CONFIGS[name], len(sizes))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_last_part_may_end_in_a_block(name):
    b = Builder(6, (5, 4, 7))
    conv(b, b.concat(conv(b, "x", 16), conv(b, "x", 5)), 6)
    check(b, CONFIGS[name], 0)


@pytest.mark.parametrize("first", [0, 3, 8, 16])
@pytest.mark.parametrize("name", CONFIGS)
def test_slices(name, first):
    """Of the input, of a map; the output of the network too."""
    config = CONFIGS[name]
    b = Builder(first, (24, 5, 4))
    b.add(b.slice("x", first, 5), b.slice(conv(b, "x", 24, 3), first, 5))
    check(b, config, 0 if first % config.rows == 0 else 2)
    b = Builder(first, (24, 5, 4))
    b.slice(b.concat(conv(b, "x", 16), conv(b, "x", 16)), first, 5)
    check(b, config, 1 if first % config.rows == 0 else 2)


def test_the_output_is_a_concatenation_that_is_pooled_too():
    b = Builder(7, (4, 6, 6))
    y = conv(b, "x", 8)
    both = b.concat(y, conv(b, "x", 8))
    b.max_pool(y, 2)
    b.graph.outputs = (both,)
    check(b, PRESETS["default"], 1)


@pytest.mark.parametrize("seed", range(12))
def test_a_shuffle(seed):
    """Channels of two halves in turns: slices of single channels."""
    b = Builder(seed, (4, 3, 5))
    y = conv(b, "x", 8)
    order = np.arange(8).reshape(2, 4).T.reshape(-1)
    shuffled = b.concat(*(b.slice(y, int(c), 1) for c in order))
    conv(b, shuffled, 4)
    check(b, replace(PRESETS["tiny"], name="t") if seed % 2 else PRESETS["default"])


@pytest.mark.parametrize("name", CONFIGS)
def test_constants(name):
    """In the image: added to, read by a convolution, part of a concatenation, the output."""
    config = CONFIGS[name]
    b = Builder(8, (5, 4, 7))
    y = b.add(conv(b, "x", 16), b.constant((16, 4, 7)))
    constant = b.constant((16, 4, 7))
    conv(b, b.concat(b.multiply(y, constant), constant, y), 5, 3)
    check(b, config, 1)
    b = Builder(9, (5, 4, 7))
    conv(b, "x", 4)
    b.constant((3, 2, 5))
    check(b, config, 1)


def test_tensors_that_only_the_placed_graph_has():
    """A copy for a part that begins within a block is not in the graph; its values are given."""
    b = Builder(7, (16, 5, 5))
    b.concat(conv(b, "x", 5), conv(b, "x", 6))
    x = b.input()[None]
    values = fast.run(b.graph, x)
    placed, _ = place(b.graph, WIDE)
    assert placed.tensors.keys() > values.keys()
    made = complete(b.graph, WIDE, values)
    assert made.keys() == placed.tensors.keys()
    expected = fast.run(placed, x)
    for name, value in made.items():
        np.testing.assert_array_equal(value, expected[name])
