"""The records that the compiler's passes hand on: layers, their operands, and what drains do.

A *layer* is one pass over the array: a convolution of its source, requantised, with a residual
added and a pool behind it where it has them. Everything that the accelerator runs is one.
"""

from dataclasses import dataclass

import numpy as np

from resarray.golden.ops.conv import reach
from resarray.spec import winograd
from resarray.spec.config import Config
from resarray.spec.layout import ceil_div
from resarray.spec.numerics import IDENTITY_MULT, INT8_MAX, INT8_MIN

Shape = tuple[int, int, int]  # [C, H, W] of one image
Range = tuple[int, int]  # [start, stop)
Part = tuple[int, int]  # (first, count); (rows, columns)


@dataclass(frozen=True)
class View:
    """The graph's tensor ``name`` as it is stored: the ``shape[0]`` channels of the stored tensor
    ``tensor`` from channel block ``first`` on, with all rows and columns. A layer's operands and
    result are views: what several layers write side by side is one stored tensor (a concatenation),
    what a layer reads may be a part of one (a slice)."""

    name: str
    shape: Shape
    tensor: str
    first: int = 0

    def blocks(self, blocks: Range) -> Range:
        """The tensor's channel blocks that are ``blocks`` of the view."""
        return self.first + blocks[0], self.first + blocks[1]


@dataclass(frozen=True)
class Requantise:
    """Accumulators to int8, as `numerics.requantise`: ``bias``, ``mult`` and ``shift`` are int64
    [Cout]; ``bias`` is still without the input's zero point. ``zero_point``: the result's."""

    bias: np.ndarray
    mult: np.ndarray
    shift: np.ndarray
    zero_point: int
    lo: int = -128
    hi: int = 127


@dataclass(frozen=True)
class Residual:
    """A drain's second operand, of the accumulators' shape or of one pixel: it adds
    `numerics.residual_term`, or with ``multiply`` the accumulators are multiplied by it."""

    view: View
    zero_point: int
    mult: int = 0
    shift: int = 0
    multiply: bool = False

    @property
    def vector(self) -> bool:
        """Whether its one pixel is for all of the map."""
        return self.view.shape[1:] == (1, 1)


@dataclass(frozen=True)
class MaxPool:
    """Max-pool stage of a drain: windows of ``kernel`` with ``stride``, up to `isa.MAX_POOL`, of a
    map with ``padding`` (rows above, columns to the left) that does not count; ``size`` is the
    pooled map's. All are (rows, columns)."""

    kernel: Part
    stride: Part
    padding: Part
    size: Part

    def done(self, axis: int, lines: int, size: int) -> int:
        """Windows along an axis that are finished once the first ``lines`` of ``size`` are in."""
        if lines >= size:
            return self.size[axis]
        windows = (lines + self.padding[axis] - self.kernel[axis]) // self.stride[axis] + 1
        return max(0, min(self.size[axis], windows))

    def lines_of(self, axis: int, part: Part, size: int) -> Part:
        """Lines of a map of ``size`` that the windows ``part`` read along an axis."""
        first, count = part
        start = first * self.stride[axis] - self.padding[axis]
        stop = start + (count - 1) * self.stride[axis] + self.kernel[axis]
        return max(0, start), min(size, stop) - max(0, start)

    def windows_of(self, axis: int, part: Part, size: int) -> Part:
        """The windows along an axis that lie in the lines ``part`` of a map of ``size``, its
        padding included; `lines_of` their lines."""
        first = part[0] + self.padding[axis] if part[0] else 0
        begin = ceil_div(first, self.stride[axis])
        return begin, self.done(axis, part[0] + part[1], size) - begin


@dataclass(frozen=True)
class AveragePool:
    """Average stage of a drain: of the whole map, one word for each channel block."""

    bias: int
    mult: int
    shift: int
    zero_point: int


@dataclass(frozen=True)
class Layer:
    """One pass over the array.

    ``weight``: int8 [Cout][Cin / groups][kh][kw]; output channel c sums over the inputs of its
    group, c // (Cout / groups). ``shape``: the accumulators' [C, H, W], before pooling.
    ``padding``: (top, bottom, left, right) pixels of ``pad_value``, the source's zero point.
    ``packed``: the source is the network's input in `layout.Packed`; ``reads_input``: it is the
    network's input. ``winograd``: it is computed by tiles of four pixels of a row. ``table``:
    int8 [256], through which the outputs go before the pool, entry q + 128 for q.
    ``upsample``: (rows, columns); each pixel of the source, which is copied, is ``upsample[1]``
    accumulators side by side, and each row of these is stored ``upsample[0]`` times. ``macs``:
    useful multiply-accumulates of one image.
    """

    name: str
    op: str
    source: View
    output: View
    shape: Shape
    weight: np.ndarray
    requantise: Requantise
    groups: int = 1
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    pad_value: int = 0
    residual: Residual | None = None
    table: np.ndarray | None = None
    pool: MaxPool | AveragePool | None = None
    upsample: Part = (1, 1)
    macs: int = 0
    packed: bool = False
    winograd: bool = False
    reads_input: bool = False

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns of the source that a dilated kernel spans."""
        return reach(self.kernel, self.dilation)

    @property
    def depthwise(self) -> bool:
        """Whether each output channel is made of the input channel of its number alone."""
        return self.groups == self.source.shape[0] == self.shape[0]

    @property
    def copies(self) -> bool:
        """Whether the drain gets the source as it is, before any pool."""
        step = self.requantise
        return (
            self.depthwise
            and self.kernel == self.stride == (1, 1)
            and not any(self.padding)
            and self.residual is None
            and self.table is None
            and self.upsample == (1, 1)
            and bool((self.weight == 1).all())
            and bool((step.mult == IDENTITY_MULT).all())
            and not (step.bias.any() or step.shift.any())
            and (step.zero_point, step.lo, step.hi) == (self.pad_value, INT8_MIN, INT8_MAX)
        )

    @property
    def reads(self) -> tuple[View, ...]:
        """Source, and residual where there is one."""
        return (self.source,) if self.residual is None else (self.source, self.residual.view)

    def k_tiles(self, blocks: int, config: Config) -> int:
        """k-tiles over ``blocks`` channel blocks of the source."""
        kh, kw = self.kernel
        if self.packed:
            return kh * ceil_div(kw * self.source.shape[0], config.rows)
        return blocks * kh * (1 if self.winograd else kw)

    def accumulators(self, width: int) -> int:
        """Accumulators of each column for ``width`` outputs side by side."""
        return winograd.POSITIONS * winograd.tiles(width) if self.winograd else width
