"""Raster: where in its map the next word of a DRAIN lies, and which pooling windows end there."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..spec import isa
from .checks import check
from .common import delay
from .layouts import INSTRUCTIONS

# Flags of a word. ``odd_x``, ``odd_y``: of its place in the padded map.
POSITION = data.StructLayout(
    {
        "start_of_block": 1,
        "end_of_block": 1,
        "last_block": 1,
        "start_of_row": 1,
        "end_of_row": 1,
        "first_row": 1,
        "last_row": 1,
        "odd_x": 1,
        "odd_y": 1,
    }
)


class Raster(wiring.Component):
    """Counts the words of one DRAIN instruction, block by block, row by row, pixel by pixel; moves
    on at once, a word a cycle.

    Members
    -------
    c : In(DRAIN instruction)   constant while its words come
    start : In                  a new instruction; its first word comes 2 cycles later or more
    taken : In                  the word is taken
    position : Out(POSITION)    of the word that comes next; as are
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
        pixels, blocks, left = (
            Signal.like(like, name=name)
            for name, like in (("pixels", c.px_count), ("blocks", c.n_blocks), ("left", c.width))
        )
        column = Signal.like(c.pool_width)  # pooled column of the current horizontal window
        block_line = Signal.like(c.line)  # line-buffer word of the block's column 0
        one_pixel, one_column, one_row = Signal(), Signal(), Signal()
        width1 = Signal(len(c.width) + 1)
        m.d.sync += [
            width1.eq(c.width + 1),
            one_pixel.eq(c.px_count == 1),
            one_column.eq(c.width == 1),
            one_row.eq(c.px_count <= c.width),
        ]

        three = c.pool_k == 3
        m.d.comb += [
            self.end.eq(at.end_of_block & at.last_block),
            self.line.eq(block_line + column),
            self.window_x.eq(
                Mux(
                    three,
                    (~at.odd_x & ~at.start_of_row) | (at.odd_x & at.end_of_row & c.pool_flush_x),
                    at.odd_x | (at.end_of_row & c.pool_flush_x),
                )
            ),
            self.window_y.eq(
                Mux(
                    three,
                    (~at.odd_y & ~at.first_row) | (at.odd_y & at.last_row & c.pool_flush_y),
                    at.odd_y | (at.last_row & c.pool_flush_y),
                )
            ),
        ]

        def start_row():
            return [
                at.start_of_row.eq(1),
                left.eq(c.width),
                at.end_of_row.eq(one_column),
                at.odd_x.eq(c.pool_pad),
                column.eq(0),
            ]

        def start_block():
            return [
                *start_row(),
                at.start_of_block.eq(1),
                pixels.eq(c.px_count),
                at.end_of_block.eq(one_pixel),
                at.last_row.eq(one_row),
                at.odd_y.eq(c.pool_odd),
                at.first_row.eq(c.pool_first),
            ]

        with m.If(self.taken):
            m.d.sync += [
                pixels.eq(pixels - 1),
                at.end_of_block.eq(pixels == 2),
                at.start_of_block.eq(0),
                left.eq(left - 1),
                at.end_of_row.eq(left == 2),
                at.start_of_row.eq(0),
                at.odd_x.eq(~at.odd_x),
                column.eq(column + self.window_x),
            ]
            with m.If(at.end_of_row):
                m.d.sync += [
                    *start_row(),
                    at.odd_y.eq(~at.odd_y),
                    at.first_row.eq(0),
                    at.last_row.eq(pixels <= width1),
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
