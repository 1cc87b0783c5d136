"""What a memory is predicted to take."""

import pytest

from resarray.compiler.timing import MemoryTiming
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import MIN_BYTES_PER_CYCLE

pytestmark = pytest.mark.verifies("compiler", by="unit")


def test_the_slowest_memory_is_allowed():
    assert MemoryTiming(1, MIN_BYTES_PER_CYCLE).cycles(1, 0, 8) == 128
    with pytest.raises(ResarrayError, match="choose 1/16 or more"):
        MemoryTiming(1, MIN_BYTES_PER_CYCLE * 0.99)


def test_reads_and_writes_share_a_narrow_memory():
    assert MemoryTiming(32, 2.0).cycles(30, 10, 4) == 80
    assert MemoryTiming(32, 8.0).cycles(30, 10, 4) == 40  # one word a cycle at most
    assert MemoryTiming(32, None).cycles(30, 10, 4) == 30
