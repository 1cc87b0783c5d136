"""Slices and channels of zeros become a convolution that selects, just before it is read."""

import pytest
import torch

from resarray.golden.ops import FloatActivation, FloatAdd, FloatPad, FloatSlice
from resarray.golden.passes import select_to_conv

from ..float_graphs import check_same, conv, kinds, network


def every_second(output, source, dim):
    return FloatSlice(output, (source,), output, dim, 0, 1 << 63, 2)


def pad(output, source, before, after):
    return FloatPad(output, (source,), output, (0, 0, 0, 0), (before, after))


def test_a_chain_is_one_convolution_before_its_reader():
    graph = network(
        every_second("a", "input", 2),
        every_second("b", "a", 3),
        pad("c", "b", 2, 1),
        pad("d", "c", 0, 3),
        conv("e", "input", cout=9, stride=(2, 2)),
        FloatAdd("f", ("e", "d"), "f"),
    )
    converted = select_to_conv(graph)
    assert kinds(converted) == ["Conv", "Conv", "Add"]
    long, shortcut = converted.ops[:2]
    assert (long.output, shortcut.output, shortcut.inputs) == ("e", "d", ("input",))
    assert shortcut.selects and not long.selects and shortcut.stride == (2, 2)
    assert torch.equal(shortcut.weight[2:5, :, 0, 0], torch.eye(3))
    check_same(graph, converted)


def test_what_is_read_on_the_way_is_a_convolution_of_its_own():
    graph = network(
        every_second("a", "input", 2),
        conv("b", "a"),
        every_second("c", "a", 2),
        every_second("d", "b", 2),
        FloatAdd("e", ("c", "d"), "e"),
    )
    converted = select_to_conv(graph)
    assert [op.output for op in converted.ops] == ["a", "b", "c", "d", "e"]
    assert [op.inputs[0] for op in converted.ops] == ["input", "a", "a", "b", "c"]
    check_same(graph, converted)


def test_of_the_output():
    graph = network(every_second("a", "input", 3))
    assert kinds(select_to_conv(graph)) == ["Conv"]
    check_same(graph, select_to_conv(graph))


LEFT_ALONE = {
    "slice of channels": FloatSlice("a", ("input",), "a", 1, 0, None, 2),
    "slice by three": FloatSlice("a", ("input",), "a", 2, 0, None, 3),
    "slice from 1": FloatSlice("a", ("input",), "a", 2, 1, None, 2),
    "slice to 4": FloatSlice("a", ("input",), "a", 3, 0, 4, 2),
    "padded map": FloatPad("a", ("input",), "a", (1, 0, 2, 1), (0, 0)),
    "channels cut off": FloatPad("a", ("input",), "a", (0, 0, 0, 0), (-1, 0)),
    "no selection": FloatActivation("a", ("input",), "a", 0.0, torch.inf),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_others_alone(case):
    graph = network(LEFT_ALONE[case])
    assert select_to_conv(graph).ops == graph.ops
    check_same(graph, select_to_conv(graph))


def test_every_fourth_pixel_is_none():
    graph = network(every_second("a", "input", 2), every_second("b", "a", 2))
    converted = select_to_conv(graph)
    assert kinds(converted) == ["Conv", "Slice"]
    check_same(graph, converted)
