"""COMPUTE engine: the address and weight sequencers in front of the array."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..spec.config import Config
from ..spec.isa import Engine
from .common import delay
from .layouts import INSTRUCTIONS, PARAMS, pixel_control


def param_write(config: Config) -> data.StructLayout:
    """One channel's parameters for one bank."""
    return data.StructLayout({"bank": 1, "column": range(config.columns), "record": PARAMS})


_FIELDS = INSTRUCTIONS[Engine.COMPUTE].members
# From the inside out.
K_LOOPS = ("k2", "k1", "k0")
M_LOOPS = ("m2", "m1", "m0")
# From a pixel's issue to its address.
ADDRESS_LATENCY = 2


class WeightSequencer(wiring.Component):
    """Moves an instruction's words from the weight FIFO: weights, k-tile by k-tile, to the array's
    shadow registers and, behind the first k-tile, parameter records to the drain's tables.

    A k-tile is ``columns`` words, one a cycle, and begins once the one before has been swapped in.
    The parameters come while the first k-tile streams; an only k-tile waits for them, so that the
    drain never does.

    Members
    -------
    start, params, bank, k_tiles : In   an instruction, taken when ``ready``
    ready : Out                         all words of the instruction before are on their way
    words : In(stream of words)
    swap : In                           the loaded k-tile becomes active in this cycle
    loaded : Out                        a whole k-tile is in the shadow registers
    weight, weight_valid, weight_column : Out   the array's weight bus
    param, param_valid : Out(param_write)
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "params": In(1),
                "bank": In(1),
                "k_tiles": In(_FIELDS["k_tiles"]),
                "ready": Out(1),
                "words": In(stream.Signature(8 * config.rows)),
                "swap": In(1),
                "loaded": Out(1),
                "weight": Out(8 * config.rows),
                "weight_valid": Out(1),
                "weight_column": Out(range(config.columns)),
                "param": Out(param_write(config)),
                "param_valid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        # The flags say what the counters beside them are. A k-tile takes at least `columns`
        # cycles (4 or more): that is how long `last_k`, the last k-tile, may take to follow.
        column = Signal(range(config.columns))
        last_column = Signal()
        k_tiles = Signal.like(self.k_tiles)  # left
        last_k = Signal()
        m.d.sync += last_k.eq(k_tiles == 1)
        loading = Signal()
        bank = Signal()
        params_due = Signal()  # behind the k-tile that comes next
        in_params = Signal()
        loaded = Signal()
        word = self.words.payload

        def next_column():
            return [
                column.eq(Mux(last_column, 0, column + 1)),
                last_column.eq(column == config.columns - 2),
            ]

        # Parameters: `param_words` words make a record.
        half = Signal()
        if config.param_words == 2:
            low = Signal.like(word)
            record_bits = Cat(low, word)
            record_end = half
        else:
            record_bits = word[:64]
            record_end = 1
        take_param = Signal()
        m.d.comb += take_param.eq(in_params & self.words.valid)
        m.d.sync += self.param_valid.eq(take_param & record_end)
        with m.If(take_param):
            if config.param_words == 2:
                m.d.sync += [low.eq(word), half.eq(~half)]
            m.d.sync += [
                self.param.bank.eq(bank),
                self.param.column.eq(column),
                self.param.record.as_value().eq(record_bits),
            ]
            with m.If(record_end):
                m.d.sync += next_column()
                with m.If(last_column):
                    m.d.sync += in_params.eq(0)

        # Weights: word c of a k-tile for column c.
        take_weight = Signal()
        wanted = loading & (~loaded | self.swap)
        m.d.comb += [
            take_weight.eq(~in_params & wanted & self.words.valid),
            self.words.ready.eq(in_params | wanted),
            self.loaded.eq(loaded & ~(in_params & ~loading)),
            self.weight.eq(word),
            self.weight_valid.eq(take_weight),
            self.weight_column.eq(column),
        ]
        with m.If(self.swap):
            m.d.sync += loaded.eq(0)
        with m.If(take_weight):
            m.d.sync += next_column()
            with m.If(last_column):
                m.d.sync += [
                    loaded.eq(1),
                    loading.eq(~last_k),
                    in_params.eq(params_due),
                    params_due.eq(0),
                ]
        # The counter follows a cycle later.
        with m.If(delay(m, take_weight & last_column, 1, "tile_taken")):
            m.d.sync += k_tiles.eq(k_tiles - 1)

        m.d.comb += self.ready.eq(~in_params & ~loading)
        with m.If(self.start & self.ready):
            m.d.sync += [
                params_due.eq(self.params),
                bank.eq(self.bank),
                loading.eq(1),
                k_tiles.eq(self.k_tiles),
            ]
        return m


class ComputeEngine(wiring.Component):
    """Issues one pixel a cycle: the loop nest of COMPUTE in `resarray.spec.isa`.

    The weight sequencer runs one k-tile ahead, also across instructions, so instructions follow
    each other without a gap as long as words, inputs and banks are there.

    Members
    -------
    i : In(stream of COMPUTE instructions)
    words : In(stream of words)   the weight FIFO
    read_addr, read_en : Out      input buffer, ADDRESS_LATENCY cycles after the issue; beside it:
    control, swap : Out           what accompanies that pixel
    weight... : Out               the array's weight bus, in step with ``swap``
    param, param_valid : Out(param_write)
    wait_weights : Out            no pixel for want of weights; with neither this nor ``read_en``
                                  there is no instruction
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(INSTRUCTIONS[Engine.COMPUTE])),
                "words": In(stream.Signature(8 * config.rows)),
                "read_addr": Out(range(config.input_words * config.rows)),
                "read_en": Out(1),
                "control": Out(pixel_control(config)),
                "swap": Out(1),
                "weight": Out(8 * config.rows),
                "weight_valid": Out(1),
                "weight_column": Out(range(config.columns)),
                "param": Out(param_write(config)),
                "param_valid": Out(1),
                "wait_weights": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.weights = weights = WeightSequencer(config)
        wiring.connect(m, wiring.flipped(self.words), weights.words)
        bus = Cat(weights.weight_valid, weights.weight_column, weights.weight)
        m.d.comb += [
            Cat(self.weight_valid, self.weight_column, self.weight).eq(
                delay(m, bus, ADDRESS_LATENCY, "bus", reset_less=True)
            ),
            self.param.eq(weights.param),
            self.param_valid.eq(weights.param_valid),
        ]

        # An accepted instruction starts loading weights at once and waits in `pending` for its
        # turn. `pending_ready`: the flags that say which loops have a single step are valid.
        layout = INSTRUCTIONS[Engine.COMPUTE]
        loops = (*K_LOOPS, *M_LOOPS)
        pending = Signal(layout, reset_less=True)
        pending_valid, pending_ready = Signal(), Signal()
        take, load = Signal(), Signal()
        pending_one = {n: Signal(name=f"pending_one_{n}") for n in loops}
        m.d.comb += [
            take.eq(self.i.valid & weights.ready & ~pending_valid),
            self.i.ready.eq(weights.ready & ~pending_valid),
            weights.start.eq(take),
            weights.params.eq(self.i.payload.params),
            weights.bank.eq(self.i.payload.bank),
            weights.k_tiles.eq(self.i.payload.k_tiles),
        ]
        with m.If(take):
            m.d.sync += [pending.eq(self.i.payload), pending_valid.eq(1)]
        m.d.sync += pending_ready.eq(pending_valid & ~load)
        m.d.sync += [pending_one[n].eq(getattr(pending, f"n_{n}") == 1) for n in loops]

        # Issue. Counters hold the steps that are left, flags say that it is the last one. K-tiles
        # are at least `columns` >= 4 cycles apart: that is how long `last_k` may take to follow.
        # The fields in `c` come a cycle after the counters; the flags in `one` make up for that.
        c = Signal(layout, reset_less=True)
        active = Signal()
        at_start = Signal()  # the next pixel is the first of a k-tile
        clearing = Signal()
        pixel = Signal(range(config.acc_depth))
        left = {
            n: Signal.like(getattr(c, f"n_{n}"), name=f"left_{n}", reset_less=True) for n in loops
        }
        last = {n: Signal(name=f"last_{n}") for n in loops}
        one = {n: Signal(name=f"one_{n}") for n in loops}
        last_k = Signal()
        move = Signal(4)  # how the next pixel's address comes about, one-hot: m2, m1, m0, k-tile
        issue, k_tile_end, end = Signal(), Signal(), Signal()
        m.d.comb += [
            issue.eq(active & (~at_start | weights.loaded)),
            k_tile_end.eq(last["m2"] & last["m1"] & last["m0"]),
            end.eq(k_tile_end & last_k),
            load.eq(pending_ready & (~active | (issue & end))),
            weights.swap.eq(issue & at_start),
        ]
        m.d.sync += [last[n].eq(one[n] | (left[n] == 1)) for n in K_LOOPS]
        m.d.sync += last_k.eq(last["k0"] & last["k1"] & last["k2"])

        def restart(n: str):
            return [left[n].eq(getattr(c, f"n_{n}")), last[n].eq(one[n])]

        def step(n: str):
            return [left[n].eq(left[n] - 1), last[n].eq(left[n] == 2)]

        with m.If(issue):
            m.d.sync += [pixel.eq(pixel + 1), at_start.eq(0)]
            with m.If(~last["m2"]):
                m.d.sync += [*step("m2"), move.eq(0b0001)]
            with m.Else():
                m.d.sync += restart("m2")
                with m.If(~last["m1"]):
                    m.d.sync += [*step("m1"), move.eq(0b0010)]
                with m.Else():
                    m.d.sync += restart("m1")
                    with m.If(~last["m0"]):
                        m.d.sync += [*step("m0"), move.eq(0b0100)]
                    with m.Else():
                        m.d.sync += restart("m0")
                        m.d.sync += [
                            move.eq(0b1000),
                            pixel.eq(0),
                            at_start.eq(1),
                            clearing.eq(0),
                            active.eq(~last_k),
                        ]
        # The k loops follow a cycle later.
        with m.If(delay(m, issue & k_tile_end & ~last_k, 1, "k_step")):
            m.d.sync += left["k2"].eq(left["k2"] - 1)
            with m.If(last["k2"]):
                m.d.sync += [left["k2"].eq(c.n_k2), left["k1"].eq(left["k1"] - 1)]
                with m.If(last["k1"]):
                    m.d.sync += [left["k1"].eq(c.n_k1), left["k0"].eq(left["k0"] - 1)]
        with m.If(load):
            m.d.sync += [
                pending_valid.eq(0),
                active.eq(1),
                at_start.eq(1),
                pixel.eq(0),
                clearing.eq(pending.clear),
                move.eq(0b1000),
                last_k.eq(pending_one["k0"] & pending_one["k1"] & pending_one["k2"]),
            ]
            m.d.sync += [left[n].eq(getattr(pending, f"n_{n}")) for n in loops]
            m.d.sync += [last[n].eq(pending_one[n]) for n in loops]
            m.d.sync += [one[n].eq(pending_one[n]) for n in loops]
        late = delay(m, load, 1, "late")
        with m.If(late):
            m.d.sync += c.eq(pending)

        # What goes with the pixel, in step with its address.
        waits = (active & ~issue) | (~active & pending_valid)
        delayed = delay(m, Cat(weights.swap, waits, issue), ADDRESS_LATENCY, "delayed")
        m.d.comb += Cat(self.swap, self.wait_weights, self.read_en).eq(delayed)
        step1 = delay(m, Cat(issue, end), 1, "step1")
        control = Signal.like(self.control)
        m.d.comb += [
            control.valid.eq(step1[0]),
            control.end.eq(step1[1]),
            control.pixel.eq(delay(m, pixel, 1, "step1_pixel", reset_less=True)),
            control.clear.eq(delay(m, clearing, 1, "step1_clear", reset_less=True)),
            control.bank.eq(c.bank),
            control.mark.eq(c.mark),
            self.control.eq(delay(m, control, ADDRESS_LATENCY - 1, "control")),
        ]

        # Addresses, a cycle behind, like `c`. `at` is the current pixel, `next_m1` and `next_m0`
        # where the next step of these loops begins, `next_k` where the next k-tile does.
        s = {n: getattr(c, f"s_{n}") for n in loops}
        at, next_m1, next_m0, next_k = (
            Signal.like(self.read_addr, name=n, reset_less=True)
            for n in ("at", "next_m1", "next_m0", "next_k")
        )
        moving = delay(m, move & issue.replicate(len(move)), 1, "moving")
        origin = Mux(moving[3], next_k, Mux(moving[2], next_m0, next_m1))
        with m.If(moving[0]):
            m.d.sync += at.eq(at + s["m2"])
        with m.If(moving[1:].any()):
            m.d.sync += [at.eq(origin), next_m1.eq(origin + s["m1"])]
        with m.If(moving[2:].any()):
            m.d.sync += next_m0.eq(origin + s["m0"])
        m.d.comb += self.read_addr.eq(at)

        # The origin of the k-tile after the one that has just begun: from this one's, or from where
        # the present step of k1 or k0 began. The flags are this k-tile's in the second cycle after
        # the issue of its first pixel, the origin is there two cycles later, and needed one more
        # cycle later at the earliest.
        origin_k1, origin_k0, augend, addend = (
            Signal.like(self.read_addr, name=n, reset_less=True)
            for n in ("origin_k1", "origin_k0", "augend", "addend")
        )
        step_k1, step_k0 = Signal(), Signal()
        begun, chosen = Signal(), Signal()
        m.d.sync += [begun.eq(moving[3]), chosen.eq(begun)]
        with m.If(begun):
            m.d.sync += [step_k1.eq(last["k2"]), step_k0.eq(last["k2"] & last["k1"])]
            with m.If(~last["k2"]):
                m.d.sync += [augend.eq(next_k), addend.eq(s["k2"])]
            with m.Elif(~last["k1"]):
                m.d.sync += [augend.eq(origin_k1), addend.eq(s["k1"])]
            with m.Else():
                m.d.sync += [augend.eq(origin_k0), addend.eq(s["k0"])]
        with m.If(chosen):
            target = augend + addend
            m.d.sync += next_k.eq(target)
            with m.If(step_k1):
                m.d.sync += origin_k1.eq(target)
            with m.If(step_k0):
                m.d.sync += origin_k0.eq(target)
        with m.If(late):
            m.d.sync += [x.eq(pending.base) for x in (next_k, origin_k1, origin_k0)]
            m.d.sync += [begun.eq(0), chosen.eq(0)]
        return m
