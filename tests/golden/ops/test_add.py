"""Addition: the fast reference equals the readable one."""

import pytest

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
