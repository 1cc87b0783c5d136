"""Batch norms and constants go into the convolutions before them, where these are theirs alone, or
become depthwise ones."""

import pytest
import torch

from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatBatchNorm,
    FloatConv,
    FloatScale,
)
from resarray.golden.passes import affine_to_conv, simplify

from ..float_graphs import batch_norm, check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def scale(output, source):
    factor, offset = torch.randn(2, 3, dtype=torch.float64)
    return FloatScale(output, (source,), output, factor, offset)


@pytest.mark.parametrize("seed", range(3))
def test_folds_one_after_the_other(seed):
    torch.manual_seed(seed)
    graph = network(
        conv("a", "input", kernel=3),
        batch_norm("b", "a"),
        scale("c", "b"),
        batch_norm("d", "c"),
        conv("e", "d"),
    )
    folded = affine_to_conv(graph)
    assert kinds(folded) == ["Conv", "Conv"]
    assert folded.ops[1].inputs == ("a",)
    check_same(graph, folded, exact=False)


def test_without_gamma_and_beta_and_at_the_output():
    norm = FloatBatchNorm("b", ("a",), "b", torch.randn(3), torch.rand(3), None, None, 0.1)
    graph = network(conv("a", "input"), norm)
    folded = affine_to_conv(graph)
    assert kinds(folded) == ["Conv"] and folded.output == "a"
    check_same(graph, folded, exact=False)


ALONE = {
    "of the input": [batch_norm("a", "input")],
    "clamped": [conv("a", "input", lo=0.0), scale("b", "a")],
    "read twice": [conv("a", "input"), batch_norm("b", "a"), FloatAdd("c", ("a", "b"), "c")],
    "read before": [conv("a", "input"), conv("c", "a"), batch_norm("b", "a")],
    "an addition": [FloatAdd("a", ("input", "input"), "a"), batch_norm("b", "a")],
}


@pytest.mark.parametrize("case", ALONE)
def test_one_that_stands_alone_is_depthwise(case):
    graph = network(*ALONE[case])
    converted = affine_to_conv(graph)
    assert [op.name for op in converted.ops] == [op.name for op in graph.ops]
    for before, op in zip(graph.ops, converted.ops, strict=True):
        if isinstance(before, FloatBatchNorm | FloatScale):
            assert isinstance(op, FloatConv)
            assert (op.groups, tuple(op.weight.shape)) == (3, (3, 1, 1, 1))
    check_same(graph, converted, exact=False)


def test_those_behind_one_that_stands_alone_go_into_it():
    graph = network(scale("a", "input"), batch_norm("b", "a"), batch_norm("c", "b"))
    converted = affine_to_conv(graph)
    assert kinds(converted) == ["Conv"]
    check_same(graph, converted, exact=False)


def test_one_of_a_norm_read_twice():
    """What both norms read has one reader, the second norm's operand has two."""
    graph = network(
        conv("a", "input"),
        batch_norm("b", "a"),
        batch_norm("c", "b"),
        FloatAdd("d", ("b", "c"), "d"),
    )
    folded = affine_to_conv(graph)
    assert kinds(folded) == ["Conv", "Conv", "Add"] and folded.ops[1].groups == 3
    check_same(graph, folded, exact=False)


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
