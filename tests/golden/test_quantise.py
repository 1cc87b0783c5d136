"""Quantisation: ranges, weights, factors, and the integer network against the float one."""

import numpy as np
import pytest
import torch

from resarray.golden import fast
from resarray.golden.equalise import equalise
from resarray.golden.float_graph import run_float
from resarray.golden.importer import import_model
from resarray.golden.models import load_model
from resarray.golden.ops import FloatAdd, FloatConv, FloatMultiply, QAdd, QConv, QMaxPool
from resarray.golden.quantise import batches, best_range, normalise, quantise, quantise_input
from resarray.spec.errors import ResarrayError

from .float_graphs import network
from .test_importer import Tail, randomise
from .zoo import QUANTISED, odd_shape

pytestmark = pytest.mark.verifies("quantiser", by="unit")

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(2).integers(0, 256, (12, 33, 33, 3)).astype(np.uint8)


def dequantised(graph, name, values):
    tensor = graph.tensors[name]
    return tensor.scale * (values[name].astype(np.float64) - tensor.zero_point)


@pytest.mark.parametrize("name", ["resnet8", "resnet18"])
def test_every_tensor_is_near_the_float_one(name, pixels):
    float_graph = import_model(randomise(load_model(name, 10)), (3, 33, 33), name)
    x = normalise(pixels, MEAN, STD)
    graph = quantise(float_graph, x)
    exact = {}
    run_float(float_graph, x, lambda tensor, value: exact.__setitem__(tensor, value.numpy()))
    values = fast.run(graph, quantise_input(graph.tensors["input"], pixels, MEAN, STD))
    assert values.keys() == graph.tensors.keys()
    for tensor in graph.tensors:
        error = dequantised(graph, tensor, values) - exact[tensor]
        noise = np.sqrt((error**2).mean() / exact[tensor].var())
        assert noise < 0.15, f"{tensor}: relative error {noise:.3f}"


LONG = ("googlenet", "resnet18_gray", "resnet18_unpadded", "preact_resnet20")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.long) if n in LONG else n for n in QUANTISED],
)
def test_zoo_networks_are_near_the_float_ones(name):
    channels, *size = odd_shape(name)
    pixels = np.random.default_rng(3).integers(0, 256, (8, *size, channels)).astype(np.uint8)
    float_graph = import_model(load_model(name, 10), (channels, *size), name)
    x = normalise(pixels, MEAN[:channels], STD[:channels])
    float_graph = equalise(float_graph, x)
    graph = quantise(float_graph, x)
    inputs = quantise_input(graph.tensors["input"], pixels, MEAN[:channels], STD[:channels])
    values = fast.run(graph, inputs, keep_all=False)
    expected = run_float(float_graph, x).numpy()
    error = dequantised(graph, graph.output, values) - expected
    assert (error**2).sum() < 0.03 * (expected**2).sum(), "less than 15 dB"


def test_structure_of_the_integer_graph(pixels):
    model = randomise(load_model("resnet18", 10))
    graph = quantise(import_model(model, (3, 33, 33)), normalise(pixels, MEAN, STD))
    assert not any(isinstance(op, QAdd) for op in graph.ops)
    fused = [op for op in graph.ops if isinstance(op, QConv) and op.residual]
    assert len(fused) == 8 and all(op.name.endswith("conv2") for op in fused)
    written = {graph.input}
    for op in graph.ops:
        assert written.issuperset(op.inputs)
        written.add(op.output)
        x, y = graph.tensors[op.input], graph.tensors[op.output]
        if isinstance(op, QConv):
            assert np.abs(op.weight.astype(int)).max() == 127
            sums = np.abs(op.weight.astype(int)).reshape(len(op.weight), -1).sum(1) * 255
            assert (sums + np.abs(op.bias.astype(int)) < 1 << 31).all()
            if y.zero_point == -128:
                assert op.lo == -128
        if isinstance(op, QMaxPool):
            assert (x.scale, x.zero_point) == (y.scale, y.zero_point)
    assert graph.tensors["conv1"].zero_point == -128  # ReLU
    assert graph.ops[-1].op == "linear" and graph.output == "fc"


def test_option_a_shortcut_is_exact(pixels):
    model = randomise(load_model("resnet8", 10))
    graph = quantise(import_model(model, (3, 33, 33)), normalise(pixels, MEAN, STD))
    values = fast.run(graph, quantise_input(graph.tensors["input"], pixels, MEAN, STD))
    source, shortcut = values["layer1.0.add"], values["layer2.0.shortcut"]
    zero_point = graph.tensors["layer2.0.shortcut"].zero_point
    np.testing.assert_array_equal(shortcut[:, 4:12], source[:, :, ::2, ::2])
    assert (shortcut[:, :4] == zero_point).all() and (shortcut[:, 12:] == zero_point).all()


