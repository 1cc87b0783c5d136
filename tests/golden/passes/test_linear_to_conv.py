"""Linear layers become convolutions over the whole map."""

import pytest
import torch

from resarray.golden.ops import FloatLinear
from resarray.golden.passes import linear_to_conv

from ..float_graphs import SHAPE, check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def linear(output, source, values, count):
    weight, bias = torch.randn(count, values), torch.randn(count)
    return FloatLinear(output, (source,), output, weight, bias)


def test_of_a_map_and_of_a_vector():
    torch.manual_seed(1)
    graph = network(conv("a", "input"), linear("b", "a", 3 * 6 * 7, 5), linear("c", "b", 5, 2))
    converted = linear_to_conv(graph)
    assert kinds(converted) == ["Conv"] * 3
    assert [op.op for op in converted.ops] == ["conv", "linear", "linear"]
    assert converted.ops[1].weight.shape == (5, *SHAPE)
    assert converted.shapes == graph.shapes
    check_same(graph, converted, exact=False)


def test_leaves_others_alone():
    graph = network(conv("a", "input"), linear("b", "a", 42, 5))
    assert kinds(linear_to_conv(graph)) == ["Conv", "Linear"]
    assert linear_to_conv(graph).ops[0] is graph.ops[0]
