"""Channels that share a concatenation's scale: the same network, and more of its signal."""

import pytest
import torch

from resarray.golden import fast
from resarray.golden.equalise import equalise
from resarray.golden.float_graph import FloatGraph, run_float
from resarray.golden.ops import FloatAdd, FloatConcat, FloatConv, FloatMaxPool, FloatSlice
from resarray.golden.quantise import quantise

from .float_graphs import conv, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")

SMALL = torch.logspace(-3, 0, 7)  # of the channels' values


def affine(output: str, source: str, first: int, channels: int) -> FloatConv:
    """As a batch norm is one: it brings channels from ``first`` on to one size."""
    weight = torch.randn(channels, 1, 1, 1) / SMALL[first : first + channels].view(-1, 1, 1, 1)
    bias = torch.randn(channels)
    return FloatConv(output, (source,), output, weight, bias, groups=channels, lo=0.0)


def dense_block(*more) -> FloatGraph:
    """Channels of very different values side by side, pooled, in part, read by batch norms."""
    torch.manual_seed(1)
    small = conv("small", "input", cout=4, lo=0.0)
    small.weight.mul_(SMALL[:4].view(4, 1, 1, 1))
    small.bias.mul_(SMALL[:4])
    return network(
        small,
        FloatMaxPool("pool", ("small",), "pool", (3, 3), (1, 1), (1, 1, 1, 1)),
        conv("large", "input", cout=3),
        FloatConcat("cat", ("pool", "large"), "cat"),
        FloatSlice("slice", ("cat",), "slice", 1, 1, 6, 1),
        affine("a", "cat", 0, 7),
        affine("b", "slice", 1, 5),
        *more,
        FloatConcat("out", ("a", "b"), "out"),
        conv("last", "out", cin=12, cout=4),
    )


def error(graph: FloatGraph, x: torch.Tensor) -> float:
    """Noise of the integer graph's output by its signal."""
    integers = quantise(graph, x)
    q = torch.round(x / integers.tensors["input"].scale) + integers.tensors["input"].zero_point
    values = fast.run(integers, q.clamp(-128, 127).numpy().astype("int8"))["last"]
    tensor = integers.tensors["last"]
    got = (torch.from_numpy(values).float() - tensor.zero_point) * tensor.scale
    expected = run_float(graph, x)
    return float(((got - expected) ** 2).sum() / (expected**2).sum())


def test_the_same_network_with_less_noise():
    graph, x = dense_block(), torch.randn(4, 3, 6, 7)
    equal = equalise(graph, x)
    torch.testing.assert_close(run_float(equal, x), run_float(graph, x))
    extents = {}
    run_float(equal, x, lambda name, value: extents.update({name: value.abs().amax((0, 2, 3))}))
    torch.testing.assert_close(extents["small"], torch.ones(4))
    torch.testing.assert_close(extents["large"], torch.ones(3))
    assert error(equal, x) < 0.1 * error(graph, x)


def test_a_channel_that_is_always_zero():
    graph, x = dense_block(), torch.randn(2, 3, 6, 7)
    graph.ops[0].weight[0] = 0
    graph.ops[0].bias[0] = -1
    torch.testing.assert_close(run_float(equalise(graph, x), x), run_float(graph, x))


LEFT = {
    "a dense convolution reads it": [conv("c", "cat", cin=7, cout=2)],
    "an addition reads a part": [FloatAdd("c", ("slice", "slice"), "c")],
}


@pytest.mark.parametrize("case", LEFT)
def test_leaves_what_others_read(case):
    graph = dense_block(*LEFT[case])
    assert equalise(graph, torch.randn(2, 3, 6, 7)) is graph


def test_leaves_outputs_and_clamps():
    graph = dense_block()
    assert equalise(network(*graph.ops[:4]), torch.randn(2, 3, 6, 7)).ops == graph.ops[:4]
    six = network(conv("small", "input", cout=4, lo=0.0, hi=6.0), *graph.ops[1:])
    assert equalise(six, torch.randn(2, 3, 6, 7)) is six
