"""Shares the AXI read channels among the readers and checks every burst."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from ..spec.registers import ErrorCause
from .axi import AXI4
from .layouts import ADDR_BITS, BURST, beat

ERROR = data.StructLayout({"cause": 3, "engine": 3, "addr": 32})


class ReadArbiter(wiring.Component):
    """Round robin among ``clients`` readers, one burst a cycle, ``max_reads`` bursts in flight.

    Data comes back in order; a queue of tags says whose it is. A burst that is not inside
    [0, mem_words) raises an error and nothing more is issued. ``halt`` stops issuing as well.

    Members
    -------
    request0... : In(stream of BURST)
    data0... : Out(stream of beats)
    defer : In             a bit for each client: its bursts stand back
    bus : Out(AXI4)        read channels only
    mem_base : In          bus address of word 0, in bytes (a multiple of 4 KiB)
    mem_words : In         words that may be read
    halt : In
    error : Out(ERROR), error_valid : Out   a pulse with the fault
    idle : Out             nothing in flight
    """

    def __init__(self, config: Config, engines: list[int]):
        self._config = config
        self._engines = engines
        members = {
            "bus": Out(AXI4(config.rows)),
            "mem_base": In(32), "mem_words": In(ADDR_BITS), "halt": In(1),
            "defer": In(len(engines)),
            "error": Out(ERROR), "error_valid": Out(1), "idle": Out(1),
        }  # fmt: skip
        for i in range(len(engines)):
            members[f"request{i}"] = In(stream.Signature(BURST))
            members[f"data{i}"] = Out(stream.Signature(beat(config), always_ready=True))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        count = len(self._engines)
        requests = [getattr(self, f"request{i}") for i in range(count)]
        outputs = [getattr(self, f"data{i}") for i in range(count)]
        shift = exact_log2(self._config.rows)
        bus = self.bus

        tag = data.StructLayout({"client": range(count), "last": 1})
        m.submodules.tags = tags = SyncFIFOBuffered(width=tag.size, depth=self._config.max_reads)

        # Cycle 0: choose a request.
        turn = Signal(range(count))
        chosen = Signal(range(count))
        any_valid = Signal()
        with m.Switch(turn):
            for t in range(count):
                with m.Case(t):
                    for i in reversed([(t + k) % count for k in range(1, count + 1)]):
                        with m.If(requests[i].valid & ~self.defer[i]):
                            m.d.comb += [chosen.eq(i), any_valid.eq(1)]
        burst = Signal(BURST)
        client = Signal(range(count))
        pending = Signal()
        accept = Signal()
        m.d.comb += accept.eq(any_valid & ~pending & ~self.halt)
        with m.If(accept):
            m.d.sync += [pending.eq(1), turn.eq(chosen), client.eq(chosen)]
        with m.Switch(chosen):
            for i in range(count):
                with m.Case(i):
                    m.d.comb += requests[i].ready.eq(accept)
                    with m.If(accept):
                        m.d.sync += burst.eq(requests[i].payload)

        # Cycle 1: check it and put it on the bus.
        outside = (burst.addr + burst.beats) > self.mem_words
        issue = Signal()
        m.d.comb += [
            issue.eq(pending & ~outside & tags.w_rdy & ~self.halt & (~bus.arvalid | bus.arready)),
            tags.w_en.eq(issue),
            tags.w_data.eq(Cat(client, burst.last)),
            bus.arsize.eq(shift),
            bus.arburst.eq(1),
        ]
        with m.If(bus.arready):
            m.d.sync += bus.arvalid.eq(0)
        with m.If(issue):
            m.d.sync += [
                pending.eq(0), bus.arvalid.eq(1), bus.arlen.eq(burst.beats - 1),
                bus.araddr.eq(self.mem_base + (burst.addr << shift)),
            ]  # fmt: skip

        # Data: the oldest tag says whose it is.
        head = data.View(tag, tags.r_data)
        m.d.comb += [bus.rready.eq(1), tags.r_en.eq(bus.rvalid & bus.rlast)]
        for i, output in enumerate(outputs):
            m.d.comb += [
                output.valid.eq(bus.rvalid & (head.client == i)),
                output.payload.word.eq(bus.rdata),
                output.payload.last.eq(bus.rlast & head.last),
            ]
        m.d.comb += self.idle.eq(~bus.arvalid & (tags.level == 0))

        def engine_of(index):
            numbers = Signal(3)
            with m.Switch(index):
                for i, engine in enumerate(self._engines):
                    with m.Case(i):
                        m.d.comb += numbers.eq(engine)
            return numbers

        bad_data = bus.rvalid & (bus.rresp != 0)
        data_engine, burst_engine = engine_of(head.client), engine_of(client)
        m.d.comb += self.error_valid.eq(bad_data | (pending & outside & ~self.halt))
        with m.If(bad_data):
            m.d.comb += [
                self.error.cause.eq(ErrorCause.READ_RESPONSE), self.error.engine.eq(data_engine),
            ]  # fmt: skip
        with m.Else():
            m.d.comb += [
                self.error.cause.eq(ErrorCause.OUTSIDE_WINDOW), self.error.engine.eq(burst_engine),
                self.error.addr.eq(Cat(Const(0, shift), burst.addr)),
            ]  # fmt: skip
        return m
