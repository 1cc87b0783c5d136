"""Addition: the fast reference equals the readable one."""

from ..graphs import Builder, check_references


def test_sum_of_a_tensor_with_itself():
    builder = Builder(1, 2, 3, 3)
    builder.add("input")
    check_references(builder)
