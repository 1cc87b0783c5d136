"""How tensors lie in memory. Words are ``rows`` bytes; all arrays here are int8.

Blocked (feature maps): ``[ceil(C / rows)][H][W][rows]``, channels beyond C hold anything.

Packed (a network's input of fewer channels than a word): NHWC rows with their padding written out,
``[top + H + bottom][pitch]`` bytes, a row being ``(left + W + right) * C`` bytes padded to words.
"""

from dataclasses import asdict, dataclass

import numpy as np

# Bytes, of each tensor's place and of the memory's size; a multiple of every word and of common
# bus widths.
ALIGNMENT = 64


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True)
class Blocked:
    """A feature map of ``channels`` x ``height`` x ``width`` in channel blocks of ``rows``."""

    channels: int
    height: int
    width: int
    rows: int
    kind: str = "blocked"

    @property
    def blocks(self) -> int:
        return ceil_div(self.channels, self.rows)

    @property
    def block_words(self) -> int:
        return self.height * self.width

    @property
    def size(self) -> int:
        """Bytes."""
        return self.blocks * self.block_words * self.rows

    def pack(self, chw: np.ndarray) -> np.ndarray:
        """int8 [C][H][W] to the flat int8 image in memory."""
        padded = np.zeros((self.blocks * self.rows, self.height, self.width), np.int8)
        padded[: self.channels] = chw
        blocked = padded.reshape(self.blocks, self.rows, self.height, self.width)
        return np.ascontiguousarray(blocked.transpose(0, 2, 3, 1)).reshape(-1)

    def unpack(self, flat: np.ndarray) -> np.ndarray:
        """Inverse of `pack`."""
        blocked = flat.reshape(self.blocks, self.height, self.width, self.rows)
        chw = blocked.transpose(0, 3, 1, 2).reshape(-1, self.height, self.width)
        return np.ascontiguousarray(chw[: self.channels])


@dataclass(frozen=True)
class Packed:
    """An input image with its padding (zero point) written out, rows of ``pitch`` bytes."""

    channels: int
    height: int
    width: int
    rows: int
    top: int
    bottom: int
    left: int
    right: int
    zero_point: int
    kind: str = "packed"

    @property
    def lines(self) -> int:
        return self.top + self.height + self.bottom

    @property
    def pitch(self) -> int:
        """Bytes from line to line, a multiple of the word."""
        line = (self.left + self.width + self.right) * self.channels
        return ceil_div(line, self.rows) * self.rows

    @property
    def size(self) -> int:
        """Bytes."""
        return self.lines * self.pitch

    def pack(self, chw: np.ndarray) -> np.ndarray:
        """int8 [C][H][W] to the flat int8 image in memory."""
        image = np.full((self.lines, self.pitch), self.zero_point, np.int8)
        start = self.left * self.channels
        stop = start + self.width * self.channels
        nhwc = np.ascontiguousarray(chw.transpose(1, 2, 0)).reshape(self.height, -1)
        image[self.top : self.top + self.height, start:stop] = nhwc
        return image.reshape(-1)

    def unpack(self, flat: np.ndarray) -> np.ndarray:
        """Inverse of `pack`."""
        image = flat.reshape(self.lines, self.pitch)
        start = self.left * self.channels
        rows = image[self.top : self.top + self.height, start : start + self.width * self.channels]
        return np.ascontiguousarray(
            rows.reshape(self.height, self.width, self.channels).transpose(2, 0, 1)
        )


Layout = Blocked | Packed


def to_dict(layout: Layout) -> dict:
    """JSON form of a layout, read back by `from_dict`."""
    return asdict(layout)


def from_dict(fields: dict) -> Layout:
    kind = {"blocked": Blocked, "packed": Packed}[fields["kind"]]
    return kind(**fields)
