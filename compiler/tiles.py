"""The work of a layer as a list of accumulator tiles, in execution order.

A `Tile` is one filling and draining of an accumulator bank: the compute steps that sum it up, the
input slabs that they read, and its residual, drain and store. Addresses are still relative: words
from the start of a tensor, words from the start of a slab, words of a layer's weight stream.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from resarray.spec import winograd
from resarray.spec.config import Config
from resarray.spec.isa import Engine, highest
from resarray.spec.layout import Layout, ceil_div

from .channels import ChannelTile, channel_runs
from .drains import Output, build_outputs
from .ir import Layer, MaxPool, Part, Range
from .slabs import Slab, build_slab
from .tiling import Tiling
from .weights import MAX_STREAM, WeightStream
from .windows import Window, balanced, column_parts, column_window, row_window

# Channel blocks of one COMPUTE.
MAX_K_BLOCKS = highest(Engine.COMPUTE, "n_k0")


@dataclass(frozen=True)
class Step:
    """One COMPUTE over chunks [first, last] of a slab; ``fields["base"]`` is relative to it."""

    slab: Slab
    first: int
    last: int
    fields: dict[str, int]


@dataclass
class Tile:
    """One filling and draining of an accumulator bank. ``weights``: (first word, words) of the
    layer's stream that begin to be read here, one after the other. ``params``, ``table``: behind
    the first k-tile come channel parameters, and the table."""

    layer: int
    steps: list[Step]
    outputs: list[Output]
    weights: list[Part]
    params: bool = True
    table: bool = False
    layer_end: bool = False


def build_tiles(
    index: int,
    layer: Layer,
    tiling: Tiling,
    stream: WeightStream,
    source: Layout,
    batch: int,
    config: Config,
) -> list[Tile]:
    """Tiles of layer number ``index``; ``source`` is its source's layout."""
    tiles: list[Tile] = []
    numbers: list[int] = []  # of the output-channel tile of each
    for images in balanced(batch, ceil_div(batch, tiling.images)):
        for run, rows, cols in _order(layer, tiling, config):
            windows = row_window(layer, *rows), column_window(layer, *cols, config)
            slabs = functools.partial(_slabs, layer, windows, source, images, config)
            resident, again = _input_parts(run[0].inputs, tiling)
            shared = slabs(resident)
            for position, tile in enumerate(run):
                # In the middle of a run the input is there and stays there: no need to split.
                middle = 0 < position < len(run) - 1
                steps = []
                for slab in shared + slabs(again):
                    whole = middle and slab in shared and slab.n_blocks <= MAX_K_BLOCKS
                    steps += _steps(layer, slab, *windows, (rows[1], cols[1]), whole, config)
                held = len(run) == 1 and _bank_holds_parameters(tile, numbers, stream, steps)
                # Each of the two banks has its table.
                table = stream.table is not None and len(numbers) < 2
                weights = _weights(run, position, stream, held, table, config)
                line_block = tile.outputs[0] - run[0].outputs[0]
                outputs = build_outputs(layer, images, rows, cols, tile.outputs, line_block)
                tiles.append(Tile(index, steps, outputs, weights, not held, table))
                numbers.append(tile.number)
    tiles[-1].layer_end = True
    return tiles


def _order(
    layer: Layer, tiling: Tiling, config: Config
) -> Iterator[tuple[list[ChannelTile], Part, Part]]:
    """Runs of output-channel tiles, rows and columns, in order. Rows are inside where a max pool
    carries unfinished windows from one to the next."""
    all_rows = balanced(layer.shape[1], tiling.n_rows)
    all_cols = column_parts(layer, tiling.n_cols)
    for run in channel_runs(layer, config):
        if isinstance(layer.pool, MaxPool):
            yield from ((run, rows, cols) for cols in all_cols for rows in all_rows)
        else:
            yield from ((run, rows, cols) for rows in all_rows for cols in all_cols)


def _input_parts(inputs: Range, tiling: Tiling) -> tuple[list[Range], list[Range]]:
    """The input blocks of a run: those that stay for all its tiles, and those that come again for
    each, in parts."""
    first, stop = inputs
    resident = min(tiling.resident, stop - first)
    parts = ceil_div(stop - first - resident, tiling.k_blocks)
    first += resident
    streamed = balanced(stop - first, parts) if parts else []
    return (
        [(first - resident, first)] if resident else [],
        [(first + start, first + start + count) for start, count in streamed],
    )


