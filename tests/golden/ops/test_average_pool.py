"""Global average pool: the fast reference equals the readable one."""

import pytest

from resarray.golden.ops.average_pool import MAX_KERNEL, FloatAvgPool
from resarray.golden.ops.base import Operand

from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")


@pytest.mark.parametrize("seed", range(4))
def test_average_pool(seed):
    builder = Builder(seed, 5, 1 + seed, 7)
    builder.avg_pool()
    check_references(builder)


@pytest.mark.parametrize(("side", "refused"), [(MAX_KERNEL, False), (MAX_KERNEL + 1, True)])
def test_the_largest_windows(side, refused):
    pool = FloatAvgPool("a", ("input",), "a", (side, 2), (1, 1))
    why = pool.refusal(Operand(shape=(1, side + 1, 4), maker=None))
    assert (why is not None) == refused
