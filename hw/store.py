"""STORE engine: the words that the drain gives, in bursts to memory."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect
from amaranth.utils import exact_log2

from ..spec.config import Config
from ..spec.isa import Engine
from ..spec.registers import ErrorCause
from .axi import AXI4
from .bursts import BurstSplitter
from .common import add, delay, less
from .layouts import ADDR_BITS, BEATS_BITS, BURST, ERROR, INSTRUCTIONS, take_pattern, word_write
from .memory import Fifo, Relay

MAX_WRITES = 16  # bursts whose response is outstanding


class StoreEngine(wiring.Component):
    """Writes one word a cycle within a burst. A burst starts once all its words are at hand, so the
    write channels never wait for the accelerator. Every burst must lie in [write_words, mem_words).

    Members
    -------
    i : In(stream of STORE instructions)
    words : In(stream of words)
    bus : Out(AXI4)        write channels only
    kept : Out(stream of word_write)   words for the scratchpad, if there is one; always taken
    mem_base, mem_words, write_words : In
    halt : In              start no more bursts
    done : Out             pulse: all of an instruction's words are in memory
    fault : Out(stream of ERROR)   a pulse with the fault and its burst's address
    idle : Out             nothing in flight
    """

    def __init__(self, config: Config):
        self._config = config
        keeps = {}
        if config.scratch_words:
            words = word_write(config, config.scratch_words)
            keeps["kept"] = Out(stream.Signature(words, always_ready=True))
        super().__init__(
            keeps
            | {
                "i": In(stream.Signature(INSTRUCTIONS[Engine.STORE])),
                "words": In(stream.Signature(8 * config.rows)),
                "bus": Out(AXI4(config.rows)),
                "mem_base": In(32),
                "mem_words": In(ADDR_BITS),
                "write_words": In(ADDR_BITS),
                "halt": In(1),
                "done": Out(1),
                "fault": Out(stream.Signature(ERROR, always_ready=True)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, bus = self._config, self.bus
        shift = exact_log2(config.rows)
        m.submodules.fifo = fifo = Fifo(8 * config.rows, config.output_words)
        # The FIFO lies with the drain.
        m.submodules.relay = relay = Relay(8 * config.rows)
        connect(m, fifo.o, relay.i)
        m.submodules.splitter = splitter = BurstSplitter(config)
        m.submodules.tags = tags = Fifo(1 + ADDR_BITS, MAX_WRITES)
        m.d.comb += [
            fifo.i.payload.eq(self.words.payload),
            fifo.i.valid.eq(self.words.valid & self.words.ready),
            self.words.ready.eq(fifo.i.ready),
            splitter.i.valid.eq(self.i.valid),
            self.i.ready.eq(splitter.i.ready),
        ]
        m.d.comb += take_pattern(splitter.i.payload, self.i.payload)

        # The next burst on its way to the bus, while the one before is being written. Cycle 1:
        # where it ends and its bus address. Cycle 2: check it. Cycle 3: it waits for its words, and
        # those behind wait until it has gone.
        stage = data.StructLayout(
            {
                "burst": BURST,
                "end": ADDR_BITS + 1,
                "bus_addr": 32,
                "above": 1,
                "below": 1,
            }
        )
        s1, s2, s3 = (Signal(stage, name=f"s{i}", reset_less=True) for i in range(1, 4))
        valid1, valid2, valid3 = (Signal(name=f"valid{i}") for i in range(1, 4))
        go, start = Signal(), Signal()
        m.d.comb += [go.eq(~valid3), splitter.o.ready.eq(go)]
        with m.If(go):
            m.d.sync += [
                valid1.eq(splitter.o.valid),
                s1.burst.eq(splitter.o.payload),
                valid2.eq(valid1),
                s2.eq(s1),
                s2.end.eq(s1.burst.addr + s1.burst.beats),
                s2.bus_addr.eq(self.mem_base + (s1.burst.addr << shift)),
                valid3.eq(valid2),
                s3.eq(s2),
                s3.above.eq(less(self.mem_words, s2.end)),
                s3.below.eq(less(s2.burst.addr, self.write_words)),
            ]

        outside = s3.above | s3.below
        with m.If(start):
            m.d.sync += valid3.eq(0)

        # Words in the FIFO that no burst has been started for; whether they are enough for one that
        # may be written is known a cycle later.
        words = Signal(range(config.output_words + 1))
        added = Signal()
        enough = Signal()
        m.d.sync += [
            added.eq(fifo.i.valid),
            enough.eq(
                valid3
                & ~start
                & ~less(words, s3.burst.beats)
                & ~outside
                & ~self.halt
                & tags.i.ready
            ),
        ]
        # Counted a cycle later; the next burst asks two later at the earliest.
        minus = Signal(signed(len(words)))
        m.d.sync += [minus.eq(0), words.eq(add(words, minus, added))]
        with m.If(start):
            m.d.sync += minus.eq(-s3.burst.beats)

        left = Signal(BEATS_BITS)  # words of the current burst still to be written
        free, last_word = Signal(init=1), Signal()  # no such word, one such word
        w_step = bus.wvalid & bus.wready
        ready = free | (w_step & last_word)
        m.d.comb += [
            start.eq(enough & ~bus.awvalid & ready),
            # `s3` is still the burst then.
            tags.i.valid.eq(delay(m, start, 1, "started")),
            tags.i.payload.eq(Cat(s3.burst.last, s3.burst.addr)),
            bus.awsize.eq(shift),
            bus.awburst.eq(1),
            bus.wvalid.eq(~free & relay.o.valid),
            bus.wdata.eq(relay.o.payload),
            bus.wstrb.eq(~0),
            bus.wlast.eq(last_word),
            relay.o.ready.eq(~free & bus.wready),
        ]
        with m.If(bus.awready):
            m.d.sync += bus.awvalid.eq(0)
        with m.If(w_step):
            m.d.sync += [left.eq(left - 1), last_word.eq(left == 2), free.eq(last_word)]
        # Whatever comes next: `start` comes late and reaches little.
        with m.If(ready):
            m.d.sync += [left.eq(s3.burst.beats), last_word.eq(s3.burst.beats == 1)]
        with m.If(~bus.awvalid):
            m.d.sync += [bus.awaddr.eq(s3.bus_addr), bus.awlen.eq(s3.burst.beats - 1)]
        with m.If(start):
            m.d.sync += [bus.awvalid.eq(1), free.eq(0)]

        if config.scratch_words:
            kept, place = Signal(), Signal(range(config.scratch_words))
            m.d.sync += [
                self.kept.valid.eq(w_step & kept),
                self.kept.payload.addr.eq(place),
                self.kept.payload.word.eq(relay.o.payload),
            ]
            with m.If(w_step):
                m.d.sync += place.eq(place + 1)
            with m.If(ready):
                m.d.sync += [kept.eq(s3.burst.kept), place.eq(s3.burst.place)]

        response = Signal()
        m.d.comb += [
            bus.bready.eq(tags.o.valid),
            response.eq(bus.bvalid & bus.bready),
            tags.o.ready.eq(bus.bvalid),
            self.done.eq(response & tags.o.payload[0]),
            self.idle.eq(~bus.awvalid & ~enough & free & (tags.level == 0)),
        ]
        # Reported a cycle later.
        bad_response = Signal()
        bad_burst = Signal()
        response_addr = Signal(ADDR_BITS, reset_less=True)
        m.d.sync += [
            response_addr.eq(tags.o.payload[1:]),
            bad_response.eq(response & (bus.bresp != 0)),
            bad_burst.eq(valid3 & outside & ~self.halt),
        ]
        m.d.comb += self.fault.valid.eq(bad_response | bad_burst)
        # Whole assignments: Verilog never evaluates a combinational block that only drives a part
        # of a structure with a constant.
        cause = Mux(bad_response, ErrorCause.WRITE_RESPONSE, ErrorCause.OUTSIDE_WINDOW)
        addr = Mux(bad_response, response_addr, s3.burst.addr)
        m.d.comb += self.fault.payload.as_value().eq(
            Cat(Value.cast(cause)[:3], Const(Engine.STORE, 3), Const(0, shift), addr)
        )
        return m
