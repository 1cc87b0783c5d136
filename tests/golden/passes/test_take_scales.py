"""Networks that are quantised already: what is rounded where, and to what."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resarray.golden import fast
from resarray.golden.float_graph import run_float
from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatMaxPool,
    FloatOp,
    FloatQuantise,
)
from resarray.golden.passes import simplify
from resarray.golden.quantise import quantise
from resarray.spec.errors import ResarrayError

from ..float_graphs import conv, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def q(output: str, read: str, scale: float, zero_point: int = 0) -> FloatQuantise:
    return FloatQuantise(output, (read,), output, scale, zero_point)


def relu(output: str, read: str) -> FloatActivation:
    return FloatActivation(output, (read,), output, 0.0, torch.inf)


def concat(output: str, *inputs: str) -> FloatConcat:
    return FloatConcat(output, inputs, output)


def rounded(op: FloatOp) -> FloatOp:
    """A convolution with weights on the numbers of int8."""
    if not isinstance(op, FloatConv):
        return op
    scale = op.weight.flatten(1).abs().amax(1).double() / 127
    column = scale.view(-1, 1, 1, 1)
    weight = ((op.weight / column).round() * column).float()
    return replace(op, weight=weight, weight_scale=scale)


X = q("x", "input", 0.03)
CASES = {
    "other zero points in a concatenation without a scale": (
        conv("a", "x"),
        relu("r", "a"),
        q("p", "r", 0.02, -128),
        conv("b", "x", hi=0.0),
        q("n", "b", 0.0201, 127),
        concat("c", "p", "n"),
        conv("d", "c", cin=6),
        q("y", "d", 0.1),
    ),
    "one with a wider range": (
        conv("a", "x"),
        q("p", "a", 0.04),
        q("n", "x", 0.01, 127),
        concat("c", "p", "n"),
        conv("d", "c", cin=6),
        q("y", "d", 0.1),
    ),
    "a branch that cuts off, beside one that does not": (
        conv("a", "x"),
        q("n", "a", 0.002),
        conv("b", "n"),
        q("bq", "b", 0.01),
        FloatAdd("s", ("a", "bq"), "s"),
        q("y", "s", 0.06),
    ),
    "coarse, then fine": (conv("a", "x"), q("p", "a", 0.1), q("y", "p", 0.05, 5)),
    "three in a row": (
        q("p", "x", 0.031, 5),
        q("n", "p", 0.06, 1),
        conv("a", "n"),
        q("y", "a", 0.1),
    ),
    "two alike": (
        conv("a", "x"),
        q("p", "a", 0.05),
        q("n", "a", 0.05),
        FloatAdd("s", ("p", "n"), "s"),
        q("y", "s", 0.1),
    ),
    "a max pool between two scales": (
        conv("a", "x"),
        q("p", "a", 0.05),
        FloatMaxPool("m", ("p",), "m", (2, 2), (2, 2)),
        q("y", "m", 0.03, -20),
    ),
    "a scale too fine for its weights": (conv("a", "x", hi=0.2, lo=0.0), q("y", "a", 0.0008, -128)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_rounded_comes_out(case):
    torch.manual_seed(1)
    graph = network(X, *map(rounded, CASES[case]))
    images = torch.randn(8, *graph.shape)
    integer = quantise(simplify(graph), images)
    x, y = integer.tensors[integer.input], integer.tensors[integer.output]
    pixels = ((images / x.scale).round() + x.zero_point).clamp(-128, 127).to(torch.int8)
    found = fast.run(integer, pixels.numpy())[integer.output].astype(int)
    expected = run_float(graph, images).numpy() / y.scale + y.zero_point
    last = graph.ops[-1]
    assert (y.scale, y.zero_point) == (last.scale, last.zero_point)
    steps = np.abs(found - expected)
    assert steps.max() <= 3 and steps.mean() < 0.5, case


def test_two_that_disagree_are_refused():
    graph = network(
        X,
        conv("a", "x"),
        q("p", "a", 0.05),
        q("n", "a", 0.03, 5),
        FloatAdd("s", ("p", "n"), "s"),
        q("y", "s", 0.1),
    )
    with pytest.raises(ResarrayError, match="'a' is quantised twice, with"):
        simplify(graph)


def test_a_wider_scale_goes_through_what_keeps_it():
    """A pool behind a scale of its own takes the concatenation's: the copy stands before it."""
    graph = network(
        X,
        rounded(conv("a", "x")),
        q("p", "a", 0.01),
        FloatMaxPool("m", ("p",), "m", (1, 1), (1, 1)),
        rounded(conv("b", "x")),
        q("n", "b", 0.04),
        concat("c", "m", "n"),
        rounded(conv("d", "c", cin=6)),
        q("y", "d", 0.1),
    )
    simple = simplify(graph)
    (copy,) = (op for op in simple.ops if ".scaled" in op.output)
    assert copy.inputs == ("a",)  # which has taken the scale of "p"
