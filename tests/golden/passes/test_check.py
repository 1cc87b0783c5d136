"""What no pass made fit is refused, the first of all by its place in the user's network."""

import re

import pytest
import torch

from resarray.golden.ops import (
    FloatAdd,
    FloatAvgPool,
    FloatConv,
    FloatGlobalAvgPool,
    FloatLinear,
    FloatMaxPool,
    FloatPad,
    FloatSlice,
    FloatUnsupported,
    Origin,
)
from resarray.golden.ops.base import Operand
from resarray.golden.passes import check
from resarray.golden.passes.check import told_once
from resarray.spec.errors import ResarrayError

from ..float_graphs import conv, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def pool(kernel, **fields):
    return FloatMaxPool("a", ("input",), "a", kernel, **{"stride": (2, 2)} | fields)


def weights(*shape, **fields):
    return FloatConv("a", ("input",), "a", torch.zeros(shape), torch.zeros(shape[0]), **fields)


def test_leaves_what_fits_alone():
    graph = network(
        conv("a", "input", kernel=3, lo=0.0),
        FloatMaxPool("b", ("a",), "b", (3, 3), (2, 2), (1, 1, 1, 1)),
        conv("c", "b", lo=0.0),
        FloatAdd("d", ("b", "c"), "d"),
        FloatGlobalAvgPool("e", ("d",), "e"),
    )
    assert check(graph) is graph


REFUSED = {
    "dilation 1x64 of a kernel 3x3: one that reaches over at most 127": [
        weights(3, 3, 3, 3, dilation=(1, 64), padding=(1, 1, 15, 15))
    ],
    "stride 1x17: at most 16": [weights(3, 3, 3, 3, stride=(1, 17))],
    "kernel 1x32: at most 31": [weights(3, 3, 1, 32, padding=(0, 0, 15, 15))],
    "padding (0, 0, 16, 0): at most 15": [weights(3, 3, 1, 1, padding=(0, 0, 16, 0))],
    "sums of 65537 products": [weights(1, 65537, 1, 1)],
    "output [3, 0, 1] is empty": [weights(3, 3, 7, 7)],
    "only a flattened vector of all 126 values": [
        FloatLinear("a", ("input",), "a", torch.zeros(2, 42), torch.zeros(2))
    ],
    "shapes [3, 3, 3] and [3, 6, 7] differ": [
        pool((2, 2)),
        FloatAdd("b", ("a", "input"), "b"),
    ],
    "padding (0, 0, 0, 2): with kernel 3x2 less than that": [pool((3, 2), padding=(0, 0, 0, 2))],
    "dilation = (2, 1)": [pool((2, 2), dilation=(2, 1))],
    "slice [1::17] of dimension 2": [FloatSlice("a", ("input",), "a", 2, 1, None, 17)],
    "slice [0:1:1] of dimension 0: it takes images": [FloatSlice("a", ("input",), "a", 0, 0, 1, 1)],
    "padding with 1.0: zeros are supported": [
        FloatPad("a", ("input",), "a", (1, 1, 1, 1), value=1.0)
    ],
    "an average over windows of 32x2 pixels": [
        FloatAvgPool("a", ("input",), "a", (32, 2), (2, 2), (16, 1))
    ],
}


@pytest.mark.parametrize("why", REFUSED)
def test_refuses(why):
    name = REFUSED[why][-1].name
    with pytest.raises(ResarrayError, match=f"model 'net', layer '{name}': .*{re.escape(why)}"):
        check(network(*REFUSED[why]))


def test_names_all_and_where_they_came_from():
    graph = network(
        conv("a", "input", stride=(17, 2), origin=Origin("conv2d", "body.conv", "aten.conv2d")),
        FloatUnsupported("b", ("a",), "b", "unheard of", origin=Origin("b", "", "c")),
    )
    with pytest.raises(ResarrayError) as error:
        check(graph)
    assert str(error.value) == (
        "model 'net', node 'conv2d' of module 'body.conv', operator aten.conv2d: stride 17x2: at "
        "most 16 is supported; also node 'b', operator c: unheard of"
    )
    with pytest.raises(ResarrayError, match=r"^model 'net', node 'b', operator c: unheard of$"):
        check(graph.with_ops([conv("a", "input"), graph.ops[1]]))
    nothing = FloatUnsupported("output", ("input",), "output", "returns nothing")
    with pytest.raises(ResarrayError, match=r"^model 'net' returns nothing$"):
        check(network(nothing))


def test_a_linear_layer_on_a_large_map_is_refused_as_such():
    linear = FloatLinear("a", ("input",), "a", torch.zeros(2, 192), torch.zeros(2))
    with pytest.raises(ResarrayError, match="linear layer on a map of 2x32 pixels: at most 31x31"):
        check(network(linear, shape=(3, 2, 32)))


@pytest.mark.parametrize(("count", "end"), [(9, "5; and 3 more"), (7, "5; and 1 more"), (6, "5")])
def test_of_many_the_first_are_named(count, end):
    ops = [
        FloatUnsupported(f"t{i}", (f"t{i - 1}" if i else "input",), f"t{i}", f"no {i}", (3, 6, 7))
        for i in range(count)
    ]
    with pytest.raises(ResarrayError, match=f"no 0; also it no 1; .*; also it no {end}$"):
        check(network(*ops))


def test_what_is_supported_is_told_once():
    told = [*told_once(["a; supported are: b", "c", "a; supported are: b"])]
    assert told == ["a; supported are: b", "c", "a"]


def test_what_could_not_be_read_has_its_result():
    for result in ((4, 5, 6), None):
        op = FloatUnsupported("a", ("input",), "a", "no", result)
        assert op.shape((9, 9, 9)) == (result or (1, 1, 1))


def test_a_slice_to_the_end_is_told_without_it():
    for end, told in ((None, ""), (40, ""), (99, ""), (39, "39")):
        op = FloatSlice("a", ("input",), "a", 2, 0, end, 17)
        why = op.refusal(Operand(shape=(1, 40, 3), maker=None))
        assert str(why).startswith(f"slice [0:{told}:17] of dimension 2")
