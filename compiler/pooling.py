"""Requantisation and the pool stage of DRAIN, vectorised; the arithmetic is `spec.numerics`'."""

import numpy as np

from resarray.spec.config import Config
from resarray.spec.isa import Pool
from resarray.spec.numerics import (
    ACC_BITS,
    FIXED_BITS,
    GUARD_BITS,
    INT8_MIN,
    SUM_BITS,
    TERM_BITS,
    TOTAL_BITS,
    require_bits,
)


def requantise_array(total, mult, shift, zp_out, lo, hi, residual=0) -> np.ndarray:
    """int64 arrays to values in [lo, hi]; ``total`` already holds the bias. `numerics.WidthError`
    where a value exceeds the lane's registers."""
    require_bits(total, ACC_BITS, "accumulator plus bias")
    require_bits(residual, TERM_BITS, "residual term")
    fixed = ((total * mult) >> shift) + residual
    # The zero point is added with the rounding, before the guard bits are dropped.
    fixed += (1 << (GUARD_BITS - 1)) + (zp_out << GUARD_BITS)
    require_bits(fixed, FIXED_BITS, "requantised sum")
    return np.clip(fixed >> GUARD_BITS, lo, hi)


class PoolStage:
    """The pool stage: a line buffer for maxima and one running sum per channel of a block."""

    def __init__(self, config: Config):
        self.line = np.zeros((2, config.pool_words, config.rows), np.int64)  # last row, best
        self.known = np.zeros(config.pool_words, bool)  # words of it that hold a row
        self.sum = np.zeros(config.rows, np.int64)
        self.summing = False  # an average has begun and not ended

    def run(self, f: dict[str, int], blocks: np.ndarray) -> np.ndarray:
        """Words int8 [n][rows] that a DRAIN with fields ``f`` gives for [block][pixel][rows]."""
        if f["pool"] == Pool.AVERAGE:
            return self._average(f, blocks)
        out = [self._max(f, block, pixels) for block, pixels in enumerate(blocks)]
        return np.concatenate(out).astype(np.int8)

    def _average(self, f: dict[str, int], blocks: np.ndarray) -> np.ndarray:
        assert len(blocks) == 1, "an average takes one block at a time"
        assert f["avg_first"] or self.summing, "an average is continued that was not begun"
        self.summing = not f["avg_last"]
        if f["avg_first"]:
            self.sum[:] = 0
        self.sum += blocks[0].sum(axis=0)
        require_bits(self.sum, SUM_BITS, "sum of a global average")
        if not f["avg_last"]:
            return np.zeros((0, len(self.sum)), np.int8)
        total = self.sum + f["avg_bias"]
        require_bits(total, TOTAL_BITS, "total of a global average")
        out = requantise_array(total, f["avg_mult"], f["avg_shift"], f["avg_zp"], -128, 127)
        return out[None].astype(np.int8)

    def _max(self, f: dict[str, int], block: int, pixels: np.ndarray) -> np.ndarray:
        """Pooled words of one block, [n][rows]."""
        assert len(pixels) == f["height"] * f["width"], "a max pool takes whole rows"
        sizes = (f[f"pool_{name}"] for name in ("kx", "ky", "sx", "sy"))
        assert all(1 <= size <= 3 for size in sizes), "kernels and strides are 1 to 3"
        rows = pixels.reshape(f["height"], f["width"], -1)
        border = ((0, f["pool_bottom"]), (0, f["pool_right"]), (0, 0))
        rows = np.pad(rows, border, constant_values=INT8_MIN)
        pooled = _windows(rows, f["pool_kx"], f["pool_x"], f["pool_sx"])
        assert pooled.shape[1] == f["pool_width"], "windows of a row differ from pool_width"
        start = f["line"] + block * f["pool_width"]
        assert start + pooled.shape[1] <= self.line.shape[1], "line buffer exceeded"
        last, best = self.line[:, start : start + pooled.shape[1]]
        known = self.known[start : start + pooled.shape[1]]
        assert f["pool_first"] or known.all(), "windows go on that have not begun"
        known[:] = True
        if f["pool_first"]:
            last[:] = best[:] = INT8_MIN
        out = []
        for y, row in enumerate(pooled):
            if y >= f["pool_y"] and (y - f["pool_y"]) % f["pool_sy"] == 0:
                out.append(row.copy() if f["pool_ky"] == 1 else np.maximum(best, row))
            best[:] = np.maximum(last, row) if f["pool_ky"] == 3 else row
            last[:] = row
        return np.concatenate(out) if out else np.zeros((0, pixels.shape[-1]), np.int64)


def _windows(rows: np.ndarray, kernel: int, first: int, stride: int) -> np.ndarray:
    """Horizontal maxima of [row][x][channel]: [row][window][channel]. Windows end with ``first``
    and every ``stride``-th pixel behind it; what is before a row does not count."""
    padded = np.pad(rows, ((0, 0), (kernel - 1, 0), (0, 0)), constant_values=INT8_MIN)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=1)
    return windows[:, first::stride].max(axis=-1)
