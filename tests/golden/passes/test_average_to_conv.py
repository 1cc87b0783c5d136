"""Average pools become depthwise convolutions, or the global one."""

import pytest

from resarray.golden.ops import FloatAvgPool
from resarray.golden.passes import average_to_conv

from ..float_graphs import check_same, kinds, network

pytestmark = pytest.mark.verifies("quantiser", by="unit")


def pool(*fields, **more):
    return FloatAvgPool("a", ("input",), "a", *fields, **more)


WINDOWS = {
    "2x2": pool((2, 2), (2, 2)),
    "2x3 with padding": pool((2, 3), (1, 2), (1, 1)),
    "overlapping": pool((3, 3), (1, 1), (1, 1)),
    "with another divisor": pool((2, 2), (2, 2), divisor=3),
    "padding that does not count but for the divisor": pool(
        (3, 3), (2, 2), (1, 1), padded=False, divisor=7
    ),
    "without padding to count": pool((3, 3), (3, 2), padded=False),
    "up, which changes nothing": pool((2, 3), (2, 2), ceil=True),
    "the whole map, divided by something": pool((6, 7), (6, 7), divisor=2),
    "the whole map, with padding": pool((6, 7), (6, 7), (3, 3)),
    "as much of each window outside": pool((3, 3), (5, 6), (1, 1), padded=False),
    "up, with a divisor": pool((4, 3), (4, 3), ceil=True, divisor=5),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_windows(case):
    graph = network(WINDOWS[case])
    converted = average_to_conv(graph)
    assert kinds(converted) == ["Conv"] and converted.ops[0].groups == 3
    check_same(graph, converted, exact=False)


WHOLE = {
    "exactly": pool((6, 7), (1, 1)),
    "padding that does not count": pool((12, 14), (2, 2), (3, 4), padded=False),
    "a window that ends outside": pool((8, 9), (8, 9), ceil=True),
    "larger than a kernel": pool((40, 40), (40, 40), ceil=True),
}


@pytest.mark.parametrize("case", WHOLE)
def test_the_whole_map(case):
    graph = network(WHOLE[case])
    converted = average_to_conv(graph)
    assert kinds(converted) == ["GlobalAvgPool"]
    check_same(graph, converted, exact=False)


UNLIKE = {
    "padding that does not count": pool((2, 3), (2, 1), (1, 1), padded=False),
    "windows that end outside": pool((3, 2), (2, 2), ceil=True),
    "both": pool((3, 3), (2, 2), (1, 1), ceil=True, padded=False),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_windows_of_different_numbers_of_pixels(case):
    """The largest of them divide the sums, and the others are made up for."""
    graph = network(UNLIKE[case])
    converted = average_to_conv(graph)
    assert kinds(converted) == ["Conv", "Constant", "Multiply"]
    assert converted.ops[1].value.min() == 1
    check_same(graph, converted, exact=False)


def test_leaves_what_is_refused():
    graph = network(pool((32, 2), (2, 2), (16, 1)))
    assert average_to_conv(graph).ops == graph.ops
    assert graph.ops[0].refusal(*graph.operands(graph.ops[0]))
