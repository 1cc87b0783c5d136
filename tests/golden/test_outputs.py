"""Networks that return several tensors, or maps: the float graph, its passes, the ranges."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from resarray.golden import fast
from resarray.golden.importer import import_model
from resarray.golden.importers.torch_export import read_model
from resarray.golden.passes import fuse_addition, simplify
from resarray.golden.pipeline import prepare
from resarray.golden.quantise import calibrate, quantise
from resarray.golden.user_model import outputs_of, with_outputs

from .float_graphs import outputs

pytestmark = pytest.mark.verifies("operators", by="unit")

SHAPE = (3, 8, 6)
RETURNED = {
    "shapes": ("y, s.b(y)", 2),
    "read by another layer": ("s.b(y).relu(), y", 2),
    "before an activation": ("y.relu(), y", 2),
    "before a batch norm": ("s.norm(y), y", 2),
    "before an addition": ("s.same(y) + y, s.same(y), y", 3),
    "before a pool": ("functional.max_pool2d(y, 2), y", 2),
    "before a table": ("torch.tanh(y), y", 2),
    "functions": ("y * torch.sigmoid(y), torch.sigmoid(y)", 2),
    "twice": ("y, y.relu(), y", 3),
    "an activation without effect": ("y.relu(), y.relu().relu()", 2),
    "a concatenation": ("torch.cat([y, z], 1), y", 2),
    "a concatenation before an activation": (
        "torch.cat([y, z], 1).relu(), torch.cat([y, z], 1)",
        2,
    ),
    "padding": ("s.same(functional.pad(y, (1, 1))), functional.pad(y, (1, 1))", 2),
    "slices": ("y[:, 1:3], y[:, :, ::2], s.same(y)[:, 1:]", 3),
    "a slice of a slice": ("y[:, 1:4], y[:, 1:4][:, 1:2]", 2),
    "an average": ("y.mean((2, 3)), y", 2),
    "a view": ("y, y.flatten(1)", 2),
}


class Returns(nn.Module):
    """What ``text`` says of a map ``y`` and another ``z`` of its size."""

    def __init__(self, text: str):
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.c = nn.Conv2d(3, 5, 3, 2, 1), nn.Conv2d(5, 2, 1), nn.Conv2d(3, 4, 1, 2)
        self.same, self.norm = nn.Conv2d(5, 5, 3, padding=1), nn.BatchNorm2d(5)
        nn.init.normal_(self.norm.running_mean)
        self.text = text
        self.eval()

    def forward(self, x):
        return eval(f"({self.text})", globals() | {"s": self, "y": self.a(x), "z": self.c(x)})


@pytest.mark.parametrize("name", RETURNED)
def test_all_that_is_returned_is_an_output(name):
    text, count = RETURNED[name]
    model = Returns(text)
    graph = import_model(with_outputs(model, SHAPE, "net"), SHAPE)
    assert len(graph.outputs) == count
    images = torch.randn(8, *SHAPE)
    with torch.no_grad():
        expected = model(images)
    for found, own in zip(outputs(graph, images), expected, strict=True):
        torch.testing.assert_close(found.flatten(1), own.flatten(1), rtol=1e-4, atol=1e-5)
    integer = quantise(graph, images)
    assert integer.outputs == graph.outputs
    tensor = integer.tensors[integer.input]
    x = ((images / tensor.scale).round() + tensor.zero_point).clamp(-128, 127)
    found = fast.run(integer, x.to(torch.int8).numpy(), keep_all=False)
    assert found.keys() == set(graph.outputs)
    for name, own in zip(graph.outputs, expected, strict=True):
        y = integer.tensors[name]
        real = y.scale * (found[name].astype(float) - y.zero_point)
        error = real.reshape(8, -1) - own.flatten(1).numpy()
        assert np.abs(error).max() < 0.1 * float(own.abs().max()), name


def test_an_output_is_not_folded():
    """A convolution that an addition reads stays, as does one before a batch norm."""
    alone = fuse_addition(import_model(Returns("s.same(y) + y,"), SHAPE))
    assert [op.output for op in alone.ops] == ["a", "add"]
    both = fuse_addition(import_model(Returns("(z := s.same(y)) + y, z"), SHAPE))
    assert [op.output for op in both.ops] == ["a", "same", "add"]
    both = import_model(Returns("s.norm(y), y"), SHAPE)
    assert [op.output for op in both.ops] == ["a", "norm"]


def test_what_an_answer_holds():
    a, b = torch.zeros(2, 3), torch.ones(2, 4)

    class Named(tuple):
        logits = b

    assert outputs_of(a) == (a,)
    for several in ((a, b), [a, None, b], {"a": a, "n": 3, "b": b}):
        assert [id(value) for value in outputs_of(several)] == [id(a), id(b)]
    # What is called so is the answer.
    for logits in ({"a": a, "logits": b}, Named((a, b))):
        assert [id(value) for value in outputs_of(logits)] == [id(b)]
    assert outputs_of(None) == outputs_of([None]) == ()


def test_ranges_are_whole():
    """Also where shrinking them would lower the error; a max pool that is an output gives its range
    to what it shares its scale with."""
    shape, text = (3, 32, 32), "functional.max_pool2d(y, 2), s.b(y)"
    graph = import_model(Returns(text), shape)
    images = torch.randn(32, *shape)
    ranges, values = calibrate(graph, images), outputs(graph, images)
    for name, own in zip(graph.outputs, values, strict=True):
        assert ranges[name] == pytest.approx((min(0, own.min().item()), max(0, own.max().item())))
    hidden = calibrate(graph.with_ops(graph.ops, graph.outputs[:1]), images)
    assert hidden[graph.outputs[1]] != ranges[graph.outputs[1]]  # as a tensor within
    tensor = quantise(graph, images).tensors[graph.outputs[0]]
    assert tensor.scale * (127.5 - tensor.zero_point) >= ranges[graph.outputs[0]][1]


def test_passes_keep_outputs_in_their_order():
    graph = simplify(read_model(Returns("s.b(y), y, z, y"), SHAPE))
    assert graph.outputs == ("b", "a", "c", "a")


@pytest.mark.parametrize("answer", ["{'map': y, 'vector': v}", "[y, v]", "(v, y)"])
def test_from_a_file(tmp_path, answer):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    mean = std = 0.5\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 5, 3)\n"
        "    def forward(self, x):\n"
        "        y = self.conv(x).relu()\n"
        "        v = y.mean((2, 3))\n"
        f"        return {answer}\n"
    )
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "x.npz", x=rng.integers(0, 256, (4, 9, 8, 3)).astype(np.uint8), y=[0] * 4)
    found = prepare(f"{tmp_path}/net.py:Net", images=f"{tmp_path}/x.npz", count=3)
    shapes = [(3, 5, 7, 6), (3, 5, 1, 1)][:: -1 if answer.startswith("(v") else 1]
    assert [found.float_outputs[name].shape for name in found.graph.outputs] == shapes
    assert (found.labels is None) == (shapes[0] == (3, 5, 7, 6))
    floats = found.float_tensors(3)
    for name, values in found.float_outputs.items():
        np.testing.assert_allclose(floats[name], values, rtol=1e-4, atol=1e-5)


assert functional  # what the texts call