def test_addition_that_no_convolution_takes(pixels):
    """relu(conv) + relu(conv): both are clamped before the sum."""
    model = randomise(Tail(lambda m, x: torch.relu(_twice(x.relu(), m.again))))
    model.again = torch.nn.Conv2d(4, 4, 1)
    graph = import_model(model, (3, 33, 33))
    x = normalise(pixels, MEAN, STD)
    integer = quantise(graph, x)
    assert [type(op) for op in integer.ops] == [QConv, QConv, QAdd]
    values = fast.run(integer, quantise_input(integer.tensors["input"], pixels, MEAN, STD))
    expected = run_float(graph, x).numpy()
    error = dequantised(integer, integer.output, values) - expected
    assert np.sqrt((error**2).mean() / expected.var()) < 0.05


def _twice(x, conv):
    return x + conv(x).relu()


def test_factors_too_large_widen_the_output():
    """A sum that cancels: its range is far below its operands'."""
    weight = torch.tensor([[[[1.0]]], [[[-0.999]]]])
    ops = [
        FloatConv("a", ("input",), "a", weight * 1000, torch.zeros(2)),
        FloatConv("b", ("input",), "b", weight * -1000, torch.zeros(2)),
        FloatAdd("add", ("a", "b"), "add"),
    ]
    graph = quantise(network(*ops, shape=(1, 4, 4)), torch.randn(4, 1, 4, 4))
    residual, y = graph.tensors["b"], graph.tensors["add"]
    assert residual.scale / y.scale < 32
    values = fast.run(graph, np.arange(-8, 8, dtype=np.int8).reshape(1, 1, 4, 4))
    assert np.abs(values["add"].astype(int) - y.zero_point).max() <= 32


def test_product_far_smaller_than_its_operands():
    """Where one is large, the other is 0."""
    weight = torch.full((1, 1, 1, 1), 1000.0)
    ops = [
        FloatConv("a", ("input",), "a", weight, torch.zeros(1), lo=0.0),
        FloatConv("b", ("input",), "b", -weight, torch.full((1,), 0.1), lo=0.0),
        FloatMultiply("c", ("a", "b"), "c"),
    ]
    graph = quantise(network(*ops, shape=(1, 4, 4)), torch.randn(4, 1, 4, 4))
    a, b, y = (graph.tensors[name].scale for name in "abc")
    assert 1.9 < a * b / y < 2
    fast.run(graph, np.arange(-8, 8, dtype=np.int8).reshape(1, 1, 4, 4))


def test_values_that_are_not_finite_are_refused():
    op = FloatConv("a", ("input",), "a", torch.full((1, 1, 1, 1), torch.inf), torch.zeros(1))
    with pytest.raises(ResarrayError, match="'a' is not finite"):
        quantise(network(op, shape=(1, 1, 1)), torch.ones(1, 1, 1, 1))


def test_outlier_is_clipped():
    values = torch.cat([torch.linspace(0, 1, 1_000_000), torch.tensor([4.0])])
    lo, hi = best_range(values, 0.0, 4.0)
    assert lo == 0 and hi < 3


def test_input_table_equals_the_formula():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    op = FloatConv("a", ("input",), "a", torch.ones(1, 3, 1, 1), torch.zeros(1))
    x = normalise(pixels, MEAN, STD)
    tensor = quantise(network(op, shape=(3, 16, 16)), x).tensors["input"]
    q = quantise_input(tensor, pixels, MEAN, STD)
    assert q.dtype == np.int8 and q.shape == (1, 3, 16, 16)
    expected = np.clip(np.round(x.numpy() / tensor.scale) + tensor.zero_point, -128, 127)
    assert np.abs(q - expected).max() <= 1 and (q != expected).mean() < 0.01


def test_what_is_no_number_is_refused_by_name():
    """One among many: Python's minimum would lose it."""
    weight = torch.ones(2, 1, 1, 1)
    weight[1] = float("nan")
    graph = network(FloatConv("a", ("input",), "a", weight, torch.zeros(2)), shape=(1, 4, 4))
    with pytest.raises(ResarrayError, match="tensor 'a' is not finite"):
        quantise(graph, torch.randn(3, 1, 4, 4))


@pytest.mark.parametrize(("side", "at_once"), [(8, 16), (512, 16), (1024, 4), (2048, 1)])
def test_images_run_at_once_as_far_as_memory_allows(side, at_once):
    parts = batches(torch.zeros(1, 1, 1, 1).expand(18, 1, side, side))
    assert max(map(len, parts)) == at_once and sum(map(len, parts)) == 18
