"""Adaptive averages become part of the linear layers behind them."""

import pytest
import torch

from resarray.golden.ops import FloatActivation, FloatAdaptiveAvgPool, FloatLinear
from resarray.golden.passes import adaptive_to_linear

from ..float_graphs import check_same, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def pool(*size):
    return FloatAdaptiveAvgPool("a", ("input",), "a", size)


def linear(output, source, values, count=5):
    weight, bias = torch.randn(count, values), torch.randn(count)
    return FloatLinear(output, (source,), output, weight, bias)


# The map has 6x7 pixels.
@pytest.mark.parametrize("size", [(4, 4), (1, 5), (7, 7), (6, 7), (9, 2), (1, 1)])
def test_folded(size):
    torch.manual_seed(1)
    graph = network(pool(*size), linear("b", "a", 3 * size[0] * size[1]))
    folded = adaptive_to_linear(graph)
    assert kinds(folded) == ["Linear"] and folded.ops[0].weight.shape == (5, 3 * 6 * 7)
    check_same(graph, folded, exact=False)


def test_what_else_reads_it_keeps_it():
    graph = network(
        pool(4, 4),
        linear("b", "a", 48),
        FloatActivation("c", ("a",), "c", lo=0.0, hi=1.0),
        linear("d", "c", 48),
        output="d",
    )
    folded = adaptive_to_linear(graph)
    assert kinds(folded) == ["AdaptiveAvgPool", "Linear", "Activation", "Linear"]
    assert folded.ops[1].inputs == ("input",) and folded.ops[3].inputs == ("c",)
    check_same(graph, folded, exact=False)


def test_leaves_a_linear_layer_that_reads_something_else():
    graph = network(pool(4, 4), linear("b", "a", 4))
    assert adaptive_to_linear(graph).ops == graph.ops
