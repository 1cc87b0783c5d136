"""The loop counters of COMPUTE go through its loop nest, pixel by pixel."""

from functools import partial

from amaranth.hdl import Assert, Assume, Const, Module, Mux, Signal

from resarray.hw.common import delay
from resarray.hw.loops import (
    K_LOOPS,
    LAST_K_CYCLES,
    LAYOUT,
    LOOPS,
    M_LOOPS,
    PIXEL_LATENCY,
    LoopCounters,
)
from resarray.spec import winograd
from resarray.spec.config import Config

from ..pipeline import Inside
from ..properties import Edit, Induction, Property

CONFIGS = {
    name: Config(name="formal", rows=4, columns=4, lanes=2, acc_depth=16, winograd=tiled)
    for name, tiled in (("", False), ("-winograd", True))
}


def step_nest(m: Module, counts: dict, last: dict, loops: tuple[str, ...]) -> None:
    """Counts one step through nested loops, named from the inside out."""
    if loops:
        inner, *outer = loops
        with m.If(last[inner]):
            m.d.sync += counts[inner].eq(0)
            step_nest(m, counts, last, tuple(outer))
        with m.Else():
            m.d.sync += counts[inner].eq(counts[inner] + 1)


class Nest(Inside):
    """Instructions of all sizes, one after the other at any distance; with ``config.winograd`` of
    pixels and of tiles in any order.

    Specified by a counter for each loop, from 0 on, and one for the position in a tile. When an
    instruction begins is the unit's own affair, but it is the one accepted last, and begins once,
    when the one before has ended. Assumed: no loop without a step, and k-tiles as far apart as the
    contract says. The invariants say how the unit's counters, which go down, and its flags follow
    those of the specification.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(LoopCounters(config))

    def specify(self, m: Module, platform) -> None:
        u, inner = self.unit, self.inner
        load, pending, current = inner["load"], inner["pending"], Signal(LAYOUT)
        waiting, active = Signal(), Signal()
        accepted = Signal(LAYOUT)
        with m.If(load):
            m.d.sync += [current.eq(accepted), waiting.eq(0), active.eq(1)]
        with m.If(u.i.valid & u.i.ready):
            m.d.sync += [accepted.eq(u.i.payload), waiting.eq(1)]
        m.d.comb += [Assume(u.i.payload[f"n_{n}"] != 0) for n in LOOPS]

        counts = {n: Signal.like(current[f"n_{n}"], name=f"count_{n}") for n in LOOPS}
        last = {n: counts[n] == current[f"n_{n}"] - 1 for n in LOOPS}
        pixel, position = Signal.like(u.pixel), Signal.like(u.position)
        tiled = current.winograd if self._config.winograd else Const(0)
        last_position = ~tiled | (position == winograd.POSITIONS - 1)
        last_pixel, last_k = (_all(last[n] for n in loops) for loops in (M_LOOPS, K_LOOPS))
        last_m = last_position & last_pixel
        first_pixel = _all(counts[n] == 0 for n in M_LOOPS)
        first = (position == 0) & first_pixel
        first_k = _all(counts[n] == 0 for n in K_LOOPS)
        # The k loops of the unit, so many cycles late; ``age``: since they took a step.
        late = {n: Signal.like(counts[n], name=f"late_{n}") for n in K_LOOPS}
        age = Signal(range(LAST_K_CYCLES), init=LAST_K_CYCLES - 1)
        m.d.comb += Assume(~(u.issue & last_m) | (age == LAST_K_CYCLES - 1))
        with m.If(age != LAST_K_CYCLES - 1):
            m.d.sync += age.eq(age + 1)
        with m.If(age == 0):
            m.d.sync += [late[n].eq(counts[n]) for n in K_LOOPS]
        with m.If(u.issue):
            m.d.sync += [
                pixel.eq(pixel + 1),
                position.eq(Mux(last_position, 0, position + 1)),
            ]
            with m.If(last_position):
                step_nest(m, counts, last, tuple(M_LOOPS))
            with m.If(last_m):
                m.d.sync += pixel.eq(0)
                step_nest(m, counts, last, tuple(K_LOOPS))
                with m.If(last_k):
                    m.d.sync += active.eq(load)
                with m.Else():
                    m.d.sync += age.eq(0)
        with m.If(load):
            m.d.sync += [x.eq(0) for x in (pixel, position, *counts.values(), *late.values())]

        # What comes out.
        zero = {n: counts[n] == 0 for n in M_LOOPS}
        anew = position == 0
        steps = {
            "tile": ~anew,
            "m2": anew & ~zero["m2"],
            "m1": anew & zero["m2"] & ~zero["m1"],
            "m0": anew & zero["m2"] & zero["m1"] & ~zero["m0"],
            "k_tile": first,
        }
        issued = delay(m, u.issue, 1, "issued")
        # The newest pixel's number.
        newest = Signal.like(pixel)
        with m.If(u.issue):
            m.d.sync += newest.eq(pixel)
        counted = delay(m, u.issue, PIXEL_LATENCY, "counted")
        was_pixel = delay(m, pixel, PIXEL_LATENCY, "was_pixel")
        loaded = delay(m, load, 1, "loaded")
        # Of the k-tile that began two cycles ago, if it is not the instruction's last.
        began = delay(m, u.issue & first & ~last_k, 2, "began")
        was = {n: delay(m, last[n], 2, f"was_last_{n}") for n in ("k2", "k1")}
        was_bank, was_mark = (delay(m, current[n], 1, f"was_{n}") for n in ("bank", "mark"))
        m.d.comb += [
            Assert(u.issue == (active & (~first | self.unit.loaded))),
            Assert(u.first == (u.issue & first)),
            Assert(~u.issue | (u.end == (last_m & last_k))),
            *(Assert(u.step[n] == (u.issue & steps[n])) for n in steps),
            Assert(u.k_tile_end == (u.issue & last_m)),
            Assert(~counted | (u.pixel == was_pixel)),
            Assert(~u.issue | ((u.winograd == tiled) & (u.position == position))),
            Assert(~u.issue | (u.clear == (current.clear & first_k))),
            Assert(~issued | ((u.bank == was_bank) & (u.mark == was_mark))),
            Assert(~load | (waiting & (~active | (u.issue & last_m & last_k)))),
            Assert(u.start == loaded),
            Assert(~u.start | (u.next.as_value() == current.as_value())),
            Assert(u.i.ready == ~waiting),
            Assert(u.waiting == ((active & ~u.issue) | (~active & waiting))),
            Assert(~began | ((u.last_k2 == was["k2"]) & (u.last_k1 == was["k1"]))),
        ]

        # Inside.
        old = {n: delay(m, late[n], 1, f"old_{n}") for n in K_LOOPS}
        told, begun = delay(m, newest, 1, "told"), delay(m, u.first, 1, "begun")
        m.d.comb += [
            Assert(~waiting | (pending.as_value() == accepted.as_value())),
            *(Assert(~waiting | (accepted[f"n_{n}"] != 0)) for n in LOOPS),
            Assert(inner["pending_valid"] == waiting),
            Assert(~inner["pending_ready"] | waiting),
            *(
                Assert(
                    ~inner["pending_ready"]
                    | (inner[f"pending_one{n}"] == (accepted[f"n_{n}"] == 1))
                )
                for n in LOOPS
            ),
            Assert(inner["active"] == active),
            Assert(~loaded | active),
            Assert(~active | loaded | (inner["current"].as_value() == current.as_value())),
            Assert(~active | (inner["at_start"] == first)),
            Assert(~active | (u.clear == (current.clear & first_k))),
            Assert(u.pixel == told),
            Assert(inner["issued"] == issued),
            Assert(~issued | (inner["begun"] == begun)),
            Assert(issued | (newest == told)),
            Assert(~issued | (newest == Mux(begun, 0, told + 1)[: len(told)])),
            Assert(~active | (pixel == Mux(first, 0, newest + 1)[: len(pixel)])),
            Assert(~active | ((u.winograd == tiled) & (u.position == position))),
            Assert((self._config.winograd & ~active) | (inner["last_position"] == last_position)),
            Assert(position < Mux(tiled, winograd.POSITIONS, 1)),
            Assert(~active | (inner["k_tile_end"] == last_m)),
            *(Assert(~active | (inner["step"][n] == steps[n])) for n in steps),
        ]
        for n in LOOPS:
            length, one = current[f"n_{n}"], inner[f"one{n}"]
            left, flag = inner[f"left{n}"], inner[f"last{n}"]
            count = late[n] if n in K_LOOPS else counts[n]
            m.d.comb += [
                Assert(~active | (counts[n] < length)),
                Assert(~active | (one == (length == 1))),
                Assert(~active | one | (left == length - count)),
            ]
            if n in M_LOOPS:
                m.d.comb += Assert(~active | (flag == last[n]))
            else:
                m.d.comb += [
                    Assert(~active | (count < length)),
                    Assert(~active | (age == 0) | (count == counts[n])),
                    Assert(~active | (age < 2) | (flag == last[n])),
                    Assert(~active | loaded | (flag == (old[n] == length - 1))),
                ]
        m.d.comb += [
            Assert(~active | (age < LAST_K_CYCLES - 1) | (inner["last_k"] == last_k)),
            Assert(~loaded | (age == LAST_K_CYCLES - 1)),
            Assert(active | (age == LAST_K_CYCLES - 1)),
            # Of the unit's `check`.
            Assert(self.register(m, "recent") == (Const(1) << age)[: LAST_K_CYCLES - 1]),
        ]


def _all(flags):
    found = None
    for flag in flags:
        found = flag if found is None else found & flag
    return found


_TILE = (
    Edit(
        "a tile has two positions",
        "hw.loops",
        "last_position.eq(self.position == winograd.POSITIONS - 2)",
        "last_position.eq(self.position == 0)",
    ),
    Edit(
        "pixels are positions too",
        "hw.loops",
        "last_position.eq(~pending.winograd),",
        "last_position.eq(0),",
    ),
)
PROPERTIES = [
    Property(
        name=f"loops-nest{name}",
        unit="loops.LoopCounters",
        says="Each pixel of the loop nest once and in order, with its step and flags"
        + ("; of tiles each position." if name else "."),
        build=partial(Nest, config),
        method=Induction(3),
        twins=(
            Edit(
                "the innermost loop is a step shorter",
                "hw.loops",
                "last[n].eq(left[n] == 2)",
                "last[n].eq(left[n] <= 3)",
            ),
            Edit(
                "every k-tile clears",
                "hw.loops",
                "self.clear.eq(0)",
                "self.clear.eq(self.clear)",
            ),
            Edit(
                "the innermost k loop is not looked at",
                "hw.loops",
                'last_k_next.eq(last["k0"] & last["k1"] & last["k2"])',
                'last_k_next.eq(last["k0"] & last["k1"])',
            ),
            Edit(
                "weights are not waited for",
                "hw.loops",
                "active & (~at_start | self.loaded)",
                "active",
            ),
            Edit(
                "a k-tile's accumulators follow those of the one before",
                "hw.loops",
                "Mux(begun, 0, self.pixel + 1)",
                "self.pixel + 1",
            ),
            *(_TILE if name else ()),
        ),
    )
    for name, config in CONFIGS.items()
]
