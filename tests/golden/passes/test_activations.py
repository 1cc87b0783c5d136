"""Activations that stand behind a max pool, or alone."""

import math

import pytest

from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatConcat,
    FloatGlobalAvgPool,
    FloatMaxPool,
)
from resarray.golden.passes import (
    activation_before_concat,
    activation_before_pool,
    activation_to_conv,
    simplify,
)

from ..float_graphs import check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def relu(output, source, lo=0.0, hi=math.inf):
    return FloatActivation(output, (source,), output, lo, hi)


def pool(output, source):
    return FloatMaxPool(output, (source,), output, (2, 2), (2, 2))


@pytest.mark.parametrize("bounds", [(0.0, math.inf), (-0.3, 0.2), (-math.inf, -0.1)])
def test_changes_places_with_the_pool(bounds):
    graph = network(conv("a", "input"), pool("b", "a"), relu("c", "b", *bounds), conv("d", "c"))
    moved = activation_before_pool(graph)
    assert kinds(moved) == ["Conv", "Activation", "MaxPool", "Conv"]
    assert [op.name for op in moved.ops] == ["a", "c", "b", "d"]
    check_same(graph, moved)
    assert kinds(simplify(graph)) == ["Conv", "MaxPool", "Conv"]
    check_same(graph, simplify(graph))


def test_of_the_output():
    graph = network(conv("a", "input"), pool("b", "a"), relu("c", "b"))
    check_same(graph, activation_before_pool(graph))
    assert kinds(simplify(graph)) == ["Conv", "MaxPool"]


STAY = {
    "the pool is read twice": [
        conv("a", "input"),
        pool("b", "a"),
        relu("c", "b"),
        FloatAdd("d", ("b", "c"), "d"),
    ],
    "the convolution is read twice": [
        conv("a", "input"),
        pool("b", "a"),
        relu("c", "b"),
        pool("e", "a"),
        FloatAdd("d", ("e", "c"), "d"),
    ],
    "no convolution": [pool("b", "input"), relu("c", "b")],
    "no pool": [FloatGlobalAvgPool("b", ("input",), "b"), relu("c", "b")],
}


@pytest.mark.parametrize("case", STAY)
def test_elsewhere_it_is_a_convolution(case):
    graph = network(*STAY[case])
    assert activation_before_pool(graph).ops == graph.ops
    converted = activation_to_conv(graph)
    (op,) = (op for op in converted.ops if op.output == "c")
    assert (op.groups, op.lo, op.hi) == (3, 0.0, math.inf)
    check_same(graph, converted)
    check_same(graph, simplify(graph))


def concat(output, *inputs):
    return FloatConcat(output, inputs, output)


def test_moves_before_concatenations():
    """Also nested ones; where an operand is read by others, it is a convolution there."""
    graph = network(
        conv("a", "input"),
        conv("b", "input"),
        concat("c", "a", "b"),
        conv("d", "a"),
        concat("e", "c", "d", "a"),
        relu("f", "e"),
    )
    moved = activation_before_concat(graph)
    assert kinds(moved)[-1] == "Concat" and kinds(moved).count("Activation") == 4
    check_same(graph, moved)
    simple = simplify(graph)
    assert kinds(simple).count("Concat") == 2 and kinds(simple)[-1] == "Concat"
    assert kinds(simple).count("Conv") == 5  # a is clamped by itself, twice
    check_same(graph, simple)


STAY_BEHIND = {
    "the concatenation is read twice": [
        conv("a", "input"),
        concat("b", "a", "input"),
        relu("c", "b"),
        FloatAdd("d", ("b", "c"), "d"),
    ],
    "no operand takes it": [concat("b", "input", "input"), relu("c", "b")],
}


@pytest.mark.parametrize("case", STAY_BEHIND)
def test_stays_behind_concatenations(case):
    graph = network(*STAY_BEHIND[case])
    assert activation_before_concat(graph).ops == graph.ops
    check_same(graph, simplify(graph))
