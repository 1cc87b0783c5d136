"""Weights of a layer in the order in which the array takes them, and the folded bias.

Per output-channel tile: the first k-tile, ``columns`` parameter records, the other k-tiles. A
k-tile is ``columns`` words; word c holds the ``rows`` weights of column c. With Winograd's tiles a
k-tile is a kernel row: three words for each column, one after the other, and a column has four
records, one for each output of a tile. Unused rows and columns are zero, and so are the weights
between a tile's channels and inputs of other groups.
"""

from dataclasses import dataclass

import numpy as np

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import TABLE_BYTES, Engine, highest
from resarray.spec.layout import ceil_div
from resarray.spec.numerics import ACC_BITS, require_bits
from resarray.spec.winograd import TILE

from . import rates
from .channels import ChannelTile, channel_runs
from .ir import Layer, Range
from .winograd import biases

PARAM_BYTES = 8
# Words of one WEIGHTS.
MAX_STREAM = highest(Engine.WEIGHTS, "length")


@dataclass(frozen=True)
class WeightStream:
    """``data``: bytes of all output-channel tiles; ``tiles``: words [start, stop) of each;
    ``head_words`` of them are the first k-tile, ``param_words`` the parameter records
    behind it; ``records``: each tile's, as bytes; ``table``: words [start, stop) of the layer's
    table, or None."""

    data: bytes
    tiles: list[Range]
    head_words: int
    param_words: int
    records: list[bytes]
    table: Range | None = None


def pack_weights(layer: Layer, config: Config) -> WeightStream:
    """The weight stream of ``layer``; equal tiles, each a run of its own, share their words."""
    parts: list[bytes] = []
    tiles: list[Range] = []
    records, words = [], 0
    head_words = rates.weight_words(config, layer.winograd)
    param_words = rates.parameters(config, layer.winograd)
    placed: dict[bytes, Range] = {}
    for run in channel_runs(layer, config):
        for tile in run:
            _require_one_stream(layer, tile, config)
            channels = slice(tile.outputs[0] * config.rows, tile.outputs[1] * config.rows)
            vectors = _vectors(layer, channels, tile, config)
            record = _records(layer, vectors, channels, config)
            data = vectors.tobytes()
            head = head_words * config.rows
            part = b"".join((data[:head], record, data[head:]))
            if len(run) > 1 or part not in placed:
                parts.append(part)
                tiles.append((words, words + len(part) // config.rows))
                words = tiles[-1][1]
            else:
                tiles.append(placed[part])
            if len(run) == 1:
                placed[part] = tiles[-1]
            records.append(record)
    table = None
    if layer.table is not None:
        table = words, words + TABLE_BYTES // config.rows
        parts.append(np.asarray(layer.table, np.int8).tobytes())
    return WeightStream(b"".join(parts), tiles, head_words, param_words, records, table)


def _require_one_stream(layer: Layer, tile: ChannelTile, config: Config) -> None:
    words = layer.k_tiles(tile.n_inputs, config) * rates.weight_words(config, layer.winograd)
    words += rates.parameters(config, layer.winograd)
    if words > MAX_STREAM:
        raise ResarrayError(
            f"layer '{layer.name}': {config.columns} output channels read {tile.n_inputs} channel "
            f"blocks, {words} words of weights with the zeros between groups, at most {MAX_STREAM} "
            "are allowed: use fewer channels in a group or a smaller kernel"
        )


def _records(layer: Layer, vectors: np.ndarray, channels: slice, config: Config) -> bytes:
    """Parameter records of a tile's columns, all 0 in unused ones; with Winograd's tiles one for
    each output."""
    step = layer.requantise
    bias, mult, shift = (
        _padded(values[channels], config.columns) for values in (step.bias, step.mult, step.shift)
    )
    wide = vectors.astype(np.int32)
    bias = bias - layer.pad_value * wide.sum(axis=(0, *range(2, wide.ndim)), dtype=np.int64)
    pair = config.element == "pair"
    if layer.winograd:
        bias = biases(bias, vectors, pair)
    elif pair:
        # The element adds w0 * w1 of each pair of channels; the bias takes it off again.
        bias = bias - (wide[..., 0::2] * wide[..., 1::2]).sum(axis=(0, 2), dtype=np.int64)
    # In range, since accumulator plus bias is for every input (`checks`): bias - zp * sum(w) is its
    # value for raw zeros, inputs of +-127 move it by 127 * sum |w|, and sum |w0 * w1| is at most
    # half of that.
    require_bits(bias, ACC_BITS, f"folded bias of layer '{layer.name}'")
    if layer.winograd:
        mult, shift = (np.repeat(values, TILE) for values in (mult, shift))
        bias = bias.reshape(-1)
    record = (bias & 0xFFFFFFFF) | mult << 32 | shift << 49
    params = np.zeros((len(record), config.param_words * config.rows), np.uint8)
    params[:, :PARAM_BYTES] = record.astype("<i8")[:, None].view(np.uint8)
    return params.tobytes()


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    return np.pad(values.astype(np.int64), (0, length - len(values)))


def _vectors(layer: Layer, channels: slice, tile: ChannelTile, config: Config) -> np.ndarray:
    """int8 [k-tile][columns][rows] of an output-channel tile, with Winograd's tiles
    [k-tile][columns][weights of a kernel row][rows]."""
    rows, columns = config.rows, config.columns
    kh, kw = layer.kernel
    weight = _dense(layer, channels, tile, rows)
    count = len(weight)
    if layer.packed:
        cin = weight.shape[1]
        length = ceil_div(kw * cin, rows) * rows
        padded = np.zeros((columns, kh, length), np.int8)
        padded[:count, :, : kw * cin] = weight.transpose(0, 2, 3, 1).reshape(count, kh, kw * cin)
        split = padded.reshape(columns, kh * length // rows, rows)
        return np.ascontiguousarray(split.transpose(1, 0, 2))
    padded = np.zeros((columns, tile.n_inputs * rows, kh, kw), np.int8)
    padded[:count, : weight.shape[1]] = weight
    split = padded.reshape(columns, tile.n_inputs, rows, kh, kw)
    if layer.winograd:
        return np.ascontiguousarray(split.transpose(1, 3, 0, 4, 2)).reshape(-1, columns, kw, rows)
    return np.ascontiguousarray(split.transpose(1, 3, 4, 0, 2)).reshape(-1, columns, rows)


def _dense(layer: Layer, channels: slice, tile: ChannelTile, rows: int) -> np.ndarray:
    """int8 [channels][inputs of the tile][kh][kw]: zero between groups."""
    weight = layer.weight[channels]
    if layer.groups == 1:
        return weight
    first = tile.inputs[0] * rows
    inputs = min(tile.inputs[1] * rows, layer.source.shape[0]) - first
    dense = np.zeros((len(weight), inputs, *layer.kernel), np.int8)
    in_group = weight.shape[1]
    out_group = layer.shape[0] // layer.groups
    for number, values in enumerate(weight, channels.start):
        start = number // out_group * in_group - first
        dense[number - channels.start, start : start + in_group] = values
    return dense
