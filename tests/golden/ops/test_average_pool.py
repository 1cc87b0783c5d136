"""Global average pool: the fast reference equals the readable one."""

import pytest

from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")


@pytest.mark.parametrize("seed", range(4))
def test_average_pool(seed):
    builder = Builder(seed, 5, 1 + seed, 7)
    builder.avg_pool()
    check_references(builder)
