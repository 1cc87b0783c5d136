"""Quantisation that changes nothing is dropped."""

import pytest

from resarray.golden.ops import FloatMaxPool, FloatPad, FloatQuantise
from resarray.golden.passes.drop_quantise import drop_quantise

from ..float_graphs import conv, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def test_behind_what_keeps_the_numbers():
    """A maximum of numbers of a grid is one: rounding it again goes, to another grid it stays."""
    for scale, left in ((0.1, 2), (0.2, 3)):
        graph = network(
            FloatQuantise("q", ("input",), "q", 0.1, 0),
            FloatMaxPool("m", ("q",), "m", (2, 2), (2, 2)),
            FloatQuantise("again", ("m",), "again", scale, 0),
            conv("c", "again"),
        )
        kept = [op for op in drop_quantise(graph).ops if not isinstance(op, FloatMaxPool)]
        assert len(kept) == left


def test_rounded_again_at_once():
    """Of two roundings behind a convolution the first goes where its scale is no larger."""
    for scale, kinds in ((0.1, 1), (0.05, 2), (0.2, 1)):
        graph = network(
            conv("c", "input"),
            FloatQuantise("q", ("c",), "q", 0.1, 3),
            FloatQuantise("again", ("q",), "again", scale, 0),
            conv("d", "again"),
        )
        left = [op for op in drop_quantise(graph).ops if isinstance(op, FloatQuantise)]
        assert len(left) == kinds


@pytest.mark.parametrize(("value", "left"), [(0.0, 1), (0.05, 2)])
def test_behind_padding(value, left):
    """Zeros are numbers of every grid, others need not be."""
    graph = network(
        FloatQuantise("q", ("input",), "q", 0.1, 0),
        FloatPad("p", ("q",), "p", (0, 1, 0, 1), value=value),
        FloatQuantise("again", ("p",), "again", 0.1, 0),
        conv("c", "again"),
    )
    kept = [op for op in drop_quantise(graph).ops if isinstance(op, FloatQuantise)]
    assert len(kept) == left
