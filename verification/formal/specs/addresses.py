"""The address generator of COMPUTE adds up the strides of the loops."""

from functools import partial

from amaranth.hdl import Assert, Assume, Const, Module, Mux, Signal

from resarray.hw.addresses import AddressGenerator
from resarray.hw.common import delay
from resarray.hw.loops import LOOPS
from resarray.spec import winograd
from resarray.spec.config import Config

from ..pipeline import Inside
from ..properties import Edit, Induction, Property

CONFIGS = {
    name: Config(name="formal", rows=4, columns=4, lanes=2, input_words=256, winograd=tiled)
    for name, tiled in (("", False), ("-winograd", True))
}


class Addresses(Inside):
    """Instructions of all bases and strides, with steps in any order that loops can give.

    Specified by the address at which the present step of each loop began: a step adds its loop's
    stride there, and the loops inside of it begin where it is. Addresses are modulo the size of the
    buffer, here the smallest that there is. A tile's pixels are words one behind the other, and the
    innermost loop's stride is that of tiles then. Assumed: an instruction begins with a k-tile,
    k-tiles are as far apart as the contract says, and a tile is left behind its last pixel.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(AddressGenerator(config))

    def specify(self, m: Module, platform) -> None:
        u, inner, word = self.unit, self.inner, self._config.rows
        step = delay(m, u.step, 1, "step_spec")
        current = Signal.like(u.instruction, reset_less=True)
        alive, fresh = Signal(), Signal()
        with m.If(u.start):
            m.d.sync += [current.eq(u.instruction), alive.eq(1), fresh.eq(1)]
        with m.Elif(step.k_tile):
            m.d.sync += fresh.eq(0)

        at = {n: Signal.like(u.addr, name=f"at_{n}", reset_less=True) for n in LOOPS}
        stride = {n: current[f"s_{n}"] for n in LOOPS}
        tiled = current.winograd if self._config.winograd else Const(0)
        position = Signal(range(winograd.POSITIONS))
        with m.If(u.start):
            m.d.sync += position.eq(0)
        with m.Elif(step.as_value().any()):
            m.d.sync += position.eq(Mux(step.tile, position + 1, 0))
        last_position = ~tiled | (position == winograd.POSITIONS - 1)
        pixel = at["m2"] + position * word
        # The k loop that the next k-tile steps, by the flags of this one, and where that leads.
        begun, chosen = Signal(), Signal()
        step_k1, step_k0 = Signal(), Signal()
        m.d.sync += [begun.eq(step.k_tile & ~u.start), chosen.eq(begun & ~u.start)]
        with m.If(begun):
            m.d.sync += [step_k1.eq(u.last_k2), step_k0.eq(u.last_k2 & u.last_k1)]
        tile = Signal.like(u.addr)
        origin = Mux(step_k0, at["k0"], Mux(step_k1, at["k1"], at["k2"]))
        way = Mux(step_k0, stride["k0"], Mux(step_k1, stride["k1"], stride["k2"]))
        m.d.comb += tile.eq(Mux(fresh, current.base, origin + way))
        to_k1, to_k0 = fresh | step_k1, fresh | step_k0
        with m.If(step.k_tile):
            m.d.sync += at["k2"].eq(tile)
            m.d.sync += [at[n].eq(tile) for n in ("m0", "m1", "m2")]
            with m.If(to_k1):
                m.d.sync += at["k1"].eq(tile)
            with m.If(to_k0):
                m.d.sync += at["k0"].eq(tile)
        for inside, n in ((("m1", "m2"), "m0"), (("m2",), "m1"), ((), "m2")):
            with m.If(step[n]):
                by = Mux(tiled, winograd.TILE * word, stride[n]) if n == "m2" else stride[n]
                m.d.sync += [at[x].eq(at[n] + by) for x in (n, *inside)]

        bits = step.as_value()
        free = u.step.as_value()
        m.d.comb += [
            Assume((free & (free - 1)) == 0),
            Assume((free == 0) | alive | u.start),
            # An instruction has one pixel at least before the next one begins.
            Assume(~u.start | ~fresh | step.k_tile),
            Assume((bits == 0) | ~fresh | step.k_tile),
            Assume(~step.k_tile | ~(begun | chosen)),
            Assume(~step.tile | (tiled & ~last_position)),
            Assume(~step.m2 | last_position),
        ]
        known = alive & ~fresh
        ready = known & ~begun & ~chosen
        size = len(u.addr)
        m.d.comb += [
            Assert(~known | (u.addr == pixel[:size])),
            # Inside.
            Assert((bits == 0) | alive),
            Assert((bits & (bits - 1)) == 0),
            Assert(inner["step"].as_value() == bits),
            *(Assert(~alive | (inner[f"stride{n}"] == stride[n])) for n in LOOPS),
            Assert(~alive | (inner["tiled"] == tiled)),
            Assert(position < Mux(tiled, winograd.POSITIONS, 1)),
            Assert(~known | (inner["next_m1"] == (at["m1"] + stride["m1"])[:size])),
            Assert(~known | (inner["next_m0"] == (at["m0"] + stride["m0"])[:size])),
            Assert(~(alive & fresh) | (inner["next_k"] == current.base[:size])),
            Assert(~ready | (inner["next_k"] == tile)),
            Assert(inner["begun"] == begun),
            Assert(inner["chosen"] == chosen),
            Assert(~(begun & chosen)),
            Assert(~(fresh & (begun | chosen))),
            Assert(~(begun | chosen) | alive),
            Assert(~(known & begun) | (inner["next_k"] == at["k2"])),
            Assert(~(known & chosen) | ((inner["augend"] + inner["addend"])[:size] == tile)),
        ]
        for n, steps in (("k1", step_k1), ("k0", step_k0)):
            origin = inner[f"origin_{n}"]
            m.d.comb += [
                Assert(~(alive & fresh) | (origin == current.base[:size])),
                Assert(~(known & (begun | chosen)) | (origin == at[n])),
                Assert(~ready | (origin == Mux(steps, tile, at[n]))),
                Assert(~(known & chosen) | (inner[f"step_{n}"] == steps)),
            ]


_BACK = Edit(
    "tiles are five pixels apart",
    "hw.addresses",
    "(winograd.POSITIONS - 1 - winograd.TILE)",
    "(winograd.POSITIONS - 2 - winograd.TILE)",
)
PROPERTIES = [
    Property(
        name=f"addresses-strides{name}",
        unit="addresses.AddressGenerator",
        says="Each pixel's address is the base and the strides of all steps, 2 cycles later"
        + ("; a tile's words follow each other." if name else "."),
        build=partial(Addresses, config),
        method=Induction(2),
        twins=(
            Edit(
                "rows go on from the image before",
                "hw.addresses",
                "Mux(step.m0, next_m0, next_m1)",
                "Mux(step.m0, next_m1, next_m1)",
            ),
            Edit(
                "an outer k step does not move the middle one's origin",
                "hw.addresses",
                "with m.If(step_k1):",
                "with m.If(step_k1 & ~step_k0):",
            ),
            Edit(
                "the address of the pixel before",
                "hw.addresses",
                "at.eq(Mux(again, origin, further))",
                "at.eq(Mux(again, origin, at))",
            ),
            *((_BACK,) if name else ()),
        ),
    )
    for name, config in CONFIGS.items()
]
