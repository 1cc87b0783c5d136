"""Layers get names of their own."""

import pytest

from resarray.golden.ops import FloatAdd
from resarray.golden.passes import name_layers

from ..float_graphs import check_same, conv, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def test_names_that_are_taken_get_a_number():
    graph = network(
        conv("t0", "input", name="input"),
        conv("t1", "t0", name="a.conv"),
        conv("t2", "t1", name="a.conv"),
        conv("t3", "t2", name="a.conv"),
        FloatAdd("add", ("t1", "t3"), "t4"),
    )
    named = name_layers(graph)
    assert [(op.name, op.inputs) for op in named.ops] == [
        ("input_2", ("input",)),
        ("a.conv", ("input_2",)),
        ("a.conv_2", ("a.conv",)),
        ("a.conv_3", ("a.conv_2",)),
        ("add", ("a.conv", "a.conv_3")),
    ]
    assert all(op.output == op.name for op in named.ops) and named.output == "add"
    check_same(graph, named)


def test_leaves_others_alone():
    graph = network(conv("a", "input"), conv("b", "a"))
    assert [(op.name, op.inputs, op.output) for op in name_layers(graph).ops] == [
        ("a", ("input",), "a"),
        ("b", ("a",), "b"),
    ]
