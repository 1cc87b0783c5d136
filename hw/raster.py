"""Raster: where in its map the next word of a DRAIN lies, and which pooling windows end there."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..spec import isa
from .checks import check
from .common import delay
from .layouts import INSTRUCTIONS

# Flags of a position. ``padding``: it is outside the map and has no word; ``inside``: not so.
POSITION = data.StructLayout(
    {
        "start_of_block": 1,
        "end_of_block": 1,
        "last_block": 1,
        "start_of_row": 1,
        "end_of_row": 1,
        "first_row": 1,
        "last_row": 1,
        "padding": 1,
        "inside": 1,
    }
)


class _Windows:
    """Which positions along one axis end a window: those from ``first`` on in steps of
    ``stride``."""

    def __init__(self, m: Module, first, stride, name: str):
        self._m, self._first, self._stride = m, first, stride
        self._left = Signal.like(first, name=f"{name}_left")
        self.ends = Signal(name=f"{name}_ends")

    def start(self) -> list:
        return [self._left.eq(self._first), self.ends.eq(self._first == 0)]

    def next(self) -> None:
        with self._m.If(self.ends):
            self._m.d.sync += [self._left.eq(self._stride - 1), self.ends.eq(self._stride == 1)]
        with self._m.Else():
            self._m.d.sync += [self._left.eq(self._left - 1), self.ends.eq(self._left == 1)]


class Raster(wiring.Component):
    """Counts the positions of one DRAIN instruction, block by block, row by row, pixel by pixel,
    padding after the rows and below them included; moves on at once, a position a cycle.

    Members
    -------
    c : In(DRAIN instruction)   constant while its words come
    start : In                  a new instruction; its first word comes 2 cycles later or more
    taken : In                  the position's word is taken, or it is padding and passes
    position : Out(POSITION)    the one that comes next; as are
    end : Out                   it is the instruction's last
    window_x, window_y : Out    the horizontal, the vertical window of a max pool ends there
    line : Out                  line-buffer word of its pooled column
    """

    c: In(INSTRUCTIONS[isa.Engine.DRAIN])
    start: In(1)
    taken: In(1)
    position: Out(POSITION)
    end: Out(1)
    window_x: Out(1)
    window_y: Out(1)
    line: Out(isa.LINE_BITS)

    def elaborate(self, platform):
        m = Module()
        c, at = self.c, self.position
        # Counters of what is left; the flags say what they are.
        blocks, left, rows = (
            Signal(len(like) + 1, name=name)
            for name, like in (("blocks", c.n_blocks), ("left", c.width), ("rows", c.height))
        )
        column = Signal.like(c.pool_width)  # pooled column of the current horizontal window
        block_line = Signal.like(c.line)  # line-buffer word of the block's column 0
        columns = Signal(len(c.width) + 1)  # with padding; as
        lines = Signal(len(c.height) + 1)
        one_column, one_row = Signal(), Signal()
        map_row = Signal()  # the map is one row; below it is padding, if anything
        right = Signal(len(c.pool_right) + 1)  # positions left where the padding is next
        # Rows left where the row after the next is padding.
        before_below = Signal(len(c.pool_bottom) + 2)
        # Of the row that comes next: it is padding, it is the block's last.
        next_below, next_last = Signal(), Signal()
        m.d.sync += [
            right.eq(c.pool_right + 1),
            before_below.eq(c.pool_bottom + 2),
            columns.eq(c.width + c.pool_right),
            lines.eq(c.height + c.pool_bottom),
            one_column.eq((c.width == 1) & (c.pool_right == 0)),
            map_row.eq(c.height == 1),
            one_row.eq((c.height == 1) & (c.pool_bottom == 0)),
        ]
        across = _Windows(m, c.pool_x, c.pool_sx, "x")
        down = _Windows(m, c.pool_y, c.pool_sy, "y")
        m.d.comb += [
            self.end.eq(at.end_of_block & at.last_block),
            self.line.eq(block_line + column),
            self.window_x.eq(across.ends),
            self.window_y.eq(down.ends),
        ]

        def start_row(below, last):
            """``below``: the row is padding; ``last``: of the block."""
            return [
                at.start_of_row.eq(1),
                left.eq(columns),
                at.end_of_row.eq(one_column),
                at.end_of_block.eq(one_column & last),
                at.last_row.eq(last),
                at.padding.eq(below),
                at.inside.eq(~below),
                column.eq(0),
                *across.start(),
            ]

        def start_block():
            return [
                *start_row(0, one_row),
                at.start_of_block.eq(1),
                at.first_row.eq(c.pool_first),
                rows.eq(lines),
                next_below.eq(map_row),
                next_last.eq(lines == 2),
                *down.start(),
            ]

        with m.If(self.taken):
            across.next()
            m.d.sync += [
                left.eq(left - 1),
                at.end_of_row.eq(left == 2),
                at.end_of_block.eq((left == 2) & at.last_row),
                at.start_of_block.eq(0),
                at.start_of_row.eq(0),
                # The positions left after this one are those of the padding.
                at.padding.eq(at.padding | (left == right)),
                at.inside.eq(at.inside & (left != right)),
                column.eq(column + self.window_x),
            ]
            with m.If(at.end_of_row):
                down.next()
                m.d.sync += [
                    *start_row(next_below, next_last),
                    rows.eq(rows - 1),
                    next_below.eq(rows <= before_below),
                    next_last.eq(rows == 3),
                    at.first_row.eq(0),
                ]
            with m.If(at.end_of_block):
                m.d.sync += [
                    *start_block(),
                    blocks.eq(blocks - 1),
                    at.last_block.eq(blocks == 2),
                    block_line.eq(block_line + c.pool_width),
                ]
        # The flags of the instruction need a cycle.
        starting = delay(m, self.start, 1, "start")
        check(m, platform, ~(self.taken & (self.start | starting)), "a word comes with its start")
        with m.If(starting):
            m.d.sync += [
                *start_block(),
                blocks.eq(c.n_blocks),
                at.last_block.eq(c.n_blocks == 1),
                block_line.eq(c.line),
            ]
        return m
