"""Functions of one value each become one, however they are written."""

import pytest
import torch
from torch.nn import functional

from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatConv,
    FloatFunction,
    FloatMultiply,
    FloatScale,
)
from resarray.golden.passes import compose_functions, product_to_function, simplify

from ..float_graphs import check_same, conv, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def function(output, source, name="sigmoid"):
    return FloatFunction(output, (source,), output, name, getattr(torch, name))


def scale(output, source, factor=1.0, offset=0.0):
    factor, offset = torch.full((3,), factor), torch.full((3,), offset)
    return FloatScale(output, (source,), output, factor.double(), offset.double())


def clamp(output, source, lo, hi):
    return FloatActivation(output, (source,), output, lo, hi)


def multiply(output, *inputs):
    return FloatMultiply(output, inputs, output)


PRODUCTS = {
    "silu": [function("b", "a"), multiply("c", "a", "b")],
    "the other way": [function("b", "a"), multiply("c", "b", "a")],
    "hardswish": [
        scale("b", "a", 1.0, 3.0),
        clamp("d", "b", 0.0, 6.0),
        scale("e", "d", 1 / 6),
        multiply("c", "a", "e"),
    ],
    "square": [multiply("c", "a", "a")],
    "of two functions": [function("b", "a"), function("d", "a", "tanh"), multiply("c", "b", "d")],
    "of products": [function("b", "a"), multiply("d", "a", "b"), multiply("c", "d", "a")],
    "tanhshrink": [
        function("b", "a", "tanh"),
        scale("d", "b", -1.0),
        FloatAdd("c", ("a", "d"), "c"),
    ],
}


@pytest.mark.parametrize("case", PRODUCTS)
def test_product_of_functions_of_one_tensor(case):
    graph = network(conv("a", "input"), *PRODUCTS[case], conv("z", "c"))
    merged = product_to_function(graph)
    assert kinds(merged) == ["Conv", "Function", "Conv"]
    check_same(graph, merged)
    assert kinds(simplify(graph)) == kinds(merged)
    check_same(graph, simplify(graph), exact=False)


def test_nearest_common_tensor():
    graph = network(function("a", "input"), function("b", "a", "tanh"), multiply("c", "a", "b"))
    merged = product_to_function(graph)
    assert [op.inputs[0] for op in merged.ops] == ["input", "a"]
    check_same(graph, merged)


def test_what_others_read_stays():
    graph = network(
        function("b", "input"), multiply("c", "input", "b"), FloatAdd("d", ("b", "c"), "d")
    )
    merged = product_to_function(graph)
    # The sum is a function of the input, too.
    assert kinds(merged) == ["Function"] and merged.ops[0].output == "d"
    check_same(graph, merged)
    graph = network(conv("a", "input"), *PRODUCTS["silu"], conv("e", "b"), multiply("f", "c", "e"))
    merged = product_to_function(graph)
    assert kinds(merged) == ["Conv", "Function", "Function", "Conv", "Multiply"]
    check_same(graph, merged)


LEFT_ALONE = {
    "of two tensors": [conv("b", "a"), multiply("c", "a", "b")],
    "a sum of activations": [clamp("b", "a", 0.0, 1.0), FloatAdd("c", ("a", "b"), "c")],
    "each channel its own": [
        FloatScale("b", ("a",), "b", torch.arange(3.0).double(), torch.zeros(3).double()),
        multiply("c", "a", "b"),
    ],
    "a function": [function("c", "a")],
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_others_alone(case):
    graph = network(conv("a", "input"), *LEFT_ALONE[case])
    assert product_to_function(graph).ops == graph.ops
    assert [op.output for op in compose_functions(graph).ops] == [op.output for op in graph.ops]
    check_same(graph, simplify(graph), exact=False)


def test_chains_are_one():
    graph = network(
        scale("a", "input", 0.5, 1.0),
        function("b", "a", "tanh"),
        scale("c", "b", 2.0),
        clamp("d", "c", -1.0, 0.5),
        function("e", "d"),
        conv("f", "e"),
    )
    composed = compose_functions(graph)
    assert kinds(composed) == ["Function", "Conv"]
    assert composed.ops[0].function == "tanh+sigmoid"
    check_same(graph, composed)
    x = torch.randn(1, 3, 2, 2)
    expected = torch.sigmoid((torch.tanh(x * 0.5 + 1) * 2).clamp(-1, 0.5))
    torch.testing.assert_close(composed.ops[0].compute(x), expected)


def test_an_activation_in_front_stays_with_its_convolution():
    graph = network(conv("a", "input"), clamp("b", "a", 0.0, 1.0), function("c", "b"))
    simple = simplify(graph)
    assert kinds(simple) == ["Conv", "Function"] and isinstance(simple.ops[0], FloatConv)
    assert simple.ops[0].clamps


def test_what_is_read_twice_is_not_composed():
    graph = network(
        function("a", "input"), function("b", "a", "tanh"), conv("c", "a"), multiply("d", "b", "c")
    )
    assert kinds(compose_functions(graph)) == ["Function", "Function", "Conv", "Multiply"]


def test_functions_compute_in_double_precision():
    op = FloatFunction("a", ("input",), "a", "silu", functional.silu)
    assert op.compute(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
