"""Tensors that concatenations, slices and max pools connect share one scale and zero point."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resarray.golden import fast
from resarray.golden.float_graph import FloatGraph, run_float
from resarray.golden.graph import QGraph
from resarray.golden.ops import (
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatGlobalAvgPool,
    FloatMaxPool,
    FloatMultiply,
    FloatSlice,
    QConcat,
    QMaxPool,
    QSlice,
)
from resarray.golden.passes import simplify
from resarray.golden.quantise import calibrate, quantise, shared_scales
from resarray.spec.errors import ResarrayError

from .float_graphs import conv, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def concat(output, *inputs):
    return FloatConcat(output, inputs, output)


def quantised(graph: FloatGraph, images: torch.Tensor) -> QGraph:
    """Checked: what moves data alone has the scale of what it reads."""
    result = quantise(graph, images)
    for op in result.ops:
        if isinstance(op, QConcat | QSlice | QMaxPool):
            tensors = [result.tensors[name] for name in (*op.inputs, op.output)]
            assert len({(tensor.scale, tensor.zero_point) for tensor in tensors}) == 1, op.name
    return result


def groups(graph: FloatGraph) -> list[set[str]]:
    found: dict[str, set[str]] = {}
    for name, group in shared_scales(graph).items():
        found.setdefault(group, set()).add(name)
    return sorted((g for g in found.values() if len(g) > 1), key=sorted)


def dense(layers: int, cin: int = 3, growth: int = 2) -> list[FloatConv | FloatConcat]:
    """As torchvision's: each layer reads a concatenation of all before it."""
    ops = [conv("t0", "input", cin=cin, cout=growth)]
    for number in range(1, layers):
        ops.append(concat(f"c{number}", *(f"t{n}" for n in range(number))))
        ops.append(conv(f"t{number}", f"c{number}", cin=growth * number, cout=growth, kernel=3))
    return [*ops, concat("all", *(f"t{n}" for n in range(layers)))]


def test_dense_block_has_one_scale():
    torch.manual_seed(1)
    graph = simplify(network(*dense(4), conv("z", "all", cin=8)))
    assert len(groups(graph)) == 1 and len(groups(graph)[0]) == 4 + 4
    images = torch.randn(8, 3, 6, 7)
    result, ranges = quantised(graph, images), calibrate(graph, images)
    made = [ranges[name] for name in ranges if name.startswith("conv") or name[0] == "t"]
    lo, hi = min(lo for lo, _ in made), max(hi for _, hi in made)
    assert result.tensors["all"].scale == pytest.approx((hi - lo) / 255)


def test_pools_and_slices_connect_too():
    graph = network(
        conv("a", "input"),
        conv("b", "input"),
        FloatMaxPool("p", ("a",), "p", (2, 2), (2, 2)),
        FloatSlice("s", ("b",), "s", 1, 1, 3, 1),
        FloatMaxPool("q", ("s",), "q", (2, 2), (2, 2)),
        concat("c", "p", "q"),
        conv("d", "c", cin=5),
        conv("e", "a"),
    )
    assert groups(graph) == [{"a", "b", "p", "s", "q", "c"}]
    result = quantised(graph, torch.randn(8, 3, 6, 7))
    (op,) = (op for op in result.ops if isinstance(op, QSlice))
    assert op.first == 1


def test_range_is_the_union():
    weight = torch.ones(1, 1, 1, 1)
    ops = [
        FloatConv("a", ("input",), "a", weight, torch.zeros(1), lo=0.0),
        FloatConv("b", ("input",), "b", weight * -3, torch.zeros(1), hi=0.0),
    ]
    graph = network(*ops, concat("c", "a", "b"), shape=(1, 4, 4))
    images = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4)
    tensor = quantised(graph, images).tensors["a"]
    assert tensor.scale == pytest.approx(4 / 255, rel=0.01)
    assert tensor.zero_point == round(-128 + 3 / tensor.scale)


def test_the_answer_is_not_clipped():
    """Of two heads, side by side, as of one."""
    values = torch.cat([torch.linspace(0, 1, 10_000), torch.tensor([4.0])])
    one = FloatConv("a", ("input",), "a", torch.ones(1, 1, 1, 1), torch.zeros(1))
    two = FloatConv("b", ("input",), "b", torch.ones(1, 1, 1, 1) / 2, torch.zeros(1))
    graph = network(one, two, concat("c", "a", "b"), shape=(1, 1, 1))
    assert quantised(graph, values.reshape(-1, 1, 1, 1)).tensors["a"].scale * 255 >= 4


