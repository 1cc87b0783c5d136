"""Geometry: which lines of its input a range of a layer's output reads, along rows and columns."""

import itertools
from dataclasses import dataclass

from resarray.spec import winograd
from resarray.spec.config import Config
from resarray.spec.layout import ceil_div

from .ir import Layer, MaxPool, Part


@dataclass(frozen=True)
class Window:
    """Input lines that a range of outputs reads along one axis.

    ``start`` and ``count``: data in the map; ``before`` and ``after``: padding lines; ``step``: map
    lines from one loaded line to the next; ``stride``: loaded lines from output to output;
    ``skip``: loaded lines before the first output's.
    """

    start: int
    count: int
    before: int
    after: int
    step: int
    stride: int
    skip: int = 0

    @property
    def lines(self) -> int:
        return self.before + self.count + self.after


def window(
    first: int, count: int, reach: int, stride: int, before: int, size: int, sparse: bool = False
) -> Window:
    """What outputs [first, first + count) read, each ``reach`` lines; ``sparse`` loads only every
    ``stride``-th line (for a reach of 1). At least one line of data is loaded, also where all is
    padding."""
    top = first * stride - before
    bottom = top + (count - 1) * stride + reach - 1
    if sparse and reach == 1 and stride > 1 and top >= 0 and bottom < size:
        return Window(top, count, 0, 0, stride, 1)
    skip = 0
    if top > size - 1:
        skip, top = top - (size - 1), size - 1
    bottom = max(bottom, 0)
    start, stop = max(top, 0), min(bottom, size - 1)
    return Window(start, stop - start + 1, start - top, bottom - stop, 1, stride, skip)


def row_window(layer: Layer, first: int, count: int) -> Window:
    """Input lines of output rows [first, first + count)."""
    stride, reach = layer.stride[0], layer.reach[0]
    if layer.packed:
        return Window(first * stride, (count - 1) * stride + reach, 0, 0, 1, stride)
    return window(first, count, reach, stride, layer.padding[0], layer.source.shape[1], True)


def column_window(layer: Layer, first: int, count: int, config: Config) -> Window:
    """Input words per line of output columns [first, first + count). ``skip`` is in bytes for a
    packed source."""
    channels, _, width = layer.source.shape
    stride = layer.stride[1]
    if layer.packed:
        vectors = ceil_div(layer.kernel[1] * channels, config.rows)
        begin = first * stride * channels
        end = begin + (count - 1) * stride * channels + vectors * config.rows
        start = begin // config.rows
        return Window(start, ceil_div(end, config.rows) - start, 0, 0, 1, 0, begin % config.rows)
    repeats = layer.upsample[1]
    return window(
        first // repeats, count // repeats, layer.reach[1], stride, layer.padding[2], width
    )


def balanced(size: int, parts: int) -> list[Part]:
    """(first, count) of ``parts`` ranges of [0, size) that differ by at most one."""
    edges = [size * i // parts for i in range(parts + 1)]
    return [(a, b - a) for a, b in itertools.pairwise(edges)]


def column_parts(layer: Layer, n_cols: int) -> list[Part]:
    """(first, count) of the accumulator tiles along the columns; those of a max pool overlap, so
    that each holds whole windows, and those of an upsampling hold whole pixels of the source."""
    pool, width, repeats = layer.pool, layer.shape[2], layer.upsample[1]
    if repeats > 1:
        parts = balanced(width // repeats, n_cols)
        return [(first * repeats, count * repeats) for first, count in parts]
    if layer.winograd:
        step = winograd.TILE
        parts = [(a * step, n * step) for a, n in balanced(winograd.tiles(width), n_cols)]
        return [(first, min(count, width - first)) for first, count in parts]
    if not isinstance(pool, MaxPool) or n_cols == 1:
        return balanced(width, n_cols)
    return [pool.lines_of(1, part, width) for part in balanced(pool.size[1], n_cols)]
