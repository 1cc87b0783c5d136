"""Maximum pool: the fast reference equals the readable one; large windows as several small ones."""

import numpy as np
import pytest
import torch

from resarray.golden.float_graph import run_float
from resarray.golden.ops import FloatMaxPool
from resarray.golden.passes import split_max_pool
from resarray.spec.isa import MAX_POOL

from ..float_graphs import network
from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [
        ((2, 2), (2, 2), (0, 0, 0, 0)),
        ((3, 3), (2, 2), (1, 1, 1, 1)),
        ((3, 2), (1, 3), (2, 0, 0, 1)),
        ((5, 4), (4, 1), (4, 0, 3, 2)),
    ],
)
def test_max_pool(kernel, stride, padding, seed):
    builder = Builder(seed, 3, 5 + seed, 8 - seed)
    builder.max_pool(kernel, stride, padding)
    check_references(builder)


@pytest.mark.parametrize("seed", range(60))
def test_large_windows(seed):
    rng = np.random.default_rng(seed)
    kernel = tuple(int(n) for n in rng.integers(1, 10, 2))
    stride = tuple(int(n) for n in rng.integers(1, 8, 2))
    padding = tuple(int(rng.integers(kernel[side // 2])) for side in range(4))
    size = [
        int(rng.integers(max(1, kernel[i] - padding[2 * i] - padding[2 * i + 1]), 20))
        for i in (0, 1)
    ]
    if seed % 4 == 0:  # of all pixels
        size = [min(n, k) for n, k in zip(size, kernel, strict=True)]
    pool = FloatMaxPool("a", ("input",), "a", kernel, stride, padding)
    graph = network(pool, shape=(2, *size))
    split = split_max_pool(graph)
    for op in split.ops:
        if isinstance(op, FloatMaxPool):
            assert max(*op.kernel, *op.stride) <= MAX_POOL and op.refusal() is None
    x = torch.randn(2, 2, *size)
    torch.testing.assert_close(run_float(split, x), run_float(graph, x), rtol=0, atol=0)
    assert len(split.ops) <= max(1, (max(kernel) + 1) // 2) + 1
