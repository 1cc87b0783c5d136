"""Output transform: the six accumulators of a Winograd tile into its four outputs."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..spec import winograd
from ..spec.config import Config
from ..spec.numerics import ACC_BITS
from .common import add_where, copies, delay

# Of what belongs to no tile.
LATENCY = 1
# Positions with which outputs take a sum: of theirs and the one before, or of theirs alone.
STEPS = (0, 2, 4, 5)


def tile_latency(config: Config) -> int:
    """Cycles from a tile's last accumulators to its last outputs, whose parameters are read a cycle
    before: sums, what is added, outputs, and one after the other."""
    return 4 + (winograd.TILE - 1) * config.block_groups + LATENCY


def accumulated(config: Config) -> data.StructLayout:
    """``lanes`` accumulators of a pixel, columns group * lanes..., and the residual's bytes."""
    return data.StructLayout(
        {
            "group": range(config.column_groups),
            "residual": 8 * config.lanes,
            "acc": data.ArrayLayout(signed(ACC_BITS), config.lanes),
        }
    )


class OutputTransform(wiring.Component):
    """`winograd.OUTPUT`, 24 times the outputs, modulo 2**ACC_BITS.

    Accumulators come in words of ``block_groups`` parts, a part a cycle, position by position and
    with pauses between words; a tile's outputs leave as words too, without a pause. With
    ``winograd`` unset everything passes, LATENCY cycles later.

    Members
    -------
    winograd : In                constant while an instruction is under way
    i : In(accumulated), valid, position : In    the residual belongs to output ``position``
    kept : In                    with the last position: which of the outputs are wanted
    o : Out(accumulated), o_valid : Out
    group, phase : Out           of what comes next cycle, to look up its parameters
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "winograd": In(1),
                "i": In(accumulated(config)),
                "valid": In(1),
                "position": In(range(winograd.POSITIONS)),
                "kept": In(winograd.TILE),
                "o": Out(accumulated(config)),
                "o_valid": Out(1),
                "group": Out(range(config.column_groups)),
                "phase": Out(range(winograd.TILE)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        parts = config.block_groups
        last = winograd.POSITIONS - 1

        def ring(value, enable, name: str, length: int = parts) -> list:
            """``value`` in a row of registers that move on with ``enable``, the newest first."""
            found = []
            for i in range(length):
                register = Signal.like(value, name=f"{name}{i}", reset_less=True)
                with m.If(enable):
                    m.d.sync += register.eq(value)
                found.append(register)
                value = register
            return found

        # Cycle 1: with the same columns' accumulators of the position before, and three times.
        # Beside it, which position it is, for each lane its own.
        lanes = range(config.lanes)
        chosen = Cat(self.position == p for p in STEPS)
        chosen = copies(m, platform, chosen, config.lanes, "chosen")
        sums, differences, triples = [], [], []
        for lane in lanes:
            acc = self.i.acc[lane]
            before = ring(acc, self.valid, f"before{lane}_")[-1]
            for found, value, name in (
                (sums, before + acc, "sum"),
                (differences, before - acc, "difference"),
                (triples, acc + (acc << 1), "triple"),
            ):
                register = Signal(signed(ACC_BITS), name=f"{name}{lane}", reset_less=True)
                m.d.sync += register.eq(value)
                found.append(register)

        # Cycle 2: what is added to each output, and whether that is its first sum. Cycle 3: the
        # outputs, part by part.
        flags = Cat(self.valid, self.position == last)
        valid2 = copies(m, platform, delay(m, self.valid, 1, "valid"), config.lanes, "valid2")
        outputs = []
        for lane in lanes:
            s, d, t = sums[lane], differences[lane], triples[lane]
            values = {0: (t << 1, 0, 0, 0), 2: (s << 2, d << 2, s << 2, d << 2)}
            values |= {4: (s, d << 1, s << 2, d << 3), 5: (0, 0, 0, t << 3)}
            found = []
            for j in range(winograd.TILE):
                addend = Signal(signed(ACC_BITS), name=f"addend{lane}_{j}", reset_less=True)
                goes_on = Signal(name=f"goes_on{lane}_{j}", reset_less=True)
                m.d.sync += [addend.eq(0), goes_on.eq(~chosen[lane][0 if j == 0 else 1])]
                for at, position in enumerate(STEPS):
                    with m.If(chosen[lane][at]):
                        m.d.sync += addend.eq(values[position][j])
                total = Signal(signed(ACC_BITS), name=f"output{lane}_{j}")
                row = ring(total, valid2[lane], f"output{lane}_{j}_")
                more = add_where(m, platform, goes_on, row[-1], addend, f"sum{lane}_{j}")
                m.d.comb += total.eq(more)
                found.append(row[0])
            outputs.append(found)

        # Residuals wait for the tile's end: of part after part, output after output.
        rest = delay(m, Cat(self.i.group, self.i.residual, self.kept), 3, "rest", reset_less=True)
        group, residual = rest[: len(self.i.group)], rest[len(self.i.group) :][: 8 * config.lanes]
        kept = rest[-winograd.TILE :]
        waits = delay(m, self.valid & (self.position != winograd.TILE), 2, "waits")
        waits = copies(m, platform, waits, config.lanes, "lane_waits")
        rings = [
            ring(residual.word_select(i, 8), waits[i], f"residual{i}_", winograd.TILE * parts)
            for i in lanes
        ]
        residuals = [Cat(bytes_) for bytes_ in zip(*rings, strict=True)]

        # Cycle 4: what leaves, one after the other; a tile's parts come in between each other.
        tile_end = delay(m, flags.all(), 2, "tile_end")
        load = copies(m, platform, tile_end, config.lanes, "load")
        # Unlike copies this has a reset: what leaves is of this program.
        load.append(delay(m, tile_end, 1, "load_rest"))
        length = (winograd.TILE - 1) * parts + 1

        def leave(shape, values: list, enable, name: str, reset_less: bool = True):
            """A row of registers that moves on each cycle; ``values``, one for each output, enter
            with ``enable``, the last one always. The first register."""
            row = [Signal(shape, name=f"{name}{i}", reset_less=reset_less) for i in range(length)]
            m.d.sync += row[-1].eq(values[-1])
            for i, register in enumerate(row[:-1]):
                m.d.sync += register.eq(row[i + 1])
                if i % parts == 0:
                    with m.If(enable):
                        m.d.sync += register.eq(values[i // parts])
            return row[0]

        acc = [leave(signed(ACC_BITS), outputs[i], load[i], f"leaving{i}_") for i in lanes]
        beside = [
            Cat(Const(j, 2), group, residuals[(winograd.TILE - j) * parts - 1])
            for j in range(winograd.TILE)
        ]
        rest = leave(len(beside[0]), beside, load[-1], "leaving_rest")
        # Of the rows, what enters when nothing does is not looked at.
        kept = [*kept[:-1], kept[-1] & load[-1]]
        leaves = leave(1, kept, load[-1], "leaves", reset_less=False)

        # Cycle 5, or 1 of what belongs to no tile.
        tiled = copies(m, platform, self.winograd, config.lanes + 1, "tiled")
        m.d.comb += [
            self.group.eq(Mux(tiled[-1], rest[2 : 2 + len(self.group)], self.i.group)),
            self.phase.eq(Mux(tiled[-1], rest[:2], 0)),
        ]
        o = Signal.like(self.o, name="o_q", reset_less=True)
        m.d.sync += [
            self.o_valid.eq(Mux(tiled[-1], leaves, self.valid)),
            o.group.eq(self.group),
            o.residual.eq(Mux(tiled[-1], rest[2 + len(self.group) :], self.i.residual)),
            *(o.acc[i].eq(Mux(tiled[i], acc[i], self.i.acc[i])) for i in lanes),
        ]
        m.d.comb += self.o.eq(o)
        return m
