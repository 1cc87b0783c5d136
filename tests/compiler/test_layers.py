"""Groups, views and passes: what layers can say beyond an operator of today's graphs."""

from dataclasses import replace

import numpy as np
import pytest

from resarray.compiler.channels import channel_runs, channel_tiles
from resarray.compiler.compile import compile_graph, compile_layers
from resarray.compiler.functional import run_image
from resarray.compiler.ir import AveragePool, MaxPool, View
from resarray.compiler.lowering import lower
from resarray.compiler.passes import fuse_pools, pack_input
from resarray.spec.config import PRESETS
from resarray.spec.errors import ResarrayError
from resarray.spec.layout import from_dict

from .reference import Builder, evaluate, mismatches

DEFAULT = PRESETS["default"]  # 8 rows, 32 columns: 4 blocks in an output-channel tile


def group_mask(cout: int, cin: int, groups: int) -> np.ndarray:
    """[cout][cin]: whether both are of the same group."""
    return np.arange(cout)[:, None] // (cout // groups) == np.arange(cin) // (cin // groups)


def grouped(layer, groups: int):
    """``layer``, whose weights between groups are zero, with groups."""
    cout, cin = layer.weight.shape[:2]
    inputs = cin // groups
    weight = np.stack(
        [w[c // (cout // groups) * inputs :][:inputs] for c, w in enumerate(layer.weight)]
    )
    return replace(layer, weight=weight, groups=groups)


def stored(image, memory, name: str) -> np.ndarray:
    entry = next(t for t in image.manifest["tensors"] if t["name"] == name)
    layout = from_dict(entry["layout"])
    return layout.unpack(memory[entry["addr"] : entry["addr"] + layout.size].view(np.int8))


def check_side_by_side(layers, b: Builder, config, first: str, second: str) -> None:
    """Of ``layers``, two write these tensors of the graph side by side into "both"."""
    for batch in (1, 2):
        image = compile_layers(layers, b.graph, config, batch=batch)
        inputs = np.stack([b.input() for _ in range(batch)])
        memory = run_image(image, inputs)
        expected = evaluate(b.graph, inputs[0])
        np.testing.assert_array_equal(
            stored(image, memory, "both"), np.concatenate([expected[first], expected[second]])
        )
        np.testing.assert_array_equal(
            stored(image, memory, b.graph.output), expected[b.graph.output]
        )


@pytest.mark.parametrize(
    "cin, cout, groups, inputs",
    [
        (64, 64, 1, [(0, 8), (0, 8)]),
        (64, 64, 64, [(0, 4), (4, 8)]),
        (64, 64, 2, [(0, 4), (4, 8)]),
        (40, 40, 40, [(0, 4), (4, 5)]),
        (12, 96, 2, [(0, 1), (0, 2), (0, 2)]),  # groups of 6 inputs and 48 outputs
        (24, 72, 3, [(0, 2), (1, 3), (2, 3)]),
    ],
)
def test_a_tile_reads_the_blocks_of_its_groups(cin, cout, groups, inputs):
    b = Builder(1, (cin, 6, 6))
    b.conv("x", cout, (1, 1))
    layer = grouped(lower(b.graph)[0], groups)
    tiles = channel_tiles(layer, DEFAULT)
    assert [tile.inputs for tile in tiles] == inputs
    reads = group_mask(cout, cin, groups)
    for tile in tiles:
        used = reads[tile.outputs[0] * 8 : tile.outputs[1] * 8].any(axis=0).nonzero()[0]
        assert tile.inputs == (used[0] // 8, used[-1] // 8 + 1)
    assert [t for run in channel_runs(layer, DEFAULT) for t in run] == tiles


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    "cin, cout, groups, kernel, pool",
    [
        (40, 40, 40, (3, 3), False),
        (21, 21, 21, (5, 1), True),
        (64, 64, 2, (3, 3), False),
        (12, 96, 2, (1, 3), False),
        (36, 72, 3, (3, 3), True),
        (10, 70, 10, (1, 1), False),
    ],
)
def test_grouped_convolutions(name, batch, cin, cout, groups, kernel, pool):
    b = Builder(cin + cout, (cin, 13, 17))
    y = b.conv("x", cout, kernel, (1, 1), (1, 1, 1, 1))
    if pool:
        y = b.max_pool(y, 3, 1)
    b.conv(y, 5, (1, 1))
    b.graph.ops[0].weight[~group_mask(cout, cin, groups)] = 0
    config = PRESETS[name]
    layers = lower(b.graph)
    layers[0] = grouped(layers[0], groups)
    layers = fuse_pools(layers, b.graph, config)
    image = compile_layers(layers, b.graph, config, batch=batch)
    inputs = np.stack([b.input() for _ in range(batch)])
    wrong = mismatches(image, run_image(image, inputs), [evaluate(b.graph, x) for x in inputs])
    assert not wrong, f"{wrong} differ"


@pytest.mark.parametrize("name", PRESETS)
def test_tensors_side_by_side_and_a_part_of_one(name):
    """Concatenation: two layers write one tensor. Split: one reads the second of its parts, and
    adds the first."""
    config = PRESETS[name]
    b = Builder(4, (16, 9, 11))
    first = b.conv("x", 16, (3, 3), padding=(1, 1, 1, 1))
    second = b.conv("x", 16, (1, 1))
    b.conv(second, 16, (3, 3), padding=(1, 1, 1, 1), residual=first)
    tensors = b.graph.tensors
    both = replace(tensors[first], name="both", shape=(32, 9, 11))
    one, two, three = lower(b.graph)
    halves = [View("both", (16, 9, 11), n * 16 // config.rows) for n in range(2)]
    layers = [
        replace(one, output=halves[0]),
        replace(two, output=halves[1]),
        replace(
            three,
            source=halves[1],
            residual=replace(three.residual, view=halves[0]),
        ),
    ]
    tensors["both"] = both
    check_side_by_side(layers, b, config, first, second)
    for batch in (1, 2):
        image = compile_layers(layers, b.graph, config, batch=batch)
        assert [t["name"] for t in image.manifest["tensors"]][::batch] == ["both", b.graph.output]


@pytest.mark.parametrize("name", PRESETS)
def test_a_tensor_keeps_its_place_until_its_last_part_is_written(name):
    """Between the two layers that write "both" another map would find room in its place."""
    config = PRESETS[name]
    rows = config.rows
    b = Builder(1, (rows, 6, 6))
    first = b.conv("x", rows, (3, 3), padding=(1, 1, 1, 1))
    y = b.conv(first, rows, (3, 3), padding=(1, 1, 1, 1))
    other = b.conv(y, rows, (1, 1))
    second = b.conv(y, rows, (1, 1))
    b.conv(other, rows, (3, 3), padding=(1, 1, 1, 1))
    tensors = b.graph.tensors
    tensors["both"] = replace(tensors[first], name="both", shape=(2 * rows, 6, 6))
    one, two, three, four, five = lower(b.graph)
    halves = [View("both", (rows, 6, 6), n) for n in range(2)]
    layers = [
        replace(one, output=halves[0]),
        replace(two, source=halves[0]),
        three,
        replace(four, output=halves[1]),
        five,
    ]
    check_side_by_side(layers, b, config, first, second)


def test_weights_of_a_tile_that_no_instruction_brings():
    """With the zeros between groups: 17 channels of each make a tile read 128 blocks and more."""
    config = replace(PRESETS["tiny"], name="broad", columns=128)
    b = Builder(1, (128 * 17, 31, 31))
    b.conv("x", 128, (1, 1), groups=128)
    op = b.graph.ops[0]
    b.graph.ops[0] = replace(op, weight=np.ones((128, 17, 31, 31), np.int8))
    b.graph.tensors[op.output] = replace(b.graph.tensors[op.output], shape=(128, 1, 1))
    with pytest.raises(ResarrayError, match=r"layer 'conv0': .* at most 16777215 are allowed"):
        compile_graph(b.graph, config)


def test_padded_channels_are_no_products():
    """62,465 products of 65 channels; the words' unused rows, to 72 channels, hold zeros."""
    b = Builder(1, (65, 31, 31))
    b.conv("x", 1, (31, 31))
    assert lower(b.graph)[0].k_tiles(9, DEFAULT) * 8 > 65_536


def test_what_becomes_of_operators_that_the_array_only_hands_on():
    b = Builder(5, (40, 8, 8))
    y = b.max_pool("x", 2, 0)
    y = b.add(y, y)
    b.average(y)
    layers = lower(b.graph)
    assert all(layer.depthwise and layer.kernel == (1, 1) for layer in layers)
    assert [layer.copies for layer in layers] == [True, False, True]
    assert isinstance(layers[0].pool, MaxPool) and isinstance(layers[2].pool, AveragePool)
    # Four blocks at a time; an average takes one.
    assert [len(channel_tiles(layer, DEFAULT)) for layer in layers] == [2, 2, 5]


def test_pools_are_fused_where_they_alone_read():
    def kinds(b, fused=True):
        layers = lower(b.graph)
        return [layer.op for layer in (fuse_pools(layers, b.graph, DEFAULT) if fused else layers)]

    b = Builder(6, (16, 8, 8))
    b.max_pool(b.conv("x", 16, (1, 1)), 2, 0)
    assert kinds(b) == ["conv+max_pool"]
    assert kinds(b, fused=False) == ["conv", "max_pool"]
    b = Builder(6, (16, 8, 8))
    b.max_pool(b.add("x", "x"), 2, 0)
    assert kinds(b) == ["add+max_pool"]
    b = Builder(6, (16, 8, 8))
    y = b.conv("x", 16, (1, 1))
    b.max_pool(y, 2, 0)
    b.add(y, y)
    assert kinds(b) == ["conv", "max_pool", "add"]
    b = Builder(6, (16, 8, 8))
    y = b.conv("x", 16, (1, 1))
    b.max_pool(y, 2, 0)
    b.graph.output = y
    assert kinds(b) == ["conv", "max_pool"]
    b = Builder(6, (16, 16, 16))
    b.max_pool(b.max_pool("x", 2, 0), 2, 0)
    assert kinds(b) == ["max_pool", "max_pool"]
    b = Builder(6, (16, 8, 1200))  # wider than the line buffer
    b.max_pool(b.conv("x", 16, (1, 1)), 2, 0)
    assert kinds(b) == ["conv", "max_pool"]


def test_the_input_is_packed_where_one_dense_layer_reads_it():
    def packed(b):
        layers = pack_input(lower(b.graph), b.graph, DEFAULT)
        return [layer.packed for layer in layers]

    b = Builder(7, (3, 8, 8))
    b.conv(b.conv("x", 3, (3, 3)), 3, (1, 1))
    assert packed(b) == [True, False]
    b.graph.ops[1] = replace(b.graph.ops[1], residual=None)
    b = Builder(7, (3, 8, 8))
    b.add(b.conv("x", 3, (1, 1)), "x")
    assert packed(b) == [False, False]
    b = Builder(7, (3, 8, 8))
    b.max_pool("x", 2, 0)
    assert packed(b) == [False]
    b = Builder(7, (8, 8, 8))
    b.conv("x", 3, (1, 1))
    assert packed(b) == [False]


@pytest.mark.parametrize("name", PRESETS)
def test_an_input_of_one_channel_that_is_pooled(name):
    b = Builder(8, (1, 12, 30))
    b.max_pool("x", 3, 1)
    image = compile_graph(b.graph, PRESETS[name])
    x = b.input()
    assert not mismatches(image, run_image(image, x[None]), [evaluate(b.graph, x)])
