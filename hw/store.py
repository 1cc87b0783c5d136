"""STORE engine: the words that the drain gives, in bursts to memory."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from ..spec.isa import Engine
from ..spec.registers import ErrorCause
from .arbiter import ERROR
from .axi import AXI4
from .bursts import BurstSplitter
from .layouts import ADDR_BITS, INSTRUCTIONS, pattern_of
from .scratchpad import write_request

MAX_WRITES = 16  # bursts whose response is outstanding


class StoreEngine(wiring.Component):
    """Writes one word a cycle within a burst. A burst starts once all its words are at hand, so the
    write channels never wait for the accelerator. Every burst must lie in [write_words, mem_words).

    Members
    -------
    i : In(stream of STORE instructions)
    words : In(stream of words)
    bus : Out(AXI4)        write channels only
    kept : Out(stream of write_request)   words for the scratchpad, if there is one; always taken
    mem_base, mem_words, write_words : In
    halt : In              start no more bursts
    done : Out             pulse: all of an instruction's words are in memory
    error, error_valid : Out(ERROR)   a pulse with the fault
    idle : Out             nothing in flight
    """

    def __init__(self, config: Config):
        self._config = config
        keeps = {}
        if config.scratch_words:
            keeps["kept"] = Out(stream.Signature(write_request(config), always_ready=True))
        super().__init__(keeps | {
            "i": In(stream.Signature(INSTRUCTIONS[Engine.STORE])),
            "words": In(stream.Signature(8 * config.rows)),
            "bus": Out(AXI4(config.rows)),
            "mem_base": In(32), "mem_words": In(ADDR_BITS), "write_words": In(ADDR_BITS),
            "halt": In(1), "done": Out(1),
            "error": Out(ERROR), "error_valid": Out(1), "idle": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        config, bus = self._config, self.bus
        shift = exact_log2(config.rows)
        m.submodules.fifo = fifo = SyncFIFOBuffered(
            width=8 * config.rows, depth=config.output_words
        )
        m.submodules.splitter = splitter = BurstSplitter(config)
        m.submodules.tags = tags = SyncFIFOBuffered(width=1, depth=MAX_WRITES)
        m.d.comb += [
            fifo.w_data.eq(self.words.payload), fifo.w_en.eq(self.words.valid),
            self.words.ready.eq(fifo.w_rdy),
            splitter.i.valid.eq(self.i.valid), self.i.ready.eq(splitter.i.ready),
        ]  # fmt: skip
        for name, value in pattern_of(self.i.payload).items():
            m.d.comb += getattr(splitter.i.payload, name).eq(value)

        burst = splitter.o.payload
        outside = ((burst.addr + burst.beats) > self.mem_words) | (burst.addr < self.write_words)
        left = Signal(9)  # words of the current burst still to be written
        last_word = left == 1
        w_step = bus.wvalid & bus.wready
        ready = (left == 0) | (w_step & last_word)
        # The current burst's words are still in the FIFO while it is being written.
        start = Signal()
        m.d.comb += [
            start.eq(
                splitter.o.valid & ~outside & ~self.halt & ready & (~bus.awvalid | bus.awready)
                & tags.w_rdy & (fifo.r_level >= Mux(left == 0, burst.beats, burst.beats + 1))
            ),
            splitter.o.ready.eq(start),
            tags.w_en.eq(start),
            tags.w_data.eq(burst.last),
            bus.awsize.eq(shift),
            bus.awburst.eq(1),
            bus.wvalid.eq((left != 0) & fifo.r_rdy),
            bus.wdata.eq(fifo.r_data),
            bus.wstrb.eq(~0),
            bus.wlast.eq(last_word),
            fifo.r_en.eq(w_step),
        ]  # fmt: skip
        with m.If(bus.awready):
            m.d.sync += bus.awvalid.eq(0)
        with m.If(w_step):
            m.d.sync += left.eq(left - 1)
        with m.If(start):
            m.d.sync += [
                bus.awvalid.eq(1), bus.awaddr.eq(self.mem_base + (burst.addr << shift)),
                bus.awlen.eq(burst.beats - 1), left.eq(burst.beats),
            ]  # fmt: skip

        if config.scratch_words:
            kept, place = Signal(), Signal(range(config.scratch_words))
            m.d.sync += [
                self.kept.valid.eq(w_step & kept), self.kept.payload.addr.eq(place),
                self.kept.payload.word.eq(fifo.r_data),
            ]  # fmt: skip
            with m.If(w_step):
                m.d.sync += place.eq(place + 1)
            with m.If(start):
                m.d.sync += [kept.eq(burst.kept), place.eq(burst.place)]

        m.d.comb += [
            bus.bready.eq(1),
            tags.r_en.eq(bus.bvalid),
            self.done.eq(bus.bvalid & tags.r_data),
            self.idle.eq(~bus.awvalid & (left == 0) & (tags.level == 0)),
        ]
        bad_response = bus.bvalid & (bus.bresp != 0)
        m.d.comb += [
            self.error_valid.eq(bad_response | (splitter.o.valid & outside & ~self.halt)),
        ]
        # Whole assignments: Verilog never evaluates a combinational block that only drives a part
        # of a structure with a constant.
        cause = Mux(bad_response, ErrorCause.WRITE_RESPONSE, ErrorCause.OUTSIDE_WINDOW)
        m.d.comb += self.error.as_value().eq(
            Cat(Value.cast(cause)[:3], Const(Engine.STORE, 3), Const(0, shift), burst.addr)
        )
        return m
