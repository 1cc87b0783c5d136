"""Convolution: its weights' quantisation, and that the fast reference equals the readable one."""

import itertools

import numpy as np
import pytest
import torch

from resarray.golden import fast, reference
from resarray.golden.ops import FloatConv, QTensor
from resarray.golden.ops.conv import _max_bias, exact_parts, quantise_weights
from resarray.golden.quantise import quantise
from resarray.spec.errors import ResarrayError

from ..float_graphs import network
from ..graphs import Builder, check_references, residual_network

pytestmark = pytest.mark.verifies("operators", by="unit")

CONVS = {
    "1x1": dict(cout=3, kernel=(1, 1)),
    "3x3 padded": dict(cout=3, kernel=(3, 3), padding=(1, 1, 1, 1)),
    "3x3 stride 2": dict(cout=2, kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1)),
    "7x7 stride 2": dict(cout=2, kernel=(7, 7), stride=(2, 2), padding=(3, 3, 3, 3)),
    "stride 3x4": dict(cout=2, kernel=(3, 2), stride=(3, 4), padding=(1, 0, 0, 1)),
    "patches": dict(cout=4, kernel=(4, 4), stride=(4, 4)),
    "dilated": dict(cout=2, kernel=(2, 3), dilation=(3, 2), padding=(1, 1, 0, 2)),
    "dilated depthwise": dict(cout=3, kernel=(3, 3), dilation=(2, 2), padding=(2,) * 4, groups=3),
    "uneven": dict(cout=2, kernel=(2, 3), stride=(1, 2), padding=(0, 1, 2, 0)),
    "whole map": dict(cout=3, kernel=(5, 7)),
    "depthwise": dict(cout=3, kernel=(3, 3), padding=(1, 1, 1, 1), groups=3),
    "groups": dict(cout=6, kernel=(3, 1), stride=(2, 1), groups=3),
    "extreme": dict(cout=4, kernel=(3, 3), padding=(2, 2, 2, 2), extreme=True),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CONVS)
def test_conv(case, seed):
    builder = Builder(seed, 3, 5, 7)
    builder.conv(**CONVS[case])
    check_references(builder)


def test_sums_above_the_exact_range_of_float32():
    """1200 equal products of the largest magnitude: 1200 * 255 * 127 > 2**24."""
    builder = Builder(5, 1200, 1, 1)
    builder.conv(2, (1, 1), extreme=True)
    op = builder.graph.ops[0]
    op.weight[:] = 127
    op.bias[:] = [1, 2]
    op.mult[:], op.shift[:] = 1 << 16, 20
    builder.graph.tensors["input"] = QTensor("input", (1200, 1, 1), 0.1, -128)
    assert len(exact_parts(op.weight)) == 3
    inputs = np.full((1, 1200, 1, 1), 127, np.int8)
    inputs[0, ::7] = 126
    expected = reference.run(builder.graph, inputs)
    np.testing.assert_array_equal(fast.run(builder.graph, inputs)["conv0"], expected["conv0"])


@pytest.mark.parametrize("seed", range(5))
def test_parts_cover_all_channels_and_stay_exact(seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-127, 128, (4, int(rng.integers(1, 600)), 3, 3)).astype(np.int8)
    parts = exact_parts(weight)
    assert parts[0][0] == 0 and parts[-1][1] == weight.shape[1]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    for first, last in parts:
        sums = np.abs(weight[:, first:last].astype(int)).sum((1, 2, 3)) * 255
        assert sums.max() < 1 << 24


def test_one_channel_with_a_kernel_too_large_for_float32():
    builder = Builder(2, 1, 31, 31)
    builder.conv(1, (31, 31), extreme=True)
    builder.graph.ops[0].mult[:], builder.graph.ops[0].shift[:] = 1 << 16, 18
    check_references(builder, count=3)


def test_macs_of_the_operators():
    graph = residual_network(0).graph
    assert {op.name: graph.macs(op) for op in graph.ops} == {
        "conv0": 3 * 5 * 9 * 5 * 6,
        "pool1": 0,
        "conv2": 5 * 5 * 9 * 3 * 3,
        "conv3": 5 * 5 * 9 * 3 * 3,
        "add4": 0,
        "add5": 0,
        "conv6": 5 * 6 * 2 * 2,
        "avg7": 0,
        "conv8": 6 * 4,
    }


def test_dead_tensors_and_channels():
    weight = torch.tensor([[[[0.0]]], [[[1e-12]]]])
    op = FloatConv("a", ("input",), "a", weight, torch.tensor([0.0, 5.0]))
    q, bias, scale = quantise_weights(op, 0.1)
    assert q[0, 0, 0, 0] == bias[0] == 0 and abs(int(bias[1])) <= 1 << 29
    assert bias[1] * scale[1] * 0.1 == pytest.approx(5.0)
    zero = FloatConv("a", ("input",), "a", weight * 0, torch.zeros(2), lo=0.0)
    integer = quantise(network(zero, shape=(1, 2, 2)), torch.zeros(1, 1, 2, 2))
    values = fast.run(integer, np.zeros((1, 1, 2, 2), np.int8))
    assert (values["a"] == integer.tensors["a"].zero_point).all()


def test_sums_too_long_are_refused():
    op = FloatConv("a", ("input",), "a", torch.ones(1, 66_400, 1, 1), torch.zeros(1))
    with pytest.raises(ResarrayError, match="'a' adds 66400 products"):
        quantise_weights(op, 0.1)


@pytest.mark.parametrize("products", [60_000, 66_000])
def test_bias_and_products_fill_the_accumulator(products):
    op = FloatConv("c", ("input",), "c", torch.zeros(1, products, 1, 1), torch.zeros(1))
    assert _max_bias(op) == 2**31 - 1 - 255 * 127 * products
