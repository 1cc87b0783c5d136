"""Arguments of wrong types end in a sentence that names them."""

import numpy as np
import pytest
import torch
from torch import nn

import resarray
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("command", by="text")

IMAGES = np.random.default_rng(3).normal(size=(2, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    return resarray.load(nn.Sequential(nn.Conv2d(3, 4, 3)), input_size=8)


@pytest.fixture(scope="module")
def quantised(network):
    return network.quantise(IMAGES)


def refused(call, *arguments, says, **options):
    with pytest.raises(ResarrayError, match=says):
        call(*arguments, **options)


@pytest.mark.parametrize(
    ("name", "value"), [("classes", 5), ("name", 5), ("weights", 3), ("weights", b"x")]
)
def test_load(name, value):
    refused(resarray.load, nn.Conv2d(3, 4, 3), says=f"is given as {name}: give", **{name: value})


@pytest.mark.parametrize("count", ["a", 1.5, True])
def test_count(network, quantised, count):
    refused(network.quantise, IMAGES, count=count, says="as count: give a whole number")
    refused(quantised.golden, count=count, says="as count: give a whole number")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("batch", ["2", 1.5, None, True]),
        ("preset", [None, 5]),
        ("latency", ["a", float("nan"), None]),
        ("bytes_per_cycle", ["a", float("nan")]),
        ("memory_bytes", ["a", float("nan")]),
        ("fuse_pool", ["no", 1, None]),
        ("winograd", ["no", 1, None]),
    ],
)
def test_compile(quantised, name, values):
    for value in values:
        refused(quantised.compile, says=f"is given as {name}: give", **{name: value})


def test_simulate(quantised):
    program = quantised.compile("tiny", winograd=np.bool_(False))
    refused(program.simulate, record="no", says="is given as record: give True or False")


def test_inspect(network):
    refused(network.inspect, 5, says="5 of type int is given as presets: give a list")
    refused(network.inspect, [5], says="5 of type int is given as preset: give the name")
    assert [found.preset for found in network.inspect("tiny").predictions] == ["tiny"]


def test_save(quantised):
    program = quantised.compile("tiny", batch=np.int64(1))
    for path in (None, 5, ""):
        refused(program.save, path, says="is given as path: give a path")


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 8, 8, dtype=torch.bfloat16),
        torch.zeros(1, 3, 8, 8).to_sparse(),
        torch.zeros(1, 3, 8, 8, device="meta"),
    ],
)
def test_tensors_that_are_no_arrays(network, images):
    refused(network.quantise, images, says="which NumPy cannot read: give a dense one")


@pytest.mark.parametrize("port", ["/dev/nope", "", None, 5])
def test_open_speaks_of_the_port(port):
    refused(resarray.open, port, says="port")
