"""Input transform: the six pixels of a tile into the activations of Winograd's positions."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import winograd
from ..spec.config import Config
from ..spec.numerics import ACTIVATION_BITS
from .array import numbers_of
from .common import chosen_sum, copies, delay

# A tile's pixels, its differences, what is added, the sum.
LATENCY = winograd.POSITIONS + 3


class InputTransform(wiring.Component):
    """`winograd.INPUT` for ``rows`` channels: the six pixels of a tile come one after the other,
    the activations of its six positions leave LATENCY cycles behind them. A vector that belongs to
    no tile passes as it is, in the same time; a tile is not interrupted.

    Members
    -------
    vector : In                 ``rows`` activations
    winograd, position : In     it is this pixel of a tile
    transformed : Out           ``rows`` numbers of `Operands.activation` bits
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "vector": In(8 * config.rows),
                "winograd": In(1),
                "position": In(range(winograd.POSITIONS)),
                "transformed": Out(config.operands.activation * config.rows),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = self._config.operands.activation
        last = winograd.POSITIONS - 1
        # Cycles 1 to 6: the pixels, the latest first. Each channel has its own copies of what says
        # what to do with them.
        channels = range(self._config.rows)
        pixels = []
        for i in range(winograd.POSITIONS):
            before = pixels[-1] if pixels else self.vector
            pixels.append(delay(m, before, 1, f"pixel{i}", reset_less=True))
        complete = self.winograd & (self.position == last)
        complete = copies(m, platform, complete, len(channels), "complete")

        # Cycle 7: differences and sums of pixels, which stay for six cycles. The position that
        # comes next is chosen from there on, one-hot; without a tile, the pixel itself.
        x = [numbers_of(pixel) for pixel in reversed(pixels)]
        pairs = {
            "x0_2": (0, 2, -1),
            "x4_2": (4, 2, -1),
            "x1_2": (1, 2, 1),
            "x3_4": (3, 4, 1),
            "x2_1": (2, 1, -1),
            "x3_4n": (3, 4, -1),
            "x3_1": (3, 1, -1),
            "x5_3": (5, 3, -1),
        }
        found = {
            name: [
                Signal(signed(ACTIVATION_BITS + 1), name=f"{name}_{i}", reset_less=True)
                for i in channels
            ]
            for name in pairs
        }
        for i in channels:
            with m.If(complete[i]):
                for name, (a, b, sign) in pairs.items():
                    value = x[a][i] + x[b][i] if sign > 0 else x[a][i] - x[b][i]
                    m.d.sync += found[name][i].eq(value)
        plain = numbers_of(delay(m, pixels[-1], 1, "plain", reset_less=True))
        asked = [self.winograd & (self.position == p) for p in range(winograd.POSITIONS)]
        asked = delay(m, Cat(*asked, ~self.winograd), winograd.POSITIONS, "asked", reset_less=True)
        asked = copies(m, platform, asked, len(channels), "asked")

        # Cycles 8 and 9: the sum.
        for i in channels:
            d = {name: registers[i] for name, registers in found.items()}
            choices = (
                (d["x0_2"] << 2, d["x4_2"], 0),
                (d["x1_2"] << 2, d["x3_4"], 1),
                (d["x2_1"] << 2, d["x3_4n"], 0),
                (d["x3_1"] << 1, d["x4_2"], 0),
                (d["x4_2"], d["x3_1"] << 1, 1),
                (d["x5_3"], d["x3_1"] << 2, 1),
                (plain[i], 0, 0),
            )
            total = chosen_sum(m, asked[i], choices, bits, bits, i)
            m.d.comb += self.transformed[bits * i : bits * (i + 1)].eq(total)
        return m
