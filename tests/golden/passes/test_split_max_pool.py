"""Chains of small max pools that are a large one along an axis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resarray.golden.passes.split_max_pool import stages
from resarray.spec.isa import MAX_POOL

pytestmark = pytest.mark.verifies("quantiser", by="unit")

LOWEST = -1000


def pooled(line: np.ndarray, kernel: int, stride: int, before: int, after: int) -> np.ndarray:
    line = np.pad(line, (before, after), constant_values=LOWEST)
    return np.lib.stride_tricks.sliding_window_view(line, kernel).max(axis=1)[::stride]


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 5), st.data())
def test_stages_are_the_pool(size, kernel, stride, data):
    before, after = (data.draw(st.integers(0, kernel // 2)) for _ in range(2))
    if size + before + after < kernel:
        return
    line = np.random.default_rng(size).integers(-128, 128, size)
    expected = pooled(line, kernel, stride, before, after)
    found = line
    for window, step, low, high in stages(kernel, stride, (before, after), size):
        assert window <= MAX_POOL and step <= MAX_POOL
        found = pooled(found, window, step, low, high)
    # Of a larger stride each so many are taken behind them.
    assert found[:: stride if stride > MAX_POOL else 1].tolist() == expected.tolist()


def test_one_window_of_all_pixels_takes_no_more_stages_than_it_needs():
    assert stages(5, 1, (1, 1), 3) == [(3, 1, 0, 0)]
    assert stages(9, 4, (0, 0), 9) == [(3, 3, 0, 0), (3, 1, 0, 0)]
