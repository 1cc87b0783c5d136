"""Concatenations become convolutions whose sum they are."""

import pytest

from resarray.golden.ops import FloatConcat, FloatConv
from resarray.golden.passes import concat_to_conv, simplify

from ..float_graphs import check_same, conv, kinds, network


@pytest.mark.parametrize("count", [1, 2, 4])
def test_of_several(count):
    makers = [conv(f"m{i}", "input", cout=i + 2) for i in range(count)]
    concat = FloatConcat("y", tuple(op.output for op in makers), "y")
    graph = network(*makers, concat, conv("z", "y", cin=sum(range(2, count + 2))))
    converted = concat_to_conv(graph)
    assert kinds(converted) == ["Conv"] * (2 * count + 1)
    check_same(graph, converted)
    check_same(graph, simplify(graph), exact=False)


def test_of_the_input_with_itself_as_the_output():
    graph = network(FloatConcat("y", ("input", "input"), "y"))
    converted = concat_to_conv(graph)
    assert converted.ops[0].selects and isinstance(converted.ops[1], FloatConv)
    check_same(graph, converted)


def test_other_sizes_are_refused():
    small = conv("a", "input", stride=(2, 2))
    graph = network(small, FloatConcat("y", ("a", "input"), "y"))
    assert graph.ops[1].refusal(*graph.operands(graph.ops[1]))
