"""Slices and channels of zeros become a convolution that selects, just before it is read."""

import random

import pytest
import torch

from resarray.golden.ops import FloatActivation, FloatAdd, FloatPad, FloatSlice
from resarray.golden.passes import select_to_conv

from ..float_graphs import check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


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


SELECTIONS = {
    "channels": FloatSlice("a", ("input",), "a", 1, 0, None, 2),
    "every third row": FloatSlice("a", ("input",), "a", 2, 0, None, 3),
    "from row 1": FloatSlice("a", ("input",), "a", 2, 1, None, 2),
    "to column 4": FloatSlice("a", ("input",), "a", 3, 0, 4, 2),
    "one row": FloatSlice("a", ("input",), "a", 2, 3, 4, 1),
    "padded map": FloatPad("a", ("input",), "a", (1, 0, 2, 1)),
    "padded and cut off": FloatPad("a", ("input",), "a", (1, -2, -3, 1)),
    "channels cut off": FloatPad("a", ("input",), "a", (0, 0, 0, 0), (-1, 2)),
}


@pytest.mark.parametrize("case", SELECTIONS)
def test_one_alone(case):
    graph = network(SELECTIONS[case])
    converted = select_to_conv(graph)
    assert kinds(converted) == ["Conv"]
    check_same(graph, converted)


SLICES = {
    "the last channel": [FloatSlice("a", ("input",), "a", 1, -1, None, 1)],
    "all channels": [FloatSlice("a", ("input",), "a", 1, None, 1 << 63, 1)],
    "of a slice": [
        FloatSlice("a", ("input",), "a", 1, 1, None, 1),
        FloatSlice("b", ("a",), "b", 1, 0, -1, 1),
    ],
    "cut off": [pad("a", "input", -1, -1)],
    "padded and cut off": [pad("a", "input", 1, 1), pad("b", "a", -2, -1)],
}


@pytest.mark.parametrize("case", SLICES)
def test_channels_side_by_side_stay_a_slice(case):
    graph = network(*SLICES[case])
    converted = select_to_conv(graph)
    assert kinds(converted) == ["Slice"] and converted.ops[0].of_channels
    check_same(graph, converted)


LEFT_ALONE = {
    "images": FloatSlice("a", ("input",), "a", 0, 0, 1, 1),
    "not zeros": FloatPad("a", ("input",), "a", (1, 1, 1, 1), value=1.0),
    "no selection": FloatActivation("a", ("input",), "a", 0.0, torch.inf),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_others_alone(case):
    graph = network(LEFT_ALONE[case])
    assert select_to_conv(graph).ops == graph.ops


def test_pixels_too_far_apart():
    graph = network(FloatSlice("a", ("input",), "a", 2, 0, None, 17), shape=(3, 40, 2))
    assert select_to_conv(graph).ops == graph.ops


def test_a_chain_that_is_no_convolution_is_two():
    """Zeros at the place of what was cut off."""
    cut = FloatPad("a", ("input",), "a", (-2, 0, 0, 0))
    graph = network(cut, FloatPad("b", ("a",), "b", (1, 0, 0, 0)))
    converted = select_to_conv(graph)
    assert kinds(converted) == ["Conv", "Conv"]
    check_same(graph, converted)


@pytest.mark.parametrize("seed", range(30))
def test_random_chains(seed):
    rng = random.Random(seed)
    ops, name = [], "input"
    for number in range(rng.randint(1, 4)):
        output = f"t{number}"
        if rng.random() < 0.5:
            padding = tuple(rng.randint(-1, 2) for _ in range(4))
            channels = rng.randint(-1, 2), rng.randint(0, 1)
            op = FloatPad(output, (name,), output, padding, channels)
        else:
            start, step = rng.choice([None, 0, 1, -5]), rng.choice([1, 2, 3])
            end = rng.choice([None, -1, 5, 1 << 63])
            op = FloatSlice(output, (name,), output, rng.randint(1, 3), start, end, step)
        if min(network(*ops, op).shapes[output]) < 1:
            break
        ops.append(op)
        name = output
    if not ops:
        return
    graph = network(*ops)
    converted = select_to_conv(graph)
    assert {"Conv", "Slice"}.issuperset(kinds(converted))
    check_same(graph, converted)
