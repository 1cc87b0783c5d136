"""The raster goes through a map position by position, as straightforward counters do."""

from amaranth.hdl import Assert, Assume, Module, Mux, Signal

from resarray.hw.common import delay
from resarray.hw.raster import Raster
from resarray.spec import isa

from ..pipeline import Inside
from ..properties import Edit, Induction, Property


class Positions(Inside):
    """All flags of all positions, for maps of all sizes, all windows, strides and paddings.

    Specified by counters of block, row and column from 0 on, and by the next row and column that
    end a window. The invariants say that the unit's counters, which go down, complement them.
    Assumed: an instruction of at least one position that stays until its end, and ``taken`` only
    for positions of it.
    """

    def __init__(self):
        super().__init__(Raster())

    def specify(self, m: Module, platform) -> None:
        u, c, at, inner = self.unit, self.unit.c, self.unit.position, self.inner
        starting = delay(m, u.start, 1, "starting_spec")
        active = Signal()
        bits = len(c.width) + 2
        block, row, column = (Signal(bits, name=n) for n in ("block", "row", "column"))
        pooled = Signal.like(c.pool_width)
        next_row, next_column = (Signal(bits, name=n) for n in ("next_row", "next_column"))
        line = Signal(isa.LINE_BITS)  # of the block's first window
        width, height = c.width + c.pool_right, c.height + c.pool_bottom
        last_column, last_row = column == width - 1, row == height - 1
        last_block = block == c.n_blocks - 1
        window_x, window_y = column == next_column, row == next_row
        first_of_row = [column.eq(0), pooled.eq(0), next_column.eq(c.pool_x)]
        first_of_block = [*first_of_row, row.eq(0), next_row.eq(c.pool_y)]
        with m.If(u.taken):
            m.d.sync += [column.eq(column + 1), pooled.eq(pooled + window_x)]
            with m.If(window_x):
                m.d.sync += next_column.eq(next_column + c.pool_sx)
            with m.If(last_column):
                m.d.sync += [*first_of_row, row.eq(row + 1)]
                with m.If(window_y):
                    m.d.sync += next_row.eq(next_row + c.pool_sy)
                with m.If(last_row):
                    m.d.sync += [*first_of_block, block.eq(block + 1), line.eq(line + c.pool_width)]
                    with m.If(last_block):
                        m.d.sync += active.eq(0)
        with m.If(starting):
            m.d.sync += [*first_of_block, block.eq(0), line.eq(c.line), active.eq(1)]

        # What stays until the end has its past here, from the start on.
        before = Signal.like(c.as_value(), reset_less=True)
        m.d.sync += before.eq(c)
        m.d.comb += [
            Assume(~(starting | active) | (c.as_value() == before)),
            Assume(~(starting | active) | ~u.start),
            Assume(active | ~u.taken),
            *(Assume(x != 0) for x in (c.width, c.height, c.n_blocks)),
        ]
        x, y = c.pool_sx != 0, c.pool_sy != 0
        expected = [
            (at.start_of_row, column == 0),
            (at.end_of_row, last_column),
            (at.first_row, (row == 0) & c.pool_first),
            (at.last_row, last_row),
            (at.start_of_block, (row == 0) & (column == 0)),
            (at.end_of_block, last_row & last_column),
            (at.last_block, last_block),
            (at.padding, (column >= c.width) | (row >= c.height)),
            (at.inside, (column < c.width) & (row < c.height)),
            (u.end, last_row & last_column & last_block),
            # Where a stride is 0, as it is without a max pool, nothing looks at these.
            (u.window_x & x, window_x & x),
            (u.window_y & y, window_y & y),
            (Mux(x, u.line, 0), Mux(x, (line + pooled)[: isa.LINE_BITS], 0)),
            # Inside.
            (inner["left"], width - column),
            (inner["rows"], height - row),
            (inner["next_below"], height - row <= c.pool_bottom + 1),
            (inner["next_last"], height - row == 2),
            (inner["blocks"], c.n_blocks - block),
            (Mux(x, inner["column"], 0), Mux(x, pooled, 0)),
            (inner["block_line"], line),
            (Mux(x, self.register(m, "x_left"), 0), Mux(x, next_column - column, 0)),
            (Mux(y, self.register(m, "y_left"), 0), Mux(y, next_row - row, 0)),
        ]
        m.d.comb += [Assert(~active | (one == other)) for one, other in expected]
        inside = (column < width) & (row < height) & (block < c.n_blocks)
        flags = {
            "columns": width,
            "lines": height,
            "one_column": width == 1,
            "one_row": height == 1,
            "right": c.pool_right + 1,
            "map_row": c.height == 1,
            "before_below": c.pool_bottom + 2,
        }
        m.d.comb += [
            Assert(~active | inside),
            Assert(inner["starting"] == starting),
            Assert(~(starting & active)),
            *(Assert(~(starting | active) | (inner[n] == value)) for n, value in flags.items()),
        ]


PROPERTIES = [
    Property(
        name="raster-positions",
        unit="raster.Raster",
        says="Flags, windows and line-buffer words of all positions of a map, padding included.",
        build=Positions,
        method=Induction(2),
        twins=(
            Edit(
                "a stride is a pixel too long",
                "hw.raster",
                "self._left.eq(self._stride - 1)",
                "self._left.eq(self._stride)",
            ),
            Edit(
                "padding begins a pixel late",
                "hw.raster",
                "at.padding | (left == right)",
                "at.padding | (left + 1 == right)",
            ),
            Edit(
                "the first row below the map is none",
                "hw.raster",
                "next_below.eq(rows <= before_below)",
                "next_below.eq(rows < before_below)",
            ),
            Edit(
                "the next block's line is the same",
                "hw.raster",
                "block_line.eq(block_line + c.pool_width)",
                "block_line.eq(block_line)",
            ),
        ),
    ),
]
