"""Function: its table, and that the fast reference equals the readable one."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from resarray.golden import fast, reference
from resarray.golden.ops import QTensor
from resarray.golden.ops.function import function_table

from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")


@pytest.mark.parametrize("seed", range(3))
def test_function(seed):
    builder = Builder(seed, 2, 4, 5)
    builder.function()
    check_references(builder)


def test_every_value_is_its_entry():
    builder = Builder(1, 1, 16, 16)
    builder.function()
    x = np.arange(-128, 128).astype(np.int8).reshape(1, 1, 16, 16)
    for run in (fast.run, reference.run):
        values = run(builder.graph, x)
        np.testing.assert_array_equal(values["function0"].ravel(), builder.graph.ops[0].table)


SCALES = [(0.05, -128, 0.05, -128), (0.1, 0, 0.01, 127), (1e-6, 127, 1e3, 0), (1e6, -3, 1e-6, 5)]


@pytest.mark.parametrize("function", [functional.silu, torch.tanh, torch.neg, torch.exp])
@pytest.mark.parametrize("quantisation", SCALES)
def test_table_rounds_half_up(function, quantisation):
    """As Python computes it, value by value."""
    scale_x, zp_x, scale_y, zp_y = quantisation
    x, y = QTensor("x", (1, 1, 1), scale_x, zp_x), QTensor("y", (1, 1, 1), scale_y, zp_y)
    table = function_table(function, x, y)
    assert table.dtype == np.int8 and table.shape == (256,)
    for q, entry in zip(range(-128, 128), table, strict=True):
        value = function(torch.tensor(scale_x * (q - zp_x), dtype=torch.float64)).item() / scale_y
        rounded = math.floor(value + 0.5) if abs(value) < 1e9 else math.copysign(1e9, value)
        assert entry == max(-128, min(127, rounded + zp_y)), q


def test_ties_and_what_is_no_number():
    x, y = QTensor("x", (1, 1, 1), 0.5, 0), QTensor("y", (1, 1, 1), 1.0, 7)
    identity = function_table(lambda value: value, x, y)
    assert list(identity[128:133]) == [7, 8, 8, 9, 9] and list(identity[124:128]) == [5, 6, 6, 7]
    inverse = function_table(torch.reciprocal, x, y)
    assert inverse[128] == 127  # infinity
    assert (function_table(torch.sqrt, x, y)[:128] == 7).all()
