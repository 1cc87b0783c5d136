"""Address generator of COMPUTE: where in the input buffer a pixel's vector lies."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import winograd
from ..spec.config import Config
from .checks import check
from .common import delay
from .loops import LAYOUT, LOOPS, STEP

# From a pixel's step to its address.
LATENCY = 2


class AddressGenerator(wiring.Component):
    """Adds up the strides of a COMPUTE, an address a cycle, LATENCY cycles after its ``step``.

    The origin of a k-tile is there LATENCY + 1 cycles after the first pixel of the k-tile before:
    k-tiles must be as far apart. Sums wrap at the end of the input buffer; the compiler's do not
    reach it.

    Members
    -------
    start, instruction : In   the steps from this cycle on are this instruction's
    step : In(STEP)           a pixel, or 0
    last_k2, last_k1 : In     the k-tile is the last step of its inner (middle) k loop, looked at in
                              the second cycle after its first pixel's ``step``
    addr : Out                first byte
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "instruction": In(LAYOUT),
                "step": In(STEP),
                "last_k2": In(1),
                "last_k1": In(1),
                "addr": Out(range(config.input_words * config.rows)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        stride = {
            n: Signal.like(self.instruction[f"s_{n}"], name=f"stride_{n}", reset_less=True)
            for n in LOOPS
        }
        with m.If(self.start):
            m.d.sync += [stride[n].eq(self.instruction[f"s_{n}"]) for n in LOOPS]
        word = self._config.rows
        inner, tiled = stride["m2"], Signal(reset_less=True)
        if self._config.winograd:
            # From a tile's last word to the next one's first.
            with m.If(self.start):
                m.d.sync += tiled.eq(self.instruction.winograd)
            back = (winograd.POSITIONS - 1 - winograd.TILE) * word
            inner = Mux(tiled, -back, stride["m2"])

        # Cycle 1: the step. Cycle 2: `at` is the pixel's address, `next_m1` and `next_m0` are where
        # the next step of these loops begins, `next_k` where the next k-tile does.
        at, next_m1, next_m0, next_k = (
            Signal.like(self.addr, name=n, reset_less=True)
            for n in ("at", "next_m1", "next_m0", "next_k")
        )
        step = delay(m, self.step, 1, "step")
        origin = Mux(step.k_tile, next_k, Mux(step.m0, next_m0, next_m1))
        moves, again, anew = (
            delay(m, flag, 1, name)
            for flag, name in (
                (self.step.as_value().any(), "moves"),
                (self.step.m1 | self.step.m0 | self.step.k_tile, "again"),
                (self.step.m0 | self.step.k_tile, "anew"),
            )
        )
        further = at + (Mux(step.tile, word, inner) if self._config.winograd else inner)
        with m.If(moves):
            m.d.sync += at.eq(Mux(again, origin, further))
        with m.If(again):
            m.d.sync += next_m1.eq(origin + stride["m1"])
        with m.If(anew):
            m.d.sync += next_m0.eq(origin + stride["m0"])
        m.d.comb += self.addr.eq(at)

        # The origin of the k-tile after the one that has just begun: from this one's, or from where
        # the present step of k1 or k0 began. Cycle 2 chooses, cycle 3 adds.
        origin_k1, origin_k0, augend, addend = (
            Signal.like(self.addr, name=n, reset_less=True)
            for n in ("origin_k1", "origin_k0", "augend", "addend")
        )
        step_k1, step_k0 = Signal(), Signal()
        begun, chosen = Signal(), Signal()
        m.d.sync += [begun.eq(step.k_tile), chosen.eq(begun)]
        with m.If(begun):
            m.d.sync += [step_k1.eq(self.last_k2), step_k0.eq(self.last_k2 & self.last_k1)]
            with m.If(~self.last_k2):
                m.d.sync += [augend.eq(next_k), addend.eq(stride["k2"])]
            with m.Elif(~self.last_k1):
                m.d.sync += [augend.eq(origin_k1), addend.eq(stride["k1"])]
            with m.Else():
                m.d.sync += [augend.eq(origin_k0), addend.eq(stride["k0"])]
        with m.If(chosen):
            target = augend + addend
            m.d.sync += next_k.eq(target)
            with m.If(step_k1):
                m.d.sync += origin_k1.eq(target)
            with m.If(step_k0):
                m.d.sync += origin_k0.eq(target)
        check(
            m,
            platform,
            ~(step.k_tile & (begun | chosen)),
            "a k-tile begins before its origin is there",
        )
        with m.If(self.start):
            m.d.sync += [x.eq(self.instruction.base) for x in (next_k, origin_k1, origin_k0)]
            m.d.sync += [begun.eq(0), chosen.eq(0)]
        return m
