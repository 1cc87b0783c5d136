"""Groups, views and passes: what layers can say beyond an operator of today's graphs."""

from dataclasses import replace

import numpy as np
import pytest

from resarray.compiler import weights
from resarray.compiler.channels import channel_runs, channel_tiles
from resarray.compiler.compile import compile_graph, compile_layers
from resarray.compiler.functional import run_image
from resarray.compiler.ir import AveragePool, MaxPool
from resarray.compiler.passes import fuse_pools, fuse_tables, pack_input
from resarray.compiler.pooling import PoolStage
from resarray.compiler.tiling import full_width_fits
from resarray.compiler.windows import column_parts
from resarray.spec.config import PRESETS
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import Pool

from .reference import Builder, evaluate, layers_of, mismatches

pytestmark = pytest.mark.verifies("compiler", by="unit")

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
    layer = grouped(layers_of(b.graph, DEFAULT)[0], groups)
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
    layers = layers_of(b.graph, config)
    layers[0] = grouped(layers[0], groups)
    layers = fuse_pools(layers, b.graph, config)
    image = compile_layers(layers, b.graph, config, batch=batch)
    inputs = np.stack([b.input() for _ in range(batch)])
    wrong = mismatches(image, run_image(image, inputs), [evaluate(b.graph, x) for x in inputs])
    assert not wrong, f"{wrong} differ"


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
    assert layers_of(b.graph, DEFAULT)[0].k_tiles(9, DEFAULT) * 8 > 65_536


def test_what_becomes_of_operators_that_the_array_only_hands_on():
    b = Builder(5, (40, 8, 8))
    y = b.max_pool("x", 2, 0)
    y = b.add(y, y)
    b.average(y)
    layers = layers_of(b.graph, DEFAULT)
    assert all(layer.depthwise and layer.kernel == (1, 1) for layer in layers)
    assert [layer.copies for layer in layers] == [True, False, True]
    assert isinstance(layers[0].pool, MaxPool) and isinstance(layers[2].pool, AveragePool)
    # Four blocks at a time; an average takes one.
    assert [len(channel_tiles(layer, DEFAULT)) for layer in layers] == [2, 2, 5]


def test_pools_are_fused_where_they_alone_read():
    def kinds(b, fused=True):
        layers = layers_of(b.graph, DEFAULT)
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
    b.graph.outputs = (y,)
    assert kinds(b) == ["conv", "max_pool"]
    b = Builder(6, (16, 16, 16))
    b.max_pool(b.max_pool("x", 2, 0), 2, 0)
    assert kinds(b) == ["max_pool", "max_pool"]
    b = Builder(6, (16, 8, 1200))  # wider than the line buffer
    b.max_pool(b.conv("x", 16, (1, 1)), 2, 0)
    assert kinds(b) == ["conv", "max_pool"]


def test_the_input_is_packed_where_one_dense_layer_reads_it():
    def packed(b):
        layers = pack_input(layers_of(b.graph, DEFAULT), b.graph, DEFAULT)
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


def test_parts_of_an_upsampling_hold_whole_pixels():
    b = Builder(1, (4, 3, 25))
    b.upsample("x", (1, 2))
    (layer,) = layers_of(b.graph, DEFAULT)
    parts = column_parts(layer, 3)
    assert sum(count for _, count in parts) == 50
    assert all(first % 2 == count % 2 == 0 for first, count in parts)


def test_rows_wider_than_the_accumulators_are_no_tiles():
    for width, fits in ((DEFAULT.acc_depth, True), (DEFAULT.acc_depth + 1, False)):
        b = Builder(1, (4, 1, width))
        b.conv("x", 4, (1, 1))
        (layer,) = layers_of(b.graph, DEFAULT)
        assert full_width_fits(layer, DEFAULT) == fits


def test_a_max_pool_stays_in_its_line_buffer():
    fields = {"height": 1, "width": 4, "pool_bottom": 0, "pool_right": 0, "pool_first": 1}
    fields |= {"pool": Pool.MAX, "pool_kx": 1, "pool_ky": 1, "pool_x": 0, "pool_y": 0}
    fields |= {"pool_sx": 1, "pool_sy": 1, "pool_width": 4}
    blocks = np.zeros((1, 4, DEFAULT.rows), np.int64)
    last = DEFAULT.pool_words - 4
    assert len(PoolStage(DEFAULT).run(fields | {"line": last}, blocks)) == 4
    with pytest.raises(AssertionError, match="line buffer exceeded"):
        PoolStage(DEFAULT).run(fields | {"line": last + 1}, blocks)


def test_an_average_is_begun_before_it_goes_on():
    fields = {"pool": Pool.AVERAGE, "avg_first": 0, "avg_last": 0}
    with pytest.raises(AssertionError, match="that was not begun"):
        PoolStage(DEFAULT).run(fields, np.zeros((1, 2, DEFAULT.rows), np.int64))


@pytest.mark.parametrize("seen", [False, True])
def test_a_function_happens_in_the_layer_that_it_alone_reads(seen):
    b = Builder(6, (16, 8, 8))
    y = b.conv("x", 16, (1, 1))
    z = b.function(y)
    b.graph.outputs = (y, z) if seen else (z,)
    layers = fuse_tables(layers_of(b.graph, DEFAULT), b.graph)
    assert [layer.op for layer in layers] == (["conv", "function"] if seen else ["conv+function"])


def test_as_many_weights_as_an_instruction_brings(monkeypatch):
    """Eight channel blocks of inputs and a parameter record are nine words a column."""
    b = Builder(6, (64, 4, 4))
    b.conv("x", 32, (1, 1))
    words = DEFAULT.columns * (64 // DEFAULT.rows + DEFAULT.param_words)
    monkeypatch.setattr(weights, "MAX_STREAM", words)
    compile_graph(b.graph, DEFAULT)
    monkeypatch.setattr(weights, "MAX_STREAM", words - 1)
    with pytest.raises(ResarrayError, match=f"{words} words of weights"):
        compile_graph(b.graph, DEFAULT)
