"""Padding goes into all that reads it, or into nothing."""

import math

import pytest

from resarray.golden.ops import FloatActivation, FloatAdd, FloatMaxPool, FloatPad
from resarray.golden.passes import fold_padding, simplify

from ..float_graphs import check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def pad(output, source, *padding, **fields):
    return FloatPad(output, (source,), output, padding, **fields)


def bare(output, source, **fields):
    return conv(output, source, kernel=3, **{"padding": (0, 0, 0, 0)} | fields)


def pool(output, source, kernel=(3, 3), padding=(0, 0, 0, 0)):
    return FloatMaxPool(output, (source,), output, kernel, (2, 2), padding)


LOWEST = -math.inf
TAKEN = {
    "one convolution": [pad("a", "input", 1, 2, 0, 3), bare("b", "a")],
    "one that pads itself": [pad("a", "input", 1, 2, 0, 3), conv("b", "a", kernel=3)],
    "one after the other": [
        pad("a", "input", 1, 0, 0, 0),
        pad("b", "a", 0, 0, 2, 2),
        bare("c", "b"),
    ],
    "two convolutions": [
        pad("a", "input", 2, 2, 2, 2),
        bare("b", "a"),
        bare("c", "a", stride=(1, 1)),
        FloatAdd("d", ("b", "c"), "d"),
    ],
    "what is cut off": [pad("a", "input", -1, -2, 0, -1), bare("b", "a")],
    "cut off above, padded below": [pad("a", "input", -1, 2, 0, 0), bare("b", "a")],
    "a max pool": [pad("a", "input", 1, 1, 0, 0, value=LOWEST), pool("b", "a")],
    "zeros behind a ReLU before a max pool": [
        FloatActivation("r", ("input",), "r", lo=0.0, hi=math.inf),
        pad("a", "r", 1, 1, 1, 1),
        pool("b", "a"),
    ],
    "zeros behind a clamp before a max pool": [
        conv("c", "input", lo=0.5),
        pad("a", "c", 1, 1, 0, 0),
        pool("b", "a"),
    ],
    "a max pool that pads itself": [
        pad("a", "input", 1, 1, 0, 0, value=LOWEST),
        pool("b", "a", (4, 3), (1, 1, 1, 1)),
    ],
    "one side of a max pool": [pad("a", "input", 1, 0, 0, 2, value=LOWEST), pool("b", "a")],
    "zeros before a max pool, nothing below": [
        conv("a", "input", lo=0.0),
        pool("b", "a"),
        pad("c", "b", 0, 1, 0, 1),
        pool("d", "c", (2, 2)),
    ],
}


@pytest.mark.parametrize("case", TAKEN)
def test_goes(case):
    graph = network(*TAKEN[case])
    folded = fold_padding(graph)
    assert kinds(folded) == [kind for kind in kinds(graph) if kind != "Pad"]
    check_same(graph, folded)


LEFT = {
    "an addition reads it": [
        pad("a", "input", 1, 1, 1, 1),
        bare("b", "a", padding=(1, 1, 1, 1)),
        FloatAdd("c", ("a", "b"), "c"),
    ],
    "the output": [pad("a", "input", 1, 1, 1, 1)],
    "cut off before zeros are added": [pad("a", "input", -1, 0, 0, 0), conv("b", "a", kernel=3)],
    "too much": [pad("a", "input", 15, 0, 0, 0), conv("b", "a", kernel=3)],
    "zeros before a max pool": [pad("a", "input", 1, 1, 1, 1), pool("b", "a")],
    "zeros among values below them before a max pool": [
        FloatActivation("r", ("input",), "r", lo=-1.0, hi=1.0),
        pad("a", "r", 1, 1, 1, 1),
        pool("b", "a"),
    ],
    "not zeros": [pad("a", "input", 1, 1, 1, 1, value=2.0), bare("b", "a")],
    "windows without a pixel": [
        pad("a", "input", 2, 2, 0, 0, value=LOWEST),
        pool("b", "a", (3, 3), (1, 1, 0, 0)),
    ],
}


@pytest.mark.parametrize("case", LEFT)
def test_stays(case):
    graph = network(*LEFT[case])
    assert [op.name for op in fold_padding(graph).ops] == [op.name for op in graph.ops]
    if case not in ("windows without a pixel", "not zeros"):
        assert "Pad" not in kinds(simplify(graph))
        check_same(graph, simplify(graph))
