"""What a memory is predicted to take."""

import pytest

from resarray.compiler import rates
from resarray.compiler.timing import MemoryTiming
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import MIN_BYTES_PER_CYCLE
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("compiler", by="unit")

FOUR = preset("25f")  # words of 4 bytes


def test_the_slowest_memory_is_allowed():
    assert MemoryTiming(1, MIN_BYTES_PER_CYCLE).cycles(1, 0, preset("default")) == 128
    with pytest.raises(ResarrayError, match="choose 1/16 or more"):
        MemoryTiming(1, MIN_BYTES_PER_CYCLE * 0.99)


def test_reads_and_writes_share_a_narrow_memory():
    assert MemoryTiming(32, 2.0).cycles(30, 10, FOUR) == 80
    assert MemoryTiming(32, 8.0).cycles(30, 10, FOUR) == 40  # one word a cycle at most
    assert MemoryTiming(32, None).cycles(30, 10, FOUR) == 30


def test_reads_in_flight_bound_what_a_memory_gives():
    tiny = preset("tiny")  # four bursts of eight words
    assert MemoryTiming(1).read_rate(tiny) == 1
    assert MemoryTiming(32).read_rate(tiny) == pytest.approx(32 / (32 + 10 + 8))
    assert MemoryTiming(32).read_rate(preset("tiny,max_reads=16")) == 1
    assert MemoryTiming(1).read_rate(preset("tiny,burst_words=2,output_words=32")) == 0.5
    assert MemoryTiming(32).cycles(32, 0, tiny) == pytest.approx(50)


def test_positions_of_a_max_pool():
    """Padding behind the rows and below them counts; maps of fewer than six columns wait."""
    map = {"width": 8, "height": 4, "n_blocks": 2}
    assert rates.max_pool(map) == 64
    assert rates.max_pool(map | {"pool_right": 1}) == 72
    assert rates.max_pool(map | {"pool_bottom": 1}) == 80
    assert rates.max_pool(map | {"width": 5, "pool_right": 1, "pool_bottom": 2}) == 72 * 6
