"""Operands that cannot have a concatenation's scale are copied in front of it."""

import pytest

from resarray.golden.ops import FloatConcat, FloatMaxPool, FloatSlice
from resarray.golden.passes import copy_operands, simplify

from ..float_graphs import check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def concat(output, *inputs):
    return FloatConcat(output, inputs, output)


def test_operands_of_their_own_stay():
    graph = network(
        conv("a", "input"), conv("b", "a"), concat("c", "a", "b"), conv("d", "c", cin=6)
    )
    assert copy_operands(graph).ops == graph.ops
    check_same(graph, simplify(graph))


def test_the_second_of_two_is_copied():
    graph = network(conv("a", "input"), concat("b", "a", "a"))
    copied = copy_operands(graph)
    assert kinds(copied) == ["Conv", "Conv", "Concat"]
    assert copied.ops[1].own_range and not copied.ops[1].keeps_scale
    assert copied.ops[2].inputs == ("a", "b.copy1")
    check_same(graph, copied)


def test_what_has_the_scale_of_the_input_is_copied():
    """Through pools, slices and other concatenations; what is made of them anew is not."""
    graph = network(
        FloatMaxPool("a", ("input",), "a", (2, 2), (2, 2)),
        FloatSlice("b", ("a",), "b", 1, 0, 2, 1),
        conv("c", "b", cin=2),
        concat("d", "b", "c"),
        concat("e", "d", "a"),
    )
    copied = copy_operands(graph)
    assert [op.output for op in copied.ops] == ["a", "b", "c", "d.copy0", "d", "e.copy1", "e"]
    assert copied.ops[-1].inputs == ("d", "e.copy1")
    check_same(graph, copied)


def test_of_the_input_with_itself_as_the_output():
    graph = network(concat("y", "input", "input"))
    assert kinds(copy_operands(graph)) == ["Conv", "Conv", "Concat"]
    check_same(graph, simplify(graph))


def test_other_sizes_are_refused():
    small = conv("a", "input", stride=(2, 2))
    graph = network(small, concat("y", "a", "input"))
    assert graph.ops[1].refusal(*graph.operands(graph.ops[1]))
