"""Addition: the fast reference equals the readable one."""

import pytest

from resarray.golden.ops import QAdd, QTensor
from resarray.golden.ops.add import FloatAdd
from resarray.golden.ops.scales import MAX_FACTOR, MAX_RESIDUAL_FACTOR

from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")


def test_sum_of_a_tensor_with_itself():
    builder = Builder(1, 2, 3, 3)
    builder.add("input")
    check_references(builder)


def test_of_a_value_for_each_channel():
    for seed in range(4):
        builder = Builder(seed, 3, 4, 5)
        vector = builder.avg_pool()
        builder.head = "input"
        builder.conv(3, (3, 3), padding=(1, 1, 1, 1), residual=vector)
        builder.add(vector)
        check_references(builder)


def test_of_equal_scales_the_first_stays_first():
    """Nothing is gained by changing them; the larger scale comes last."""
    a, b = (QTensor(name, (3, 4, 4), 0.5, 0) for name in "ab")
    y = QTensor("y", (3, 4, 4), 1.0, 0)
    for scale, expected in ((0.5, "b"), (0.25, "a"), (0.75, "b")):
        other = QTensor("b", b.shape, scale, 0)
        op = FloatAdd("add", ("a", "b"), "y").quantise(y, a, other)
        assert isinstance(op, QAdd) and op.residual == expected


def test_scales_that_its_factors_allow():
    """Below 2 for the input, 32 for the residual: the result's scale is not smaller by more."""
    a, b = QTensor("a", (3, 4, 4), 0.5, 0), QTensor("b", (3, 4, 4), 40.0, 0)
    op = FloatAdd("add", ("a", "b"), "y")
    assert op.min_scale(a, b) == max(0.5 / MAX_FACTOR, 40.0 / MAX_RESIDUAL_FACTOR)
    assert op.min_scale(a, a) == 0.5 / MAX_FACTOR < 0.5