def _slabs(
    layer: Layer,
    windows: tuple[Window, Window],
    source: Layout,
    images: Part,
    config: Config,
    parts: list[Range],
) -> list[Slab]:
    """A slab for each of the parts of the input blocks."""
    return [build_slab(layer, *windows, blocks, source, images, config) for blocks in parts]


def _weights(
    run: list[ChannelTile],
    position: int,
    stream: WeightStream,
    held: bool,
    table: bool,
    config: Config,
) -> list[Part]:
    """Words of the stream that begin to be read at a run's tile: one WEIGHTS brings as many tiles'
    as it can. ``held``: without the parameters; ``table``: with the table behind them."""
    start, stop = stream.tiles[run[position].number]
    if held:
        return [(start, stop - start - stream.param_words)]
    if stream.table is not None:
        parts = [(start, stop)]
        if table:
            behind = start + stream.head_words + stream.param_words
            parts = [(start, behind), stream.table, (behind, stop)]
        return [(first, end - first) for first, end in parts if end > first]
    per_stream = max(1, MAX_STREAM // (stop - start))
    if position % per_stream:
        return []
    last = run[min(position + per_stream, len(run)) - 1]
    return [(start, stream.tiles[last.number][1] - start)]


def _bank_holds_parameters(
    tile: ChannelTile, numbers: list[int], stream: WeightStream, steps: list[Step]
) -> bool:
    """Whether the bank's tile before, the last but one, had the same parameters, so that they can
    be left out. They are in the stream behind the first k-tile: only where that is all."""
    if len(numbers) < 2 or len(steps) > 1 or steps[0].fields["k_tiles"] > 1:
        return False
    return stream.records[tile.number] == stream.records[numbers[-2]]


def _steps(
    layer: Layer,
    slab: Slab,
    rows: Window,
    cols: Window,
    extent: Part,
    whole: bool,
    config: Config,
) -> list[Step]:
    """COMPUTEs of ``extent`` (rows, columns) outputs over a slab, one over all or one per chunk."""
    line = cols.lines * config.rows  # bytes
    block = rows.lines * line
    kernel_rows, kernel_cols = layer.kernel
    if layer.packed:
        channels = layer.source.shape[0]
        n_k2, vector = ceil_div(kernel_cols * channels, config.rows), config.rows
        skip, pixel = cols.skip, layer.stride[1] * channels
    else:
        n_k2, vector = kernel_cols, layer.dilation[1] * config.rows
        skip, pixel = cols.skip * config.rows, cols.stride * config.rows
    n_m2 = extent[1]
    if layer.winograd:
        n_k2, n_m2, pixel = 1, winograd.tiles(extent[1]), 0
    loops = {
        "n_k0": (slab.n_blocks, block),
        "n_k1": (kernel_rows, layer.dilation[0] * line),
        "n_k2": (n_k2, vector),
        "n_m0": (slab.images, slab.n_blocks * block),
        "n_m1": (extent[0], rows.stride * line),
        "n_m2": (n_m2, pixel),
    }
    repeats = layer.upsample[1]
    if repeats > 1:
        assert slab.images == 1
        loops |= {
            "n_m0": (extent[0], rows.stride * line),
            "n_m1": (extent[1] // repeats, pixel),
            "n_m2": (repeats, 0),
        }
    if whole:
        parts = [(0, len(slab.chunks) - 1, slab.n_blocks)]
    else:
        parts = [
            (i, i + slab.images - 1, slab.chunks[i].n_blocks)
            for i in range(0, len(slab.chunks), slab.images)
        ]
    steps = []
    for first, last, count in parts:
        fields = {"base": slab.chunks[first].offset * config.rows + rows.skip * line + skip}
        for name, (n, stride) in (loops | {"n_k0": (count, block)}).items():
            fields |= {name: n, f"s{name[1:]}": stride if n > 1 else 0}
        fields["winograd"] = layer.winograd
        fields["k_tiles"] = fields["n_k0"] * fields["n_k1"] * fields["n_k2"]
        steps.append(Step(slab, first, last, fields))
    return steps
