"""Product: the fast reference equals the readable one."""

import numpy as np
import pytest
import torch

from resarray.golden.graph import QGraph
from resarray.golden.ops import QMultiply, QTensor

from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")


@pytest.mark.parametrize("seed", range(4))
def test_of_two_maps(seed):
    builder = Builder(seed, 3, 4, 5)
    builder.conv(3, (1, 1))
    builder.multiply("input")
    builder.multiply(builder.head)
    check_references(builder)


@pytest.mark.parametrize("seed", range(4))
def test_by_a_value_for_each_channel(seed):
    builder = Builder(seed, 3, 4, 5)
    factor = builder.avg_pool()
    builder.head = "input"
    builder.multiply(factor)
    check_references(builder)


@pytest.mark.parametrize("zero_points", [(-128, -128), (-128, 127), (127, 127), (3, -5)])
def test_of_all_values(zero_points):
    """256 channels by 256 values for them; the largest product is 255 * 255."""
    shapes = {"x": (256, 256, 1), "f": (256, 1, 1)}
    tensors = {
        name: QTensor(name, shape, 0.1, zp)
        for (name, shape), zp in zip(shapes.items(), zero_points, strict=True)
    }
    tensors["y"] = QTensor("y", (256, 256, 1), 0.1, -7)
    op = QMultiply("y", "x", "f", "y", 1 << 16, 9)
    assert QGraph("net", "x", ("y",), tensors, [op]).macs(op) == 0
    q = np.arange(-128, 128)
    x = np.broadcast_to(q[None, :, None], shapes["x"]).astype(np.int8)
    factor = q[:, None, None].astype(np.int8)
    product = (q[None, :] - zero_points[0]) * (q[:, None] - zero_points[1])
    expected = np.clip(((product << 16 >> 9) + (1 << 15) >> 16) - 7, -128, 127)
    np.testing.assert_array_equal(op.reference(tensors, x, factor)[:, :, 0], expected)
    found = op.fast(tensors, torch.from_numpy(x)[None], torch.from_numpy(factor)[None])
    np.testing.assert_array_equal(found[0, :, :, 0].numpy(), expected)
