"""Pixels to a network's input, the same in the golden model and on a board's host."""

import operator
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import numerics
from .errors import ResarrayError

# Largest height and width of a feature map: instructions count rows and columns in 10 bits.
MAX_SIDE = 1023

Size = tuple[int, int]  # height, width


def as_size(value: Any, what: str = "input size") -> Size:
    """(height, width) of a number of pixels, a pair of them, or text as ``48`` or ``48x80``.

    `ResarrayError`, which calls the value ``what``, for anything else.
    """
    sides: tuple[int, ...] | None
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,9})(?:[xX×](\d{1,9}))?", value.strip())
        sides = None if match is None else (int(match[1]), int(match[2] or match[1]))
    else:
        try:
            sides = (operator.index(value),) * 2
        except (TypeError, ValueError, RuntimeError):  # the last two: of a tensor
            try:
                sides = tuple(operator.index(side) for side in value)
            except (TypeError, ValueError, RuntimeError):
                sides = None
    if isinstance(value, bool) or sides is None or len(sides) != 2:
        raise ResarrayError(
            f"{what} {value!r} is no size: give the pixels of a square, as 48, or height and "
            "width, as 48x80 (in Python: 48 or (48, 80))"
        )
    return sides[0], sides[1]


def size_text(size: Size) -> str:
    """Height and width as in ``48x80``."""
    return f"{size[0]}x{size[1]}"


def quantise_pixels(
    pixels: np.ndarray,
    mean: Sequence[float],
    std: Sequence[float],
    scale: float,
    zero_point: int,
) -> np.ndarray:
    """uint8 [N][H][W][C] pixels to int8 [N][C][H][W]: per channel a table of 256 entries,
    round((pixel / 255 - mean) / std / scale) + zero point."""
    levels = (np.arange(256)[None] / 255 - np.array(mean)[:, None]) / np.array(std)[:, None]
    table = quantise_values(levels, scale, zero_point)
    planes = [table[c][pixels[..., c]] for c in range(pixels.shape[3])]
    return np.ascontiguousarray(np.stack(planes, axis=1))


def quantise_values(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Real values to int8: round(value / scale) + zero point, half up, clamped."""
    quantised = np.floor(np.asarray(values, np.float64) / scale + 0.5) + zero_point
    return np.clip(quantised, numerics.INT8_MIN, numerics.INT8_MAX).astype(np.int8)
