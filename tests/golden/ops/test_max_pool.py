"""Maximum pool: the fast reference equals the readable one."""

import pytest

from ..graphs import Builder, check_references


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kernel", "padding"), [(2, 0), (3, 0), (3, 1)])
def test_max_pool(kernel, padding, seed):
    builder = Builder(seed, 3, 5 + seed, 8 - seed)
    builder.max_pool(kernel, padding)
    check_references(builder)