def test_a_scale_that_must_be_larger_is_so_for_all():
    """Two large maps that cancel: their sum, far smaller, shares its scale with its neighbour and
    what that neighbour reads."""
    weight = torch.tensor([[[[1.0]], [[-0.999]]]]).reshape(2, 1, 1, 1)
    ops = [
        FloatConv("a", ("input",), "a", weight * 1000, torch.zeros(2)),
        FloatConv("b", ("input",), "b", weight * -1000, torch.zeros(2)),
        FloatAdd("add", ("a", "b"), "add"),
        FloatConv("n", ("input",), "n", torch.ones(2, 1, 1, 1) / 9, torch.zeros(2)),
        FloatMaxPool("p", ("n",), "p", (2, 2), (2, 2)),
        FloatMaxPool("q", ("add",), "q", (2, 2), (2, 2)),
        concat("c", "p", "q"),
    ]
    graph = network(*ops, shape=(1, 4, 4))
    result = quantised(graph, torch.randn(4, 1, 4, 4))
    tensors = result.tensors
    assert tensors["n"].scale == tensors["add"].scale
    (residual,) = (tensors[name] for name in "ab" if name in tensors)  # the sum is the other's
    assert 31 < residual.scale / tensors["add"].scale < 32
    fast.run(result, np.arange(-8, 8, dtype=np.int8).reshape(1, 1, 4, 4))


def test_a_scale_that_grows_without_end_is_refused():
    """A square in one concatenation with its root, both large."""
    ops = [
        FloatConv("a", ("input",), "a", torch.full((1, 1, 1, 1), 2000.0), torch.zeros(1)),
        FloatMultiply("b", ("a", "a"), "b"),
        FloatConv("c", ("b",), "c", torch.full((1, 1, 1, 1), 1e-7), torch.zeros(1)),
        FloatMultiply("d", ("a", "c"), "d"),
        concat("e", "a", "b", "d"),
        FloatMultiply("f", ("e", "e"), "f"),
        concat("g", "f", "e"),
    ]
    graph = network(*ops, shape=(1, 4, 4))
    with pytest.raises(ResarrayError, match=r"'net': layer '.' makes values much larger"):
        quantise(graph, torch.randn(4, 1, 4, 4).clamp(-1, 1) * 0.1 + 1000)


def test_the_layer_that_makes_larger_values_is_named():
    """Not the one behind it, whose scale grows too."""
    ops = [
        FloatConv("a", ("input",), "a", torch.ones(1, 1, 1, 1), torch.zeros(1)),
        FloatConv("b", ("a",), "b", torch.full((1, 1, 1, 1), 1e6), torch.zeros(1)),
        concat("c", "a", "b"),
        FloatConv("d", ("c",), "d", torch.ones(1, 2, 1, 1), torch.zeros(1)),
    ]
    graph = network(*ops, shape=(1, 4, 4))
    with pytest.raises(ResarrayError, match="'net': layer 'b' makes values much larger"):
        quantise(graph, torch.randn(4, 1, 4, 4))


def test_values_are_near_the_float_ones():
    """Input, pools, a twin and vectors in concatenations."""
    torch.manual_seed(3)
    layers = [
        replace(op, weight=op.weight / 4) if isinstance(op, FloatConv) else op for op in dense(3)
    ]
    graph = simplify(
        network(
            *layers,
            concat("i", "input", "all", "input"),
            conv("y", "i", cin=12, cout=6, kernel=3, lo=0.0),
            FloatGlobalAvgPool("m", ("y",), "m"),
            FloatGlobalAvgPool("n", ("i",), "n"),
            concat("v", "m", "n"),
            conv("z", "v", cin=18, cout=5),
        )
    )
    images = torch.randn(16, 3, 6, 7)
    result = quantised(graph, images)
    tensor = result.tensors["input"]
    x = (images / tensor.scale).round() + tensor.zero_point
    values = fast.run(result, x.clamp(-128, 127).to(torch.int8).numpy())
    exact = {}
    run_float(graph, images, lambda name, value: exact.__setitem__(name, value.numpy()))
    for name, tensor in result.tensors.items():
        error = tensor.scale * (values[name].astype(float) - tensor.zero_point) - exact[name]
        assert np.sqrt((error**2).mean() / exact[name].var()) < 0.1, name
