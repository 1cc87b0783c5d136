"""Pixels to a network's input, the same in the golden model and on a board's host."""

from collections.abc import Sequence

import numpy as np

from . import numerics


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
    table = np.floor(levels / scale + 0.5) + zero_point
    table = np.clip(table, numerics.INT8_MIN, numerics.INT8_MAX).astype(np.int8)
    planes = [table[c][pixels[..., c]] for c in range(pixels.shape[3])]
    return np.ascontiguousarray(np.stack(planes, axis=1))
