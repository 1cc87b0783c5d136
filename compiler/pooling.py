"""Requantisation and the pool stage of DRAIN, vectorised; the arithmetic is `spec.numerics`'."""

import numpy as np

from resarray.spec.config import Config
from resarray.spec.isa import Pool
from resarray.spec.numerics import (
    ACC_BITS,
    FIXED_BITS,
    GUARD_BITS,
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
        self.line = np.zeros((config.pool_words, config.rows), np.int64)
        self.sum = np.zeros(config.rows, np.int64)

    def run(self, f: dict[str, int], blocks: np.ndarray) -> np.ndarray:
        """Words int8 [n][rows] that a DRAIN with fields ``f`` gives for [block][pixel][rows]."""
        if f["pool"] == Pool.AVERAGE:
            return self._average(f, blocks)
        out = [self._max(f, block, pixels) for block, pixels in enumerate(blocks)]
        return np.concatenate(out).astype(np.int8)

    def _average(self, f: dict[str, int], blocks: np.ndarray) -> np.ndarray:
        assert len(blocks) == 1, "an average takes one block at a time"
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
        width, start = f["width"], f["line"] + block * f["pool_width"]
        assert len(pixels) % width == 0, "a max pool takes whole rows"
        rows = pixels.reshape(-1, width, pixels.shape[-1])
        pooled = _windows(rows, f["pool_k"], f["pool_pad"], f["pool_flush_x"])
        assert pooled.shape[1] == f["pool_width"], "windows of a row differ from pool_width"
        assert start + pooled.shape[1] <= len(self.line), "line buffer exceeded"
        line = self.line[start : start + pooled.shape[1]]
        odd, first, out = f["pool_odd"], f["pool_first"], []
        for i, row in enumerate(pooled):
            begins = first and i == 0
            if f["pool_k"] == 2:
                ends, restarts = odd, not odd
            else:
                ends, restarts = not odd and not begins, not odd
            best = row if begins or (f["pool_k"] == 2 and restarts) else np.maximum(line, row)
            flush = f["pool_flush_y"] and i == len(pooled) - 1 and not ends
            if ends or flush:
                out.append(best.copy())
            line[:] = row if restarts else best
            odd = not odd
        return np.concatenate(out) if out else np.zeros((0, pixels.shape[-1]), np.int64)


def _windows(rows: np.ndarray, kernel: int, padding: int, flush: int) -> np.ndarray:
    """Horizontal maxima of [row][x][channel], stride 2: [row][window][channel]."""
    width = rows.shape[1]
    count = max(0, (width + padding - kernel) // 2 + 1) + flush
    out = []
    for j in range(count):
        start = 2 * j - padding
        out.append(rows[:, max(0, start) : min(width, start + kernel)].max(axis=1))
    return np.stack(out, axis=1)
