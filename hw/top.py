"""The accelerator: registers, engines, array and memory port wired together."""

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..spec import isa, registers
from ..spec.config import Config
from ..spec.isa import Engine
from ..spec.registers import ErrorCause
from .accumulator import CONTROL_LEAD, Accumulators
from .arbiter import ReadArbiter
from .array import SystolicArray, column_latency
from .axi import AXI4, AXI4Lite
from .common import copies, delay
from .compute import ComputeEngine
from .control import RegisterFile
from .drain import DrainEngine
from .fetch import Fetch
from .input_buffer import READ_LATENCY, InputBuffer
from .layouts import take_pattern
from .load import LoadEngine
from .profile import Profiler
from .queue import InstructionQueue
from .reader import Reader
from .scratchpad import Scratchpad
from .store import StoreEngine

FETCH = len(Engine)  # the fetch unit's number among the engines in error reports
BOUNDARY_BITS = 12  # no AXI burst crosses 4 KiB


class Core(wiring.Component):
    """Everything behind the registers. It is reset by each start, so every run begins alike.

    Members
    -------
    bus : Out(AXI4)
    resets : In                            one for each unit
    start : In                             1 cycle after the reset, or later
    mem_base, mem_size, write_base, prog_addr, prog_count : In(32)   see the register map
    bad_settings : In                      the settings above are not possible: no start
    finished : Out                         the whole program is complete
    error_cause, error_engine, error_addr : Out
    quiet : Out                            no memory transaction in flight
    profile_addr : In, profile_data : Out
    status NAMEs : Out(32)                 counters, DONE_*, STATE_*, FETCHED, PROFILE_COUNT
    """

    def __init__(self, config: Config):
        self._config = config
        self._status = [
            *registers.COUNTERS,
            "FETCHED",
            "PROFILE_COUNT",
            *(f"{kind}_{e.name}" for kind in ("DONE", "STATE") for e in Engine),
        ]
        records = config.profile_marks * len(registers.PROFILE_FIELDS)
        self._units = [
            "fetch",
            "arbiter",
            "load",
            "weights",
            "residual",
            "buffer",
            "compute",
            "array",
            "accumulators",
            "drain",
            "store",
            "profile",
            *(f"queue_{e.name.lower()}" for e in Engine),
            *(["scratchpad"] if config.scratch_words else []),
        ]
        super().__init__(
            {
                "bus": Out(AXI4(config.rows)),
                "resets": In(len(self._units)),
                "start": In(1),
                "mem_base": In(32),
                "mem_size": In(32),
                "write_base": In(32),
                "prog_addr": In(32),
                "prog_count": In(32),
                "bad_settings": In(1),
                "finished": Out(1),
                "error_cause": Out(3),
                "error_engine": Out(3),
                "error_addr": Out(32),
                "quiet": Out(1),
                "profile_addr": In(range(records)),
                "profile_data": Out(32),
                **{name.lower(): Out(32) for name in self._status},
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        shift = exact_log2(config.rows)
        error = Signal()
        running = Signal()
        with m.If(self.start):
            m.d.sync += running.eq(1)
        with m.If(self.finished | error):
            m.d.sync += running.eq(0)

        # Units, each with a reset of its own: one register for all would drive thousands.
        resets = dict(zip(self._units, self.resets, strict=True))

        def add(name: str, unit):
            m.domains += (domain := ClockDomain(name, local=True))
            m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(resets[name])]
            m.submodules[name] = DomainRenamer(name)(unit)
            return unit

        fetch = add("fetch", Fetch(config))
        readers = [Engine.LOAD, Engine.RESIDUAL, Engine.WEIGHTS, FETCH]
        arbiter = add("arbiter", ReadArbiter(config, readers))
        load = add("load", LoadEngine(config))
        weights = add("weights", Reader(config, config.weight_words))
        residual = add("residual", Reader(config, config.residual_words))
        buffer = add("buffer", InputBuffer(config))
        compute = add("compute", ComputeEngine(config))
        array = add("array", SystolicArray(config))
        accumulators = add("accumulators", Accumulators(config))
        drain = add("drain", DrainEngine(config))
        store = add("store", StoreEngine(config))
        profile = add("profile", Profiler(config))

        # Queues and completion counts.
        queues, done = {}, {}
        for e in Engine:
            name = e.name.lower()
            queues[e] = add(f"queue_{name}", InstructionQueue(config, e))
            done[e] = Signal(isa.WAIT_BITS, name=f"done_{name}")
            connect(m, fetch.queue[e], queues[e].i)
        for e, waits in isa.WAITS.items():
            for side, awaited in enumerate(waits):
                if awaited is not None:
                    m.d.comb += queues[e].done[side].eq(done[awaited])
        pulses = {
            Engine.LOAD: load.done,
            Engine.WEIGHTS: weights.finished,
            Engine.RESIDUAL: residual.finished,
            Engine.COMPUTE: accumulators.finished,
            Engine.DRAIN: drain.done,
            Engine.STORE: store.done,
        }
        for e, pulse in pulses.items():
            m.d.sync += done[e].eq(done[e] + pulse)

        # Instructions.
        connect(m, queues[Engine.LOAD].o, load.i)
        connect(m, queues[Engine.COMPUTE].o, compute.i)
        connect(m, queues[Engine.DRAIN].o, drain.i)
        connect(m, queues[Engine.STORE].o, store.i)
        queue, pattern = queues[Engine.WEIGHTS].o, weights.i.payload
        m.d.comb += [
            weights.i.valid.eq(queue.valid),
            queue.ready.eq(weights.i.ready),
            pattern.addr.eq(queue.payload.addr),
            pattern.n_blocks.eq(1),
            pattern.n_runs.eq(1),
            pattern.run_len.eq(queue.payload.length),
        ]
        queue, pattern = queues[Engine.RESIDUAL].o, residual.i.payload
        m.d.comb += [residual.i.valid.eq(queue.valid), queue.ready.eq(residual.i.ready)]
        m.d.comb += take_pattern(pattern, queue.payload)
        m.d.comb += [
            fetch.start.eq(self.start),
            fetch.addr.eq(self.prog_addr >> shift),
            fetch.count.eq(self.prog_count),
        ]

        # Memory.
        kept = 0
        if config.scratch_words:
            # Feature maps: the readers of LOAD and RESIDUAL see memory through the scratchpad.
            kept = 2
            scratchpad = add("scratchpad", Scratchpad(config, kept))
            connect(m, store.kept, scratchpad.write)
        for i, unit in enumerate((load, residual, weights, fetch)):
            request, data = arbiter.request[i], arbiter.data[i]
            if i < kept:
                connect(m, scratchpad.memory_request[i], request)
                connect(m, data, scratchpad.memory_data[i])
                request, data = scratchpad.request[i], scratchpad.data[i]
            connect(m, unit.request, request)
            connect(m, data, unit.data)
        reads, writes, bus = arbiter.bus, store.bus, self.bus
        for member, port in AXI4(config.rows).members.items():
            source = reads if member[:2] == "ar" or member[0] == "r" else writes
            if port.flow == Out:
                m.d.comb += getattr(bus, member).eq(getattr(source, member))
            else:
                m.d.comb += getattr(source, member).eq(getattr(bus, member))
        # Weights and instructions are prefetched far ahead; input tiles are awaited sooner.
        m.d.comb += arbiter.defer.eq(
            Cat(Const(0, 2), weights.ample & load.asking, fetch.ample & load.asking)
        )
        for unit in (arbiter, store):
            m.d.comb += [
                unit.mem_base.eq(self.mem_base),
                unit.mem_words.eq(self.mem_size >> shift),
                unit.halt.eq(error),
            ]
        m.d.comb += [
            store.write_words.eq(self.write_base >> shift),
            self.quiet.eq(arbiter.idle & store.idle),
        ]

        # Data path: buffer, array, accumulators, drain. The array's other inputs are delayed by
        # the buffer's latency to stay in step with the vector.
        connect(m, load.write, buffer.write)
        connect(m, weights.o, compute.words)
        m.d.comb += buffer.addr.eq(compute.read_addr)
        bus_in = Cat(compute.weight_valid, compute.weight_column, compute.weight)
        weight_bus = delay(m, bus_in, READ_LATENCY, "weight_bus", reset_less=True)
        m.d.comb += [
            array.vector.eq(buffer.vector),
            array.swap.eq(delay(m, compute.swap, READ_LATENCY, "swap")),
            Cat(array.weight_valid, array.weight_column, array.weight).eq(weight_bus),
            accumulators.control.eq(
                delay(
                    m,
                    compute.control,
                    READ_LATENCY + column_latency(config) - CONTROL_LEAD,
                    "control",
                )
            ),
            accumulators.read.eq(drain.read),
            drain.lanes.eq(accumulators.lanes),
            drain.param.eq(compute.param),
            drain.param_valid.eq(compute.param_valid),
        ]
        for c in range(config.columns):
            m.d.comb += accumulators.dot[c].eq(array.dot[c])
        connect(m, residual.o, drain.residual)
        connect(m, drain.o, store.words)

        # Completion: every instruction sent to an engine is done.
        complete = Signal(len(Engine))
        m.d.sync += [complete[e].eq(done[e] == fetch.dispatched[e]) for e in Engine]
        m.d.sync += self.finished.eq(running & fetch.finished & complete.all() & ~error)

        # Errors: the first one stays. Bad settings are known before the first instruction is read.
        with m.If(self.start & self.bad_settings):
            m.d.sync += [
                error.eq(1),
                self.error_cause.eq(ErrorCause.BAD_SETTINGS),
                self.error_engine.eq(FETCH),
                self.error_addr.eq(0),
            ]
        with m.Elif(~error):
            for unit in (arbiter, store):
                with m.If(unit.fault.valid):
                    m.d.sync += [
                        error.eq(1),
                        self.error_cause.eq(unit.fault.payload.cause),
                        self.error_engine.eq(unit.fault.payload.engine),
                        self.error_addr.eq(unit.fault.payload.addr),
                    ]
            with m.If(fetch.bad_opcode):
                m.d.sync += [
                    error.eq(1),
                    self.error_cause.eq(ErrorCause.BAD_OPCODE),
                    self.error_engine.eq(FETCH),
                    self.error_addr.eq(self.prog_addr + fetch.fetched * isa.INSTRUCTION_BYTES),
                ]

        # Counters. Every running cycle is exactly one of busy and the four waits.
        queue = queues[Engine.COMPUTE]
        idle = running & ~compute.read_en & ~compute.wait_weights
        events = {
            "cycles": running,
            "busy": running & compute.read_en,
            "wait_weights": running & compute.wait_weights,
            "wait_load": idle & queue.blocked[0],
            "wait_drain": idle & ~queue.blocked[0] & queue.blocked[1],
            "wait_instruction": idle & ~queue.blocked[0] & ~queue.blocked[1],
            "read_beats": bus.rvalid & bus.rready,
            "write_beats": bus.wvalid & bus.wready,
            "read_stalls": bus.arvalid & ~bus.arready,
            "write_stalls": bus.wvalid & ~bus.wready,
        }
        for name, event in events.items():
            m.d.comb += [
                getattr(profile, f"event_{name}").eq(event),
                getattr(self, name).eq(getattr(profile, name)),
            ]
        m.d.comb += [
            profile.mark.eq(accumulators.mark),
            profile.addr.eq(self.profile_addr),
            self.profile_data.eq(profile.data),
            self.profile_count.eq(profile.records),
            self.fetched.eq(fetch.fetched),
        ]
        for e in Engine:
            name = e.name.lower()
            busy = ~complete[e]
            blocked = queues[e].blocked[0] | queues[e].blocked[1]
            m.d.comb += [
                getattr(self, f"done_{name}").eq(done[e]),
                getattr(self, f"state_{name}").eq(Cat(busy, blocked, queues[e].level << 6)),
            ]
        return m


class Accelerator(wiring.Component):
    """The accelerator with its two bus ports and its interrupt.

    A start is taken only while no transaction is in flight (after an error, wait for STATUS to show
    it no longer busy); the core is reset and begins three cycles later.

    Reset (synchronous, one cycle or longer, at any time) must reach whatever is behind ``m_axi``
    and in front of ``s_axil`` in the same cycles: transactions in flight are forgotten. From the
    cycle after its first one on, no valid is set and nothing is taken; two cycles after its last
    one the accelerator is as after configuration.

    Members
    -------
    m_axi : Out(AXI4)      memory
    s_axil : In(AXI4Lite)  registers
    irq : Out              level: done or error, while IRQ_ENABLE bit 0 is set
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "m_axi": Out(AXI4(config.rows)),
                "s_axil": In(AXI4Lite(registers.ADDRESS_BITS)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        regs = RegisterFile(self._config)
        m.submodules.registers = DomainRenamer("registers")(regs)
        core = Core(self._config)
        m.submodules.core = DomainRenamer("core")(core)
        connect(m, flipped(self.s_axil), regs.bus)
        connect(m, core.bus, flipped(self.m_axi))
        # The units see a reset two cycles late, the register file one: until then their handshakes
        # belong to transactions that the other side has forgotten.
        settling = Signal(2, init=~0)
        m.d.sync += settling.eq(settling << 1)
        with m.If(settling.any()):
            m.d.comb += [
                getattr(port, name).eq(0)
                for port, names in (
                    (self.m_axi, ("arvalid", "awvalid", "wvalid", "rready", "bready")),
                    (self.s_axil, ("awready", "wready", "arready", "bvalid", "rvalid")),
                    (regs.bus, ("awvalid", "wvalid", "arvalid")),
                )
                for name in names
            ]

        # A start: the reset's register, its copies, then the core begins. The reset of everything
        # goes the same way, and through a register to the register file.
        done, failed, active = Signal(), Signal(), Signal()
        start, starting = Signal(), Signal(3)
        m.d.comb += start.eq(regs.start & core.quiet & ~active & ~settling.any())
        m.d.sync += starting.eq(Cat(start, starting))
        reset = Signal(init=1)
        m.d.sync += reset.eq(start)
        own, *units = copies(m, platform, reset, 1 + len(core.resets), "reset", init=1)
        m.d.comb += [core.resets.eq(Cat(units)), core.start.eq(starting[-1])]
        cleared = Signal(init=1, reset_less=True)
        m.d.sync += cleared.eq(ResetSignal())
        for name, rst in (("core", own), ("registers", cleared)):
            m.domains += (domain := ClockDomain(name, local=True))
            m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(rst)]
        # The error of the program before is there until the core's reset has reached it.
        m.d.comb += failed.eq((core.error_cause != ErrorCause.NONE) & ~(start | starting.any()))
        # Settings do not change between their write and the start that follows it.
        word = exact_log2(self._config.rows)
        mem_end = Signal(33, reset_less=True)
        m.d.sync += [
            mem_end.eq(regs.mem_base + regs.mem_size),
            core.bad_settings.eq(
                regs.mem_base[:BOUNDARY_BITS].any()
                | (mem_end > 1 << 32)
                | regs.prog_addr[:word].any()
                | regs.write_base[:word].any()
                | regs.prog_count[isa.WAIT_BITS :].any()
            ),
        ]
        with m.If(core.finished):
            m.d.sync += [done.eq(1), active.eq(0)]
        with m.If(failed & core.quiet):
            m.d.sync += active.eq(0)
        with m.If(start | starting.any()):
            m.d.sync += [done.eq(0), active.eq(1)]
        with m.If(settling.any()):  # of what the units still hand on
            m.d.sync += [done.eq(0), active.eq(0)]
        m.d.comb += [
            regs.status.eq(Cat(active, done, failed)),
            self.irq.eq((done | (failed & ~active)) & regs.irq_enable[0]),
            core.mem_base.eq(regs.mem_base),
            core.mem_size.eq(regs.mem_size),
            core.write_base.eq(regs.write_base),
            core.prog_addr.eq(regs.prog_addr),
            core.prog_count.eq(regs.prog_count),
            regs.error_cause.eq(core.error_cause),
            regs.error_engine.eq(core.error_engine),
            regs.error_addr.eq(core.error_addr),
            core.profile_addr.eq(regs.profile_addr),
            regs.profile_data.eq(core.profile_data),
        ]
        for name in core._status:
            m.d.comb += getattr(regs, name.lower()).eq(getattr(core, name.lower()))
        return m
