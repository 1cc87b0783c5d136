"""`Config` refuses what cannot work, with the field and its range."""

import dataclasses
import re

import pytest

from resarray.spec import isa, registers
from resarray.spec.config import LIMITS, PRESETS, Config
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("contract", by="unit")

TINY = preset("tiny")

REFUSED = [
    # Bursts that a FIFO never holds: hangs.
    ({"output_words": 8}, "output_words must be at least 16 for bursts of 8 words"),
    ({"output_words": 4}, "output_words must be at least 16 for bursts of 8 words"),
    ({"residual_words": 4}, "residual_words must be at least 8 for bursts of 8 words"),
    ({"weight_words": 4}, "weight_words must be at least 8 for bursts of 8 words"),
    # More profile records than the register map has addresses for: no profile at all.
    ({"profile_marks": 512}, "profile_marks must be a number from 16 to 256, not 512"),
    ({"profile_marks": 0}, "profile_marks must be a number from 16 to 256, not 0"),
    # A line address that an instruction does not hold: wrong tensors.
    ({"pool_words": 8192}, "pool_words must be a power of two from 8 to 4096, not 8192"),
    ({"columns": 8.0}, "columns must be a number from 4 to 256, not 8.0"),
    ({"columns": True}, "columns must be a number from 4 to 256, not True"),
    ({"columns": "8"}, "columns must be a number from 4 to 256, not '8'"),
    ({"columns": 6}, r"columns must be a multiple of rows \(4\), at most 252, not 6"),
    ({"columns": 256}, r"columns must be a multiple of rows \(4\), at most 252, not 256"),
    ({"rows": 8, "columns": 36}, r"columns must be a multiple of rows \(8\), at most 256, not 36"),
    ({"max_reads": 2**40}, "max_reads must be a power of two from 2 to 64"),
    ({"max_reads": 3}, "max_reads must be a power of two from 2 to 64, not 3"),
    ({"queue_depth": 1}, "queue_depth must be a power of two from 2 to 64, not 1"),
    ({"scratch_words": 1}, "scratch_words must be 0 or a power of two from 2 to 65536, not 1"),
    ({"burst_words": 512}, "burst_words must be a power of two from 2 to 256, not 512"),
    ({"acc_depth": -64}, "acc_depth must be a power of two from 16 to 512, not -64"),
    ({"input_words": 1 << 17}, "input_words must be a power of two from 256 to 65536"),
    ({"rows": 32}, "rows must be a power of two from 4 to 16, not 32"),
    ({"lanes": 8}, r"lanes must divide rows \(4\), not 8"),
    ({"lanes": None}, "lanes must be a power of two from 1 to 8, not None"),
    ({"element": "triple"}, "element must be one of pair, mac"),
    ({"element": ["pair"]}, "element must be one of pair, mac"),
    ({"name": None}, "name must be a text that is not empty, not None"),
    ({"name": ""}, "name must be a text that is not empty"),
]


@pytest.mark.parametrize("change, message", REFUSED)
def test_refused(change, message):
    with pytest.raises(ResarrayError, match=message):
        dataclasses.replace(TINY, **change)


def test_every_field_has_limits():
    fields = {f.name for f in dataclasses.fields(Config)} - {"name", "element", "winograd"}
    assert fields == set(LIMITS)
    for field in fields:
        assert all(getattr(config, field) in LIMITS[field] for config in PRESETS.values()), field


def test_both_ends_of_every_range_are_reached():
    """Each end of a field's range is a configuration, where the others leave room for it."""
    roomy = Config(name="roomy", rows=4, lanes=1, columns=8, burst_words=2)
    for field, limits in LIMITS.items():
        if field in ("rows", "columns"):
            continue
        highest = 4 if field == "lanes" else limits.highest
        others = {}
        if field == "burst_words":
            others = {"weight_words": 512, "residual_words": 512, "output_words": 512}
        for size in (limits.lowest, highest):
            dataclasses.replace(roomy, **others, **{field: size})
    for rows in (4, 8, 16):
        for columns in (rows, 63 * rows if rows == 4 else 256):
            Config(name="ends", rows=rows, columns=columns)


def test_limits_are_those_of_the_fields():
    """The widths that limit a configuration are the instructions' and the map's own."""
    drain = {f.name: f.width for f in isa.LAYOUTS[isa.Engine.DRAIN]}
    load = {f.name: f.width for f in isa.LAYOUTS[isa.Engine.LOAD]}
    assert LIMITS["pool_words"].highest == 1 << drain["line"]
    assert LIMITS["input_words"].highest == 1 << load["buf"]
    assert LIMITS["scratch_words"].highest == 1 << load["mirror"]
    last = registers.PROFILE_OFFSET + registers.PROFILE_RECORD_BYTES * registers.PROFILE_RECORDS
    assert last == 1 << registers.ADDRESS_BITS
    assert LIMITS["profile_marks"].highest == registers.PROFILE_RECORDS


def test_the_message_names_the_configuration():
    with pytest.raises(ResarrayError, match=re.escape("configuration 'mine': rows must be")):
        Config(name="mine", rows=5)
