"""Hexadecimal memory files, as both simulators write them."""

import numpy as np
import pytest

from resarray.sim.memory_file import format_words, parse_words
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("simulation", by="unit")


@pytest.mark.parametrize("rows", [4, 8, 16])
def test_round_trip(rows):
    data = np.random.default_rng(rows).integers(0, 256, 37 * rows, dtype=np.uint8)
    np.testing.assert_array_equal(parse_words(format_words(data, rows), rows), data)


def test_first_byte_is_the_least_significant():
    assert format_words(np.array([1, 2, 3, 0xAB], np.uint8), 4) == b"ab030201\n"


def test_comments_addresses_and_capitals_are_skipped():
    text = b"// 0x00000000\n@10\n0403020A\n// 0x00000001\n08070605"
    assert parse_words(text, 4).tolist() == [10, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("digit", [b"x", b"X", b"z"])
def test_unknown_bits_are_reported(digit):
    with pytest.raises(ResarrayError, match=r"unknown bits \(x\) in word 1"):
        parse_words(b"00000000\n0000" + digit + b"000\n", 4)


def test_cut_file_is_reported():
    with pytest.raises(ResarrayError, match="13 characters, not a multiple of 9"):
        parse_words(b"00000000\n000", 4)
