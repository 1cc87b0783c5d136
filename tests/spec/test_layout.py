"""Bytes of a map in memory."""

import numpy as np
import pytest

from resarray.spec.layout import Blocked, Packed, from_dict, to_dict

pytestmark = pytest.mark.verifies("compiler", by="unit")


@pytest.mark.parametrize(
    "layout",
    [
        Packed(3, 5, 4, 8, top=1, bottom=2, left=3, right=1, zero_point=7),
        Packed(1, 2, 9, 4, top=0, bottom=0, left=0, right=0, zero_point=-128),
    ],
)
def test_an_image_with_its_padding(layout):
    """Lines of whole words, pixels beside each other, and the zero point around them."""
    chw = np.random.default_rng(1).integers(
        -128, 128, (layout.channels, layout.height, layout.width)
    )
    chw = chw.astype(np.int8)
    flat = layout.pack(chw)
    assert flat.size == layout.size == layout.lines * layout.pitch
    assert layout.pitch % layout.rows == 0
    expected = np.full((layout.lines, layout.pitch), layout.zero_point, np.int8)
    for c, y, x in np.ndindex(chw.shape):
        expected[layout.top + y, (layout.left + x) * layout.channels + c] = chw[c, y, x]
    np.testing.assert_array_equal(flat, expected.reshape(-1))
    np.testing.assert_array_equal(layout.unpack(flat), chw)
    assert from_dict(to_dict(layout)) == layout


def test_a_map_in_blocks():
    layout = Blocked(5, 3, 4, 4)
    chw = np.arange(60, dtype=np.int8).reshape(5, 3, 4)
    np.testing.assert_array_equal(layout.unpack(layout.pack(chw)), chw)
    assert from_dict(to_dict(layout)) == layout
