"""Places in the scratchpad, and what of a tensor a transfer reads."""

from typing import cast

import numpy as np
import pytest

from resarray.compiler.allocate import InputRing, Place
from resarray.compiler.drains import Output
from resarray.compiler.slabs import Slab
from resarray.compiler.stores import Stores
from resarray.compiler.tiles import Step, Tile
from resarray.compiler.transfers import Region, Transfer, transfer

pytestmark = pytest.mark.verifies("compiler", by="unit")


def test_places_side_by_side_have_nothing_in_common():
    place = Place(8, 16, 0, 1)
    for start, stop, common in ((0, 8, False), (16, 20, False), (0, 9, True), (15, 20, True)):
        other = Place(start, stop, 2, 3)
        assert place.overlaps(other) == other.overlaps(place) == common


def test_a_region_is_what_the_pattern_reads():
    """Waits are for the region's lines: no more, no less."""
    height, width = 11, 5
    for rows, cols, step in (((2, 4), (0, 5), 1), ((1, 3), (1, 3), 1), ((0, 4), (0, 5), 3)):
        made = transfer("x", 0, (height, width), (1, 3), rows, cols, step)
        f = made.fields
        block, run, word = np.ogrid[: f["n_blocks"], : f["n_runs"], : f["run_len"]]
        words = f["addr"] + block * f["block_stride"] + run * f["run_stride"] + word
        lines = words // width % height
        assert made.region.rows == (lines.min(), lines.max() + 1)
        assert made.region.blocks == (1, 3)
        assert set(np.unique(lines)) == {rows[0] + i * step for i in range(rows[1])}


def test_what_is_left_of_an_occupant_is_still_read():
    """Both ends of words that are filled in the middle wait for their readers."""
    for start in (0, 6):
        ring = InputRing(16)
        assert ring.occupy(0, 10, 4) == 0
        assert ring.occupy(3, 2, 7) == 5
        assert ring.occupy(start, 2, 9) == 5


def test_the_last_store_into_a_region():
    """Numbered from 1; none where nothing is stored, not even of a tensor that others are."""

    def rows(first, end, tensor="x"):
        return Region(tensor, 0, (0, 2), (first, end), (0, 4))

    step = Step(cast(Slab, None), 0, 0, {})
    tiles = [
        Tile(0, [step], [Output({}, Transfer(rows(first, first + 2), {}), None)], [])
        for first in (0, 2)
    ]
    stored = Stores(tiles)
    assert stored.latest(rows(0, 2)) == (1, 0)
    assert stored.latest(rows(1, 3)) == (2, 1)
    assert stored.latest(rows(4, 6)) == (0, -1)
    assert stored.latest(rows(0, 2, "y")) == (0, -1)
