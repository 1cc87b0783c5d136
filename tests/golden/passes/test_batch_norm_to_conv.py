"""Batch norms that stand alone become depthwise convolutions."""

import torch

from resarray.golden.ops import FloatActivation, FloatAdd, FloatBatchNorm, FloatConv
from resarray.golden.passes import batch_norm_to_conv, simplify

from ..float_graphs import batch_norm, check_same, conv, kinds, network


def test_is_depthwise_and_computes_the_same():
    torch.manual_seed(1)
    bare = FloatBatchNorm("c", ("b",), "c", torch.randn(3), torch.rand(3), None, None, 0.1)
    graph = network(
        batch_norm("a", "input"), FloatAdd("b", ("a", "input"), "b"), bare, conv("d", "c")
    )
    converted = batch_norm_to_conv(graph)
    assert kinds(converted) == ["Conv", "Add", "Conv", "Conv"]
    for op in (converted.ops[0], converted.ops[2]):
        assert isinstance(op, FloatConv)
        assert (op.groups, tuple(op.weight.shape)) == (3, (3, 1, 1, 1))
    check_same(graph, converted, exact=False)


def test_leaves_others_alone():
    graph = network(conv("a", "input"), FloatAdd("b", ("a", "input"), "b"))
    assert batch_norm_to_conv(graph).ops == graph.ops


def test_a_norm_before_an_activation_takes_it_and_one_behind_a_convolution_goes():
    graph = network(
        batch_norm("a", "input"),
        FloatActivation("b", ("a",), "b", 0.0, torch.inf),
        conv("c", "b"),
        batch_norm("d", "c"),
    )
    simple = simplify(graph)
    assert kinds(simple) == ["Conv", "Conv"]
    assert simple.ops[0].clamps
    check_same(graph, simple, exact=False)
