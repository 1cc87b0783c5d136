"""The hexadecimal files that the simulated memory is loaded from and dumped to.

One word of ``rows`` bytes a line, the byte at the highest address first.
"""

from pathlib import Path

import numpy as np

from resarray.spec.errors import ResarrayError

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def format_words(data: np.ndarray, rows: int) -> bytes:
    """Text of ``data`` (uint8, a multiple of ``rows`` bytes) for ``$readmemh``."""
    words = data.reshape(-1, rows)[:, ::-1]
    text = np.full((len(words), 2 * rows + 1), ord("\n"), np.uint8)
    text[:, 0:-1:2] = _DIGITS[words >> 4]
    text[:, 1:-1:2] = _DIGITS[words & 15]
    return text.tobytes()


def parse_words(text: bytes, rows: int) -> np.ndarray:
    """uint8 bytes in memory order from what ``$writememh`` wrote.

    Verilator and Icarus differ in comment and address lines, which are skipped. `ResarrayError`
    for a file that is cut short or holds unknown (x) bits.
    """
    if b"/" in text or b"@" in text:
        lines = [line for line in text.split(b"\n") if line[:1] not in (b"/", b"@")]
        text = b"\n".join(lines)
    width = 2 * rows + 1
    if text and not text.endswith(b"\n"):
        text += b"\n"
    if len(text) % width:
        raise ResarrayError(
            f"a memory dump has {len(text)} characters, not a multiple of {width}: the simulator "
            "was stopped while writing it or the disk is full; run again"
        )
    digits = np.frombuffer(text, np.uint8).reshape(-1, width)[:, :-1]
    # "0".."9" are 0x30.., "a".."f" and "A".."F" end in 1..6
    values = (digits & 15) + np.where(digits >= ord("A"), 9, 0).astype(np.uint8)
    if (values > 15).any() or (digits < ord("0")).any():
        word = int(np.argwhere((values > 15) | (digits < ord("0")))[0][0])
        raise ResarrayError(
            f"the memory holds unknown bits (x) in word {word} of the dump: the design wrote a "
            "value that it never initialised; simulate with waves to find it"
        )
    words = values[:, 0::2] << 4 | values[:, 1::2]
    return np.ascontiguousarray(words[:, ::-1]).reshape(-1)


def read_dump(path: Path, rows: int) -> np.ndarray:
    """`parse_words` of a file."""
    return parse_words(path.read_bytes(), rows)
