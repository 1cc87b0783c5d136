"""Requantisation in float64 equals the integers of `numerics` over the whole range of its operands,
where a rounding of float64 would show."""

import numpy as np
import pytest
import torch

from resarray.golden.ops import QTensor
from resarray.golden.ops.conv import EXACT, exact_parts
from resarray.golden.ops.requantise import requantise_tensor, residual_tensor
from resarray.spec.numerics import requantise, residual_term

pytestmark = pytest.mark.verifies("operators", by="unit")

EDGE = (1 << 31) - 1


@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition(seed, with_residual):
    rng = np.random.default_rng(seed)
    channels, pixels = 64, 40
    shift = np.arange(channels)
    mult = rng.integers(1 << 16, 1 << 17, channels)
    mult[::5] = (1 << 17) - 1
    bias = rng.integers(-(1 << 29), 1 << 29, channels)
    # Around the middle between two results, where one rounding is decided.
    target = rng.integers(-140, 140, (channels, pixels))
    middle = (2 * target + 1) * 2.0 ** (shift[:, None] + 15) / mult[:, None]
    t = np.clip(np.floor(middle) + rng.integers(-1, 3, middle.shape), -EDGE, EDGE).astype(np.int64)
    t[:, :4] = -EDGE, EDGE, 0, -1
    y = QTensor("y", (channels, 1, pixels), 0.1, int(rng.integers(-128, 128)))
    lo, hi = sorted(int(v) for v in rng.integers(-128, 128, 2))
    r = torch.from_numpy(rng.integers(-128, 128, (1, channels, 1, pixels)).astype(np.int8))
    tensor_r, factor = QTensor("r", y.shape, 0.1, 7), (int(mult[0]), int(rng.integers(0, 30)))
    residual = residual_tensor(r, tensor_r, *factor) if with_residual else None
    acc = torch.from_numpy(t - bias[:, None])[None, :, None]
    found = requantise_tensor(acc, mult, shift, y, lo, hi, residual, bias)
    for c, i in np.ndindex(channels, pixels):
        term = residual_term(int(r[0, c, 0, i]), 7, *factor) if with_residual else 0
        want = requantise(int(t[c, i]), 0, int(mult[c]), int(shift[c]), y.zero_point, lo, hi, term)
        assert int(found[0, c, 0, i]) == want, (seed, c, i)


@pytest.mark.parametrize("seed", range(4))
def test_parts_are_exact_for_every_choice_of_inputs(seed):
    """The largest sum of any of the products: of those of one sign, at the ends of the range."""
    rng = np.random.default_rng(seed)
    below = int(rng.integers(0, 256))
    weight = rng.integers(-127, 128, (4, 500, 3, 3)).astype(np.int8)
    parts = exact_parts(weight, below, 255 - below)
    for first, last in parts:
        some = weight[:, first:last].reshape(4, -1).astype(np.int64)
        for signs in (1, -1):
            products = np.maximum(signs * some * (255 - below), -signs * some * below)
            assert products.sum(1).max() < EXACT
    assert len(parts) <= len(exact_parts(weight))
