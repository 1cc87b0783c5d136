"""Weights of a layer in the order in which the array takes them, and the folded bias.

Per column tile: the first k-tile, ``columns`` parameter records, the other k-tiles. A k-tile is
``columns`` words; word c holds the ``rows`` weights of column c. Unused rows and columns are zero.
"""

from dataclasses import dataclass

import numpy as np

from resarray.spec.config import Config
from resarray.spec.layout import ceil_div
from resarray.spec.numerics import ACC_BITS, require_bits

from .lowering import Layer

PARAM_BYTES = 8


@dataclass(frozen=True)
class WeightStream:
    """``data``: bytes of all column tiles; ``tile_words``: words of each column tile, of which
    ``param_words`` are parameter records."""

    data: bytes
    tile_words: int
    param_words: int


def pack_weights(layer: Layer, config: Config) -> WeightStream:
    """The weight stream of ``layer``."""
    vectors = _identity_vectors(config) if layer.identity else _conv_vectors(layer, config)
    n_tiles, _, columns, rows = vectors.shape
    bias, mult, shift = (
        _per_column(layer, values, n_tiles, config)
        for values in (layer.bias, layer.mult, layer.shift)
    )
    wide = vectors.astype(np.int32)
    bias = bias - layer.zp_in * wide.sum(axis=(1, 3), dtype=np.int64)
    if config.element == "pair":
        # The element adds w0 * w1 of each pair of channels; the bias takes it off again.
        bias = bias - (wide[..., 0::2] * wide[..., 1::2]).sum(axis=(1, 3), dtype=np.int64)
    # In range, since accumulator plus bias is for every input (`checks`): bias - zp * sum(w) is its
    # value for raw zeros, inputs of +-127 move it by 127 * sum |w|, and sum |w0 * w1| is at most
    # half of that.
    require_bits(bias, ACC_BITS, f"folded bias of layer '{layer.name}'")
    record = (bias & 0xFFFFFFFF) | mult << 32 | shift << 49
    params = np.zeros((n_tiles, columns, config.param_words * rows), np.uint8)
    params[..., :PARAM_BYTES] = record.astype("<i8")[..., None].view(np.uint8)
    tiles = vectors.reshape(n_tiles, -1).view(np.uint8)
    head = columns * rows  # bytes of a k-tile
    stream = np.concatenate([tiles[:, :head], params.reshape(n_tiles, -1), tiles[:, head:]], axis=1)
    return WeightStream(stream.tobytes(), stream.shape[1] // rows, columns * config.param_words)


def _per_column(layer: Layer, values: np.ndarray, n_tiles: int, config: Config) -> np.ndarray:
    """[n_tiles][columns] of per-channel values, 0 in unused columns."""
    if layer.identity:
        padded = np.zeros((1, config.columns), np.int64)
        padded[0, : config.rows] = values[0]
        return padded
    padded = np.zeros(n_tiles * config.columns, np.int64)
    padded[: len(values)] = values
    return padded.reshape(n_tiles, config.columns)


def _identity_vectors(config: Config) -> np.ndarray:
    vectors = np.zeros((1, 1, config.columns, config.rows), np.int8)
    vectors[0, 0, : config.rows] = np.eye(config.rows, dtype=np.int8)
    return vectors


def _conv_vectors(layer: Layer, config: Config) -> np.ndarray:
    """int8 [column tile][k-tile][columns][rows]."""
    cout, cin, kh, kw = layer.weight.shape
    rows, columns = config.rows, config.columns
    n_tiles = ceil_div(cout, columns)
    if layer.packed:
        length = ceil_div(kw * cin, rows) * rows
        padded = np.zeros((n_tiles * columns, kh, length), np.int8)
        by_row = layer.weight.transpose(0, 2, 3, 1).reshape(cout, kh, kw * cin)
        padded[:cout, :, : kw * cin] = by_row
        split = padded.reshape(n_tiles, columns, kh * length // rows, rows)
        return np.ascontiguousarray(split.transpose(0, 2, 1, 3))
    blocks = ceil_div(cin, rows)
    padded = np.zeros((n_tiles * columns, blocks * rows, kh, kw), np.int8)
    padded[:cout, :cin] = layer.weight
    split = padded.reshape(n_tiles, columns, blocks, rows, kh, kw)
    ordered = split.transpose(0, 2, 4, 5, 1, 3)
    return np.ascontiguousarray(ordered).reshape(n_tiles, -1, columns, rows)
