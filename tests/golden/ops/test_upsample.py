"""Upsampling: both references, what is read of PyTorch's, and the passes around it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from resarray.golden import fast
from resarray.golden.float_graph import run_float
from resarray.golden.importer import import_model
from resarray.golden.ops import FloatActivation, FloatConv, FloatMaxPool, FloatPad, FloatUpsample
from resarray.golden.passes import activation_before_pool, fold_padding, simplify
from resarray.spec.errors import ResarrayError

from ..float_graphs import check_same, conv, kinds, network
from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")

SHAPE = (3, 5, 4)


class Apply(nn.Module):
    def __init__(self, apply):
        super().__init__()
        self.conv, self.apply_it = nn.Conv2d(3, 4, 1), apply

    def forward(self, x):
        return self.apply_it(self.conv(x))


@pytest.mark.parametrize("factor", [(2, 2), (1, 3), (4, 1), (3, 4)])
def test_references(factor):
    builder = Builder(sum(factor), 3, 5, 4)
    builder.conv(4, (1, 1))
    builder.upsample(factor)
    check_references(builder)
    x = builder.inputs(2)
    y = fast.run(builder.graph, x)[builder.head]
    source = fast.run(builder.graph, x)["conv0"]
    np.testing.assert_array_equal(y, np.kron(source, np.ones((1, 1, *factor), np.int8)))


READ = {
    "a module": nn.Upsample(scale_factor=2),
    "a module with two factors": nn.Upsample(scale_factor=(3, 1)),
    "a size": lambda x: functional.interpolate(x, size=(15, 16)),
    "a factor": lambda x: functional.interpolate(x, scale_factor=4, mode="nearest"),
    "nearest-exact": lambda x: functional.interpolate(x, scale_factor=3.0, mode="nearest-exact"),
    "its own size": lambda x: functional.interpolate(x, size=x.shape[2:]),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name):
    model = Apply(READ[name]).eval()
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        expected = model(x)
    torch.testing.assert_close(run_float(import_model(model, SHAPE), x), expected)


@pytest.mark.parametrize(
    ("apply", "why"),
    [
        (nn.Upsample(scale_factor=2.5), r"\[5, 4\] to \[12, 10\] pixels by 2.5: only whole"),
        (nn.Upsample(scale_factor=(2.1, 2)), r"\[5, 4\] to \[10, 8\] pixels by 2.1: only whole"),
        (nn.Upsample(size=(8, 8)), "by 1.6: only whole factors are supported"),
        (nn.Upsample(scale_factor=5), "factor 5x5: 1 to 4 is supported"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "upsample_bilinear2d.*not supported"),
    ],
)
def test_what_is_refused(apply, why):
    with pytest.raises(ResarrayError, match=why):
        import_model(Apply(apply), SHAPE)


def test_large_maps_are_refused():
    with pytest.raises(ResarrayError, match="its result of 1032x6 pixels: at most 1023 are"):
        simplify(network(FloatUpsample("u", ("input",), "u", (3, 1)), shape=(1, 344, 6)))
    simplify(network(FloatUpsample("u", ("input",), "u", (3, 1)), shape=(1, 341, 6)))


def test_an_activation_moves_before_it():
    ops = (
        conv("a", "input"),
        FloatUpsample("u", ("a",), "u", (2, 3)),
        FloatActivation("r", ("u",), "r", 0.0, torch.inf),
    )
    before = network(*ops)
    assert kinds(activation_before_pool(before)) == ["Conv", "Activation", "Upsample"]
    assert kinds(simplify(before)) == ["Conv", "Upsample"]
    check_same(before, simplify(before))
    # Not where the map is read too.
    both = before.with_ops(ops, ("r", "u"))
    assert kinds(simplify(both)) == ["Conv", "Upsample", "Conv"]


def test_zeros_behind_it_are_a_pools_padding():
    graph = network(
        FloatConv("a", ("input",), "a", torch.ones(3, 3, 1, 1), torch.zeros(3), lo=0.0),
        FloatUpsample("u", ("a",), "u", (2, 2)),
        FloatPad("p", ("u",), "p", (1, 1, 1, 1)),
        FloatMaxPool("m", ("p",), "m", (3, 3), (2, 2)),
    )
    assert kinds(fold_padding(graph)) == ["Conv", "Upsample", "MaxPool"]
    check_same(graph, fold_padding(graph))
