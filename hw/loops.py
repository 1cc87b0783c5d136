"""Loop counters of COMPUTE: which pixel of which k-tile comes next."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..spec import winograd
from ..spec.config import Config
from ..spec.isa import Engine
from .checks import check_apart
from .common import delay
from .layouts import INSTRUCTIONS

LAYOUT = INSTRUCTIONS[Engine.COMPUTE]
# From the inside out.
K_LOOPS = ("k2", "k1", "k0")
M_LOOPS = ("m2", "m1", "m0")
LOOPS = (*K_LOOPS, *M_LOOPS)
# From the end of one k-tile to the cycle from which `last_k` tells of the next one. K-tiles are at
# least `columns` >= 4 cycles apart: a k-tile's weights take that long.
LAST_K_CYCLES = 4
PIXEL_LATENCY = 2
# How a pixel follows the one before, one-hot: the innermost loop that takes a step, the next pixel
# of a Winograd tile, or the first pixel of a k-tile.
STEP = data.StructLayout({"tile": 1, "m2": 1, "m1": 1, "m0": 1, "k_tile": 1})


class LoopCounters(wiring.Component):
    """Counts through the loop nest of COMPUTE in `resarray.spec.isa`, a pixel a cycle.

    The first pixel of a k-tile waits until its weights are loaded; the others follow without a
    pause. An instruction waits behind the current one and follows it without a gap; its first pixel
    is issued 3 cycles after it was taken at the earliest. The k-tiles of an instruction must begin
    LAST_K_CYCLES apart or more. With Winograd each step of the loops is a tile of six.

    Members
    -------
    i : In(stream of COMPUTE instructions)
    loaded : In             the next k-tile's weights are there
    issue : Out             a pixel goes on its way in this cycle; beside it:
    first, end : Out        it is the first of a k-tile; the last of its instruction
    step : Out(STEP)        how its address comes about; 0 without ``issue``
    clear : Out             its accumulator begins anew
    pixel : Out             its accumulator, `PIXEL_LATENCY` cycles after ``issue``
    k_tile_end : Out        it is the last of a k-tile
    winograd, position : Out   it is this one of a tile; position 0 without
    bank, mark : Out        of the pixel's instruction, 1 cycle after ``issue``
    start : Out             pulse: the next pixel, in this cycle or later, is the first of
    next : Out(COMPUTE instruction)   this instruction
    last_k2, last_k1 : Out  the k-tile is the last step of its inner (middle) k loop: valid in the
                            second cycle after the issue of its first pixel
    waiting : Out           an instruction is at hand, but no pixel is issued
    """

    def __init__(self, config: Config):
        self._winograd = config.winograd
        super().__init__(
            {
                "i": In(stream.Signature(LAYOUT)),
                "loaded": In(1),
                "issue": Out(1),
                "first": Out(1),
                "end": Out(1),
                "step": Out(STEP),
                "k_tile_end": Out(1),
                "winograd": Out(1),
                "position": Out(range(winograd.POSITIONS)),
                "clear": Out(1),
                "pixel": Out(range(config.acc_depth)),
                "bank": Out(1),
                "mark": Out(1),
                "start": Out(1),
                "next": Out(LAYOUT),
                "last_k2": Out(1),
                "last_k1": Out(1),
                "waiting": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # An accepted instruction waits in `pending` for its turn. `pending_ready`: the flags that
        # say which loops have a single step are valid.
        pending = Signal(LAYOUT, reset_less=True)
        pending_valid, pending_ready = Signal(), Signal()
        pending_one = {n: Signal(name=f"pending_one_{n}") for n in LOOPS}
        load = Signal()
        m.d.comb += [self.i.ready.eq(~pending_valid), self.next.eq(pending)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [pending.eq(self.i.payload), pending_valid.eq(1)]
        m.d.sync += pending_ready.eq(pending_valid & ~load)
        m.d.sync += [pending_one[n].eq(pending[f"n_{n}"] == 1) for n in LOOPS]

        # Counters hold the steps that are left, flags say that it is the last one. The fields in
        # `current` come a cycle after the counters; a loop that restarts before has one step, and
        # its flag in `one` keeps `last`.
        current = Signal(LAYOUT, reset_less=True)
        active = Signal()
        at_start = Signal()  # the next pixel is the first of a k-tile
        left = {n: Signal.like(current[f"n_{n}"], name=f"left_{n}", reset_less=True) for n in LOOPS}
        last = {n: Signal(name=f"last_{n}") for n in LOOPS}
        one = {n: Signal(name=f"one_{n}") for n in LOOPS}
        last_k = Signal()
        step = Signal(STEP)  # of the next pixel
        k_tile_end = Signal()  # of all loops' last steps: the next pixel is a k-tile's last
        final = k_tile_end & last_k  # it is the instruction's last
        last_position = Signal(init=1)
        # From the next cycle on nothing of the current instruction is left.
        over = ~active | (final & (~at_start | self.loaded))
        m.d.comb += [
            self.issue.eq(active & (~at_start | self.loaded)),
            self.first.eq(self.issue & at_start),
            self.k_tile_end.eq(self.issue & k_tile_end),
            self.end.eq(final),
            self.step.eq(step.as_value() & self.issue.replicate(STEP.size)),
            load.eq(pending_ready & over),
            self.waiting.eq((active & ~self.issue) | (~active & pending_valid)),
            self.last_k2.eq(last["k2"]),
            self.last_k1.eq(last["k1"]),
            self.bank.eq(current.bank),
            self.mark.eq(current.mark),
        ]
        m.d.sync += [last[n].eq(one[n] | (left[n] == 1)) for n in K_LOOPS]
        # What these are in the next cycle.
        k_tile_end_next, last_k_next = Signal(), Signal()
        m.d.comb += [
            k_tile_end_next.eq(k_tile_end),
            last_k_next.eq(last["k0"] & last["k1"] & last["k2"]),
        ]
        m.d.sync += [k_tile_end.eq(k_tile_end_next), last_k.eq(last_k_next)]

        def restart(n: str):
            return [left[n].eq(current[f"n_{n}"]), last[n].eq(one[n])]

        def count(n: str):
            return [left[n].eq(left[n] - 1), last[n].eq(left[n] == 2)]

        # Pixels that are not of a tile are each their own last position.
        plain = ~self.winograd

        def next_is(name: str):
            return step.eq(STEP.const({name: 1}))

        with m.If(self.issue):
            m.d.sync += [
                at_start.eq(0),
                self.position.eq(0),
                last_position.eq(~self.winograd),
            ]
            with m.If(~last_position):
                m.d.sync += [
                    self.position.eq(self.position + 1),
                    last_position.eq(self.position == winograd.POSITIONS - 2),
                    next_is("tile"),
                ]
                m.d.comb += k_tile_end_next.eq(
                    (self.position == winograd.POSITIONS - 2) & last["m2"] & last["m1"] & last["m0"]
                )
            with m.Elif(~last["m2"]):
                m.d.sync += [*count("m2"), next_is("m2")]
                m.d.comb += k_tile_end_next.eq(plain & (left["m2"] == 2) & last["m1"] & last["m0"])
            with m.Else():
                m.d.sync += restart("m2")
                with m.If(~last["m1"]):
                    m.d.sync += [*count("m1"), next_is("m1")]
                    m.d.comb += k_tile_end_next.eq(
                        plain & one["m2"] & (left["m1"] == 2) & last["m0"]
                    )
                with m.Else():
                    m.d.sync += restart("m1")
                    with m.If(~last["m0"]):
                        m.d.sync += [*count("m0"), next_is("m0")]
                        m.d.comb += k_tile_end_next.eq(
                            plain & one["m2"] & one["m1"] & (left["m0"] == 2)
                        )
                    with m.Else():
                        m.d.sync += restart("m0")
                        m.d.comb += k_tile_end_next.eq(plain & one["m2"] & one["m1"] & one["m0"])
                        m.d.sync += next_is("k_tile")
        # The last step of all of them: its flag is nearer than theirs.
        with m.If(self.issue & k_tile_end):
            m.d.sync += [at_start.eq(1), self.clear.eq(0), active.eq(~last_k)]
        # The k loops follow a cycle later, their flags one more, `last_k` yet one more.
        k_step = Signal()
        m.d.comb += k_step.eq(self.issue & k_tile_end & ~last_k)
        with m.If(delay(m, k_step, 1, "k_step")):
            m.d.sync += left["k2"].eq(left["k2"] - 1)
            with m.If(last["k2"]):
                m.d.sync += [left["k2"].eq(current.n_k2), left["k1"].eq(left["k1"] - 1)]
                with m.If(last["k1"]):
                    m.d.sync += [left["k1"].eq(current.n_k1), left["k0"].eq(left["k0"] - 1)]
        check_apart(
            m,
            platform,
            k_step,
            self.issue & k_tile_end,
            LAST_K_CYCLES,
            "a k-tile's pixels end before its last_k",
        )
        # The counters are then those of the instruction that waits, whether it is there or not.
        with m.If(over):
            m.d.sync += [
                self.clear.eq(pending.clear),
                next_is("k_tile"),
                self.position.eq(0),
            ]
            single = pending_one["m2"] & pending_one["m1"] & pending_one["m0"]
            m.d.comb += [
                k_tile_end_next.eq(single & ~pending.winograd if self._winograd else single),
                last_k_next.eq(pending_one["k0"] & pending_one["k1"] & pending_one["k2"]),
            ]
            if self._winograd:
                m.d.sync += [
                    self.winograd.eq(pending.winograd),
                    last_position.eq(~pending.winograd),
                ]
            m.d.sync += [left[n].eq(pending[f"n_{n}"]) for n in LOOPS]
            m.d.sync += [last[n].eq(pending_one[n]) for n in LOOPS]
            m.d.sync += [one[n].eq(pending_one[n]) for n in LOOPS]
        with m.If(load):
            m.d.sync += [pending_valid.eq(0), active.eq(1), at_start.eq(1)]
        m.d.comb += self.start.eq(delay(m, load, 1, "loaded"))
        with m.If(self.start):
            m.d.sync += current.eq(pending)
        # Counted a cycle late: the accumulators lie where the array begins, not with the loops.
        issued, begun = (
            delay(m, flag, 1, name)
            for flag, name in ((self.issue, "issued"), (self.first, "begun"))
        )
        with m.If(issued):
            m.d.sync += self.pixel.eq(Mux(begun, 0, self.pixel + 1))
        return m
