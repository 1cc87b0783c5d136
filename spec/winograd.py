"""Winograd's F(4, 3) along rows: four outputs of a kernel three wide from six products, not twelve.

S. Winograd, "Arithmetic Complexity of Computations", SIAM 1980; for convolutions A. Lavin and
S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016 (points 0, 1, -1, 2, -2 and
infinity). Here without fractions: the weights' rows are cleared of theirs, so the outputs come
24-fold::

    24 * y[j] = sum over positions p:  OUTPUT[j][p] * (INPUT @ x)[p] * (WEIGHT @ w)[p]

with ``y[j] = x[j]*w[0] + x[j+1]*w[1] + x[j+2]*w[2]``. Channels and kernel rows are summed up at
each position, in accumulators modulo 2**32; the last step back is exact where ``|y| < 2**28``
(docs/numerics.md).
"""

import numpy as np

TAPS = 3  # weights of a kernel row
TILE = 4  # outputs side by side
POSITIONS = 6  # products; also pixels that a tile reads
FACTOR = 24
SPEEDUP = TILE * TAPS // POSITIONS  # of whole tiles
# Of accumulator plus bias: the tile's outputs are known modulo 2**29.
SUM_BITS = 29

INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, 4, 4, -1, -1, 0],
        [0, -4, 4, 1, -1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
WEIGHT = np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [1, 2, 4], [1, -2, 4], [0, 0, 1]])
OUTPUT = np.array(
    [[6, 4, 4, 1, 1, 0], [0, 4, -4, 2, -2, 0], [0, 4, 4, 4, 4, 0], [0, 4, -4, 8, -8, 24]]
)


def tiles(width: int) -> int:
    """Tiles that cover a row of ``width`` outputs."""
    return -(-width // TILE)


def divide(value: np.ndarray) -> np.ndarray:
    """``y`` from ``24 * y`` modulo 2**32, for ``-2**28 <= y < 2**28``: 24 is 8 times 3, and 3 has
    an inverse modulo 2**29, -(1 + 4 + 16 + ...). int64."""
    half = 1 << (SUM_BITS - 1)
    return ((value >> 3) * -0x55555555 + half) % (2 * half) - half
