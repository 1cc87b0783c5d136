"""COMPUTE engine: the address and weight sequencers in front of the array."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..spec.config import Config
from ..spec.isa import Engine
from .layouts import INSTRUCTIONS, PARAMS, pixel_control


def param_write(config: Config) -> data.StructLayout:
    """One channel's parameters for one bank."""
    return data.StructLayout({"bank": 1, "column": range(config.columns), "record": PARAMS})


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
        super().__init__({
            "start": In(1), "params": In(1), "bank": In(1), "k_tiles": In(20), "ready": Out(1),
            "words": In(stream.Signature(8 * config.rows)),
            "swap": In(1), "loaded": Out(1),
            "weight": Out(8 * config.rows), "weight_valid": Out(1),
            "weight_column": Out(range(config.columns)),
            "param": Out(param_write(config)), "param_valid": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        config = self._config
        last_column = config.columns - 1
        column = Signal(range(config.columns))
        k_tiles = Signal(20)
        bank = Signal()
        params_due = Signal()  # behind the k-tile that comes next
        in_params = Signal()
        loaded = Signal()
        word = self.words.payload

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
                m.d.sync += column.eq(column + 1)
                with m.If(column == last_column):
                    m.d.sync += [column.eq(0), in_params.eq(0)]

        # Weights: word c of a k-tile for column c.
        take_weight = Signal()
        m.d.comb += [
            take_weight.eq(
                ~in_params & (k_tiles != 0) & self.words.valid & (~loaded | self.swap)
            ),
            self.words.ready.eq(in_params | ((k_tiles != 0) & (~loaded | self.swap))),
            self.loaded.eq(loaded & ~(in_params & (k_tiles == 0))),
            self.weight.eq(word),
            self.weight_valid.eq(take_weight),
            self.weight_column.eq(column),
        ]
        with m.If(self.swap):
            m.d.sync += loaded.eq(0)
        with m.If(take_weight):
            m.d.sync += column.eq(column + 1)
            with m.If(column == last_column):
                m.d.sync += [
                    column.eq(0), k_tiles.eq(k_tiles - 1), loaded.eq(1),
                    in_params.eq(params_due), params_due.eq(0),
                ]  # fmt: skip

        m.d.comb += self.ready.eq(~in_params & (k_tiles == 0))
        with m.If(self.start & self.ready):
            m.d.sync += [
                params_due.eq(self.params), bank.eq(self.bank), k_tiles.eq(self.k_tiles),
            ]  # fmt: skip
        return m


class ComputeEngine(wiring.Component):
    """Issues one pixel a cycle: the loop nest of COMPUTE in `resarray.spec.isa`.

    The weight sequencer runs one k-tile ahead, also across instructions, so instructions follow
    each other without a gap as long as words, inputs and banks are there.

    Members
    -------
    i : In(stream of COMPUTE instructions)
    words : In(stream of words)   the weight FIFO
    read_addr, read_en : Out      input buffer; in the same cycle:
    control, swap : Out           what accompanies that pixel
    weight... : Out               the array's weight bus, in step with ``swap``
    param, param_valid : Out(param_write)
    wait_weights : Out            no pixel for want of weights; with neither this nor ``read_en``
                                  there is no instruction
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(INSTRUCTIONS[Engine.COMPUTE])),
            "words": In(stream.Signature(8 * config.rows)),
            "read_addr": Out(range(config.input_words * config.rows)), "read_en": Out(1),
            "control": Out(pixel_control(config)), "swap": Out(1),
            "weight": Out(8 * config.rows), "weight_valid": Out(1),
            "weight_column": Out(range(config.columns)),
            "param": Out(param_write(config)), "param_valid": Out(1),
            "wait_weights": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.weights = weights = WeightSequencer(config)
        wiring.connect(m, wiring.flipped(self.words), weights.words)
        m.d.comb += [
            self.weight.eq(weights.weight), self.weight_valid.eq(weights.weight_valid),
            self.weight_column.eq(weights.weight_column),
            self.param.eq(weights.param), self.param_valid.eq(weights.param_valid),
        ]  # fmt: skip

        # An accepted instruction starts loading weights at once and waits in `pending` for its
        # turn.
        layout = INSTRUCTIONS[Engine.COMPUTE]
        pending, pending_valid = Signal(layout), Signal()
        take = Signal()
        m.d.comb += [
            take.eq(self.i.valid & weights.ready & ~pending_valid),
            self.i.ready.eq(take),
            weights.start.eq(take),
            weights.params.eq(self.i.payload.params),
            weights.bank.eq(self.i.payload.bank),
            weights.k_tiles.eq(self.i.payload.k_tiles),
        ]

        # The loops. Counters hold the steps that are left; `a_*` is where the current step of a
        # loop begins.
        c = Signal(layout)
        active = Signal()
        at_start = Signal()  # the next pixel is the first of a k-tile
        clearing = Signal()
        pixel = Signal(range(config.acc_depth))
        left = {n: Signal.like(getattr(c, f"n_{n}"), name=f"left_{n}")
                for n in ("k0", "k1", "k2", "m0", "m1", "m2")}  # fmt: skip
        a = {n: Signal.like(self.read_addr, name=f"a_{n}") for n in left}
        done = {n: left[n] == 1 for n in left}

        issue = Signal()
        m.d.comb += [
            issue.eq(active & (~at_start | weights.loaded)),
            self.wait_weights.eq((active & ~issue) | (~active & pending_valid)),
            self.read_en.eq(issue),
            self.read_addr.eq(a["m2"]),
            self.swap.eq(issue & at_start),
            weights.swap.eq(self.swap),
            self.control.valid.eq(issue),
            self.control.pixel.eq(pixel),
            self.control.bank.eq(c.bank),
            self.control.clear.eq(clearing),
            self.control.mark.eq(c.mark),
        ]
        row_end = done["m2"]
        image_end = row_end & done["m1"]
        k_tile_end = image_end & done["m0"]
        k2_end = k_tile_end & done["k2"]
        k1_end = k2_end & done["k1"]
        end = k1_end & done["k0"]
        m.d.comb += self.control.end.eq(end)

        def step(name: str, inner: list[str]):
            """Advance loop ``name`` and restart the loops inside it."""
            target = a[name] + getattr(c, f"s_{name}")
            statements = [left[name].eq(left[name] - 1), a[name].eq(target)]
            for n in inner:
                statements += [left[n].eq(getattr(c, f"n_{n}")), a[n].eq(target)]
            return statements

        with m.If(issue):
            m.d.sync += [pixel.eq(pixel + 1), at_start.eq(0)]
            with m.If(k_tile_end):
                m.d.sync += [pixel.eq(0), at_start.eq(1), clearing.eq(0)]
            with m.If(~row_end):
                m.d.sync += step("m2", [])
            with m.Elif(~image_end):
                m.d.sync += step("m1", ["m2"])
            with m.Elif(~k_tile_end):
                m.d.sync += step("m0", ["m1", "m2"])
            with m.Elif(~k2_end):
                m.d.sync += step("k2", ["m0", "m1", "m2"])
            with m.Elif(~k1_end):
                m.d.sync += step("k1", ["k2", "m0", "m1", "m2"])
            with m.Elif(~end):
                m.d.sync += step("k0", ["k1", "k2", "m0", "m1", "m2"])
            with m.Else():
                m.d.sync += active.eq(0)

        with m.If(take):
            m.d.sync += [pending.eq(self.i.payload), pending_valid.eq(1)]
        with m.If(pending_valid & (~active | (issue & end))):
            m.d.sync += [
                c.eq(pending), pending_valid.eq(0), active.eq(1), at_start.eq(1), pixel.eq(0),
                clearing.eq(pending.clear),
            ]  # fmt: skip
            m.d.sync += [left[n].eq(getattr(pending, f"n_{n}")) for n in left]
            m.d.sync += [a[n].eq(pending.base) for n in a]
        return m
