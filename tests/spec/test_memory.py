"""Counters of layers from profile records that wrap."""

import pytest

from resarray.spec.errors import ResarrayError
from resarray.spec.memory import MIN_BYTES_PER_CYCLE, layer_counters
from resarray.spec.registers import PROFILE_FIELDS

pytestmark = pytest.mark.verifies("contract", by="unit")


def record(value: int) -> list[int]:
    return [value % (1 << 32)] * len(PROFILE_FIELDS)


def test_counts_beyond_32_bits():
    """Three layers of 2**31 cycles each: the counters wrap once."""
    long = 1 << 31
    final = dict.fromkeys(PROFILE_FIELDS, 3 * long % (1 << 32))
    layers = layer_counters([record(long), record(2 * long), record(3 * long)], final, 3)
    assert [layer["CYCLES"] for layer in layers] == [long] * 3


def test_missing_records_are_refused():
    final = dict.fromkeys(PROFILE_FIELDS, 10)
    with pytest.raises(ResarrayError, match="recorded 1 layers, the program has 2"):
        layer_counters([record(5)], final, 2)


def test_the_slowest_memory_moves_a_byte_in_16_cycles():
    """Models, simulation and documentation say so."""
    assert MIN_BYTES_PER_CYCLE * 16 == 1
