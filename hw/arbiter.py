"""Shares the AXI read channels among the readers and checks every burst."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from ..spec.registers import ErrorCause
from .axi import AXI4
from .common import less
from .layouts import ADDR_BITS, BURST, ERROR, beat
from .memory import Fifo


class ReadArbiter(wiring.Component):
    """Round robin among ``clients`` readers, a burst every 4 cycles, ``max_reads`` in flight.

    Data comes back in order; a queue of tags says whose it is. A burst that is not inside
    [0, mem_words) raises an error and nothing more is issued. ``halt`` stops issuing as well.

    Members
    -------
    request[i] : In(stream of BURST)   one for each client
    data[i] : Out(stream of beats)
    defer : In             a bit for each client: its bursts stand back
    bus : Out(AXI4)        read channels only
    mem_base : In          bus address of word 0, in bytes (a multiple of 4 KiB)
    mem_words : In         words that may be read
    halt : In
    fault : Out(stream of ERROR)   a pulse with the fault and its burst's address
    idle : Out             nothing in flight
    """

    def __init__(self, config: Config, engines: list[int]):
        self._config = config
        self._engines = engines
        clients = len(engines)
        beats = stream.Signature(beat(config), always_ready=True)
        super().__init__(
            {
                "request": In(stream.Signature(BURST)).array(clients),
                "data": Out(beats).array(clients),
                "bus": Out(AXI4(config.rows)),
                "mem_base": In(32),
                "mem_words": In(ADDR_BITS),
                "halt": In(1),
                "defer": In(clients),
                "fault": Out(stream.Signature(ERROR, always_ready=True)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = len(self._engines)
        requests = self.request
        shift = exact_log2(self._config.rows)
        bus = self.bus

        tag = data.StructLayout({"client": range(count), "last": 1, "addr": ADDR_BITS})
        m.submodules.tags = tags = Fifo(tag.size, self._config.max_reads)

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
        # The burst on its way to the bus: those behind wait until the last stage is empty.
        stage = data.StructLayout(
            {
                "client": range(count),
                "burst": BURST,
                "end": ADDR_BITS + 1,
                "bus_addr": 32,
                "outside": 1,
            }
        )
        s1, s2, s3 = (Signal(stage, name=f"s{i}", reset_less=True) for i in range(1, 4))
        valid1, valid2, valid3 = (Signal(name=f"valid{i}") for i in range(1, 4))
        go = Signal()
        # A grant lasts one cycle and finds the first stage empty: nothing that a reader does with
        # it depends on the stages behind.
        grant = Signal(count)
        granting = grant.any()
        choose = Signal()
        occupied = Signal()  # granting | valid1, the register before the choice
        m.d.comb += choose.eq(any_valid & ~occupied & ~self.halt)
        m.d.sync += occupied.eq(choose | granting | (valid1 & ~go))
        with m.If(choose):
            m.d.sync += turn.eq(chosen)
            m.d.sync += [grant[i].eq(chosen == i) for i in range(count)]
        with m.Else():
            m.d.sync += grant.eq(0)
        m.d.comb += [requests[i].ready.eq(grant[i]) for i in range(count)]
        with m.If(granting):
            m.d.sync += [valid1.eq(1), s1.client.eq(turn)]
        with m.Elif(go):
            m.d.sync += valid1.eq(0)
        with m.Switch(turn):
            for i in range(count):
                with m.Case(i), m.If(granting):
                    m.d.sync += s1.burst.eq(requests[i].payload)

        # Cycle 1: where it ends and its bus address. Cycle 2: check it.
        with m.If(go):
            m.d.sync += [
                valid2.eq(valid1),
                s2.eq(s1),
                s2.end.eq(s1.burst.addr + s1.burst.beats),
                s2.bus_addr.eq(self.mem_base + (s1.burst.addr << shift)),
                valid3.eq(valid2),
                s3.eq(s2),
                s3.outside.eq(less(self.mem_words, s2.end)),
            ]

        # Cycle 3: may it be asked for? Cycle 4: put it on the bus.
        issue, may = Signal(), Signal()
        m.d.sync += may.eq(
            valid3 & ~issue & ~s3.outside & ~self.halt & (tags.level != self._config.max_reads)
        )
        m.d.comb += [
            issue.eq(may & ~bus.arvalid),
            go.eq(~valid3),
            tags.i.valid.eq(issue),
            tags.i.payload.eq(Cat(s3.client, s3.burst.last, s3.burst.addr)),
            bus.arsize.eq(shift),
            bus.arburst.eq(1),
        ]
        with m.If(bus.arready):
            m.d.sync += bus.arvalid.eq(0)
        with m.If(issue):
            m.d.sync += [valid3.eq(0), bus.arvalid.eq(1)]
        with m.If(~bus.arvalid):
            m.d.sync += [bus.arlen.eq(s3.burst.beats - 1), bus.araddr.eq(s3.bus_addr)]

        # Data: the oldest tag says whose it is. It is handed on a cycle later.
        head = data.View(tag, tags.o.payload)
        step = Signal()
        m.d.comb += [
            bus.rready.eq(tags.o.valid),
            step.eq(bus.rvalid & bus.rready),
            tags.o.ready.eq(bus.rvalid & bus.rlast),
        ]
        word = Signal.like(bus.rdata, name="word", reset_less=True)
        last = Signal()
        m.d.sync += [word.eq(bus.rdata), last.eq(bus.rlast & head.last)]
        for i, output in enumerate(self.data):
            valid = Signal(name=f"valid{i}")
            m.d.sync += valid.eq(step & (head.client == i))
            m.d.comb += [
                output.valid.eq(valid),
                output.payload.word.eq(word),
                output.payload.last.eq(last),
            ]
        m.d.comb += self.idle.eq(~bus.arvalid & ~may & (tags.level == 0))

        def engine_of(index):
            numbers = Signal(3)
            with m.Switch(index):
                for i, engine in enumerate(self._engines):
                    with m.Case(i):
                        m.d.comb += numbers.eq(engine)
            return numbers

        bad_data = Signal()
        data_client = Signal(range(count))
        data_addr = Signal(ADDR_BITS, reset_less=True)
        m.d.sync += [
            bad_data.eq(step & (bus.rresp != 0)),
            data_client.eq(head.client),
            data_addr.eq(head.addr),
        ]
        data_engine, burst_engine = engine_of(data_client), engine_of(s3.client)
        outside = Signal()
        m.d.sync += outside.eq(valid3 & s3.outside & ~self.halt)
        m.d.comb += self.fault.valid.eq(bad_data | outside)
        with m.If(bad_data):
            m.d.comb += [
                self.fault.payload.cause.eq(ErrorCause.READ_RESPONSE),
                self.fault.payload.engine.eq(data_engine),
                self.fault.payload.addr.eq(Cat(Const(0, shift), data_addr)),
            ]
        with m.Else():
            m.d.comb += [
                self.fault.payload.cause.eq(ErrorCause.OUTSIDE_WINDOW),
                self.fault.payload.engine.eq(burst_engine),
                self.fault.payload.addr.eq(Cat(Const(0, shift), s3.burst.addr)),
            ]
        return m
