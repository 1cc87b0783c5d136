"""Additions go into the convolutions before them."""

from dataclasses import replace

import pytest
import torch

from resarray.golden.ops import FloatAdd, FloatGlobalAvgPool
from resarray.golden.passes import fuse_addition

from ..float_graphs import check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def test_a_convolution_that_adds_already_takes_no_other():
    """One is all that it can add."""
    graph = network(conv("a", "input"), conv("b", "input", "a"), FloatAdd("c", ("b", "input"), "c"))
    fused = fuse_addition(graph)
    assert kinds(fused) == ["Conv", "Conv", "Add"]
    check_same(graph, fused)


def test_fusion_moves_the_convolution_behind_the_other_operand():
    """The longer sums take the addition, wherever the model computes them."""
    graph = network(
        conv("long", "input", kernel=3),
        conv("short", "input"),
        FloatAdd("add", ("long", "short"), "add", lo=0.0),
    )
    fused = fuse_addition(graph)
    assert [(op.name, op.output, op.inputs[1:]) for op in fused.ops] == [
        ("short", "short", ()),
        ("long", "add", ("short",)),
    ]
    assert (fused.ops[0].clamps, fused.ops[1].lo) == (False, 0.0)
    check_same(graph, fused, exact=False)


def test_a_value_for_each_channel_is_the_residual():
    """The convolution that makes it, of a smaller map, takes no addition."""
    graph = network(
        FloatGlobalAvgPool("a", ("input",), "a"),
        conv("b", "a", kernel=3),
        FloatAdd("c", ("input", "b"), "c"),
        conv("d", "a", kernel=3),
        conv("e", "c"),
        FloatAdd("f", ("e", "d"), "f"),
    )
    fused = fuse_addition(graph)
    assert [op.output for op in fused.ops] == ["a", "b", "c", "d", "f"]
    assert kinds(fused)[2] == "Add" and fused.ops[4].inputs == ("c", "d")
    check_same(graph, fused, exact=False)


def test_either_operand_and_one_after_the_other():
    torch.manual_seed(2)
    graph = network(
        conv("a", "input", lo=0.0),
        conv("b", "a"),
        FloatAdd("c", ("a", "b"), "c"),
        conv("d", "c"),
        FloatAdd("e", ("d", "c"), "e"),
    )
    fused = fuse_addition(graph)
    assert [(op.name, op.inputs) for op in fused.ops] == [
        ("a", ("input",)),
        ("b", ("a", "a")),
        ("d", ("c", "c")),
    ]
    check_same(graph, fused, exact=False)


LEFT_ALONE = {
    "of itself": [conv("a", "input"), FloatAdd("c", ("a", "a"), "c")],
    "clamped": [conv("a", "input", lo=0.0), FloatAdd("c", ("a", "input"), "c")],
    "read twice": [
        conv("a", "input"),
        FloatAdd("c", ("a", "input"), "c"),
        FloatAdd("d", ("c", "a"), "d"),
    ],
    "no convolution": [FloatAdd("c", ("input", "input"), "c")],
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_others_alone(case):
    graph = network(*LEFT_ALONE[case])
    fused = fuse_addition(graph)
    assert kinds(fused) == kinds(graph)
    check_same(graph, fused)


def test_what_is_rounded_in_front_of_an_addition_stays_so():
    """In networks that are quantised already."""
    graph = network(conv("a", "input"), conv("b", "input"), FloatAdd("c", ("a", "b"), "c"))
    assert kinds(fuse_addition(replace(graph, scales={"a": (0.1, 0)}))) == ["Conv", "Conv"]
    both = replace(graph, scales={"a": (0.1, 0), "b": (0.1, 0)})
    assert kinds(fuse_addition(both)) == ["Conv", "Conv", "Add"]
