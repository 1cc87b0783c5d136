"""Activations become bounds of the operators before them."""

import math

import pytest

from resarray.golden.ops import FloatActivation, FloatAdd, FloatGlobalAvgPool, FloatMaxPool
from resarray.golden.passes import fuse_activation

from ..float_graphs import check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def relu(output, source, lo=0.0, hi=math.inf):
    return FloatActivation(output, (source,), output, lo, hi)


def test_of_a_convolution_and_of_an_addition():
    graph = network(
        conv("a", "input"), relu("b", "a"), FloatAdd("c", ("b", "input"), "c"), relu("d", "c")
    )
    fused = fuse_activation(graph)
    assert kinds(fused) == ["Conv", "Add"] and fused.output == "c"
    assert [(op.lo, op.hi) for op in fused.ops] == [(0.0, math.inf)] * 2
    check_same(graph, fused)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ((0.0, math.inf), (0.0, math.inf), (0.0, math.inf)),
        ((0.0, math.inf), (-1.0, 0.5), (0.0, 0.5)),
        ((-0.3, 0.2), (0.0, math.inf), (0.0, 0.2)),
        ((-2.0, -1.0), (0.0, 1.0), (0.0, 0.0)),
        ((1.0, 2.0), (-1.0, 0.5), (0.5, 0.5)),
    ],
)
def test_one_after_the_other(first, second, both):
    graph = network(conv("a", "input"), relu("b", "a", *first), relu("c", "b", *second))
    fused = fuse_activation(graph)
    assert kinds(fused) == ["Conv"] and (fused.ops[0].lo, fused.ops[0].hi) == both
    check_same(graph, fused)


def test_one_that_changes_nothing_goes_though_others_read_its_operand():
    graph = network(
        conv("a", "input"), relu("b", "a"), relu("c", "b"), FloatAdd("d", ("b", "c"), "d")
    )
    fused = fuse_activation(graph)
    assert kinds(fused) == ["Conv", "Add"] and fused.ops[1].inputs == ("a", "a")
    check_same(graph, fused)
    # But not one behind it, for which the others' reading counts.
    graph = network(
        conv("a", "input"),
        relu("b", "a"),
        relu("c", "b"),
        relu("e", "c", 0.0, 0.1),
        FloatAdd("d", ("b", "e"), "d"),
    )
    fused = fuse_activation(graph)
    assert kinds(fused) == ["Conv", "Activation", "Add"]
    check_same(graph, fused)


LEFT_ALONE = {
    "of the input": [relu("a", "input")],
    "read twice": [conv("a", "input"), relu("b", "a"), FloatAdd("c", ("a", "b"), "c")],
    "a max pool": [FloatMaxPool("a", ("input",), "a", (2, 2), (2, 2)), relu("b", "a")],
    "an average": [FloatGlobalAvgPool("a", ("input",), "a"), relu("b", "a")],
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_others_alone(case):
    graph = network(*LEFT_ALONE[case])
    fused = fuse_activation(graph)
    assert kinds(fused) == kinds(graph)
    check_same(graph, fused)
