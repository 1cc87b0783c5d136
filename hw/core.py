"""The core: engines, array, memory port and counters wired together."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, DomainRenamer, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..spec import isa, registers
from ..spec.config import Config
from ..spec.isa import Engine
from ..spec.registers import ErrorCause
from . import input_transform
from .accumulator import CONTROL_LEAD, Accumulators
from .arbiter import ReadArbiter
from .array import SystolicArray, column_latency
from .axi import AXI4, join
from .common import delay
from .completion import Completion
from .compute import ComputeEngine
from .drain import DrainEngine
from .error_latch import ErrorLatch
from .events import EventMonitor
from .fetch import Fetch
from .input_buffer import READ_LATENCY, InputBuffer
from .input_transform import InputTransform
from .layouts import take_pattern, take_run
from .load import LoadEngine
from .profile import Profiler
from .queue import InstructionQueue
from .reader import Reader
from .scratchpad import Scratchpad
from .status import SETTINGS, STATUS
from .store import StoreEngine
from .weight_sequencer import reuse_latency

FETCH = len(Engine)  # the fetch unit's number among the engines in error reports
# Who reads memory, in the arbiter's order. The first ones' feature maps may be in the scratchpad.
READERS = (Engine.LOAD, Engine.RESIDUAL, Engine.WEIGHTS, FETCH)
MIRRORED = 2
STATE_LEVEL_BIT = 8  # of STATE_*: queued words from here on


class Units:
    """The units, each with a reset of its own; a submodule is called as it is here."""

    def __init__(self, config: Config):
        self.fetch = Fetch(config)
        self.arbiter = ReadArbiter(config, list(READERS))
        self.load = LoadEngine(config)
        self.weights = Reader(config, config.weight_words)
        self.residual = Reader(config, config.residual_words)
        self.buffer = InputBuffer(config)
        self.compute = ComputeEngine(config)
        self.array = SystolicArray(config)
        if config.winograd:
            self.transform = InputTransform(config)
        self.accumulators = Accumulators(config)
        self.drain = DrainEngine(config)
        self.store = StoreEngine(config)
        self.profile = Profiler(config)
        self.queue = [InstructionQueue(config, e) for e in Engine]
        if config.scratch_words:
            self.scratchpad = Scratchpad(config, MIRRORED)

    def named(self) -> dict[str, wiring.Component]:
        """All units; a queue is called ``queue_`` and its engine."""
        units = {name: unit for name, unit in vars(self).items() if name != "queue"}
        return units | {f"queue_{e.name.lower()}": self.queue[e] for e in Engine}


class Core(wiring.Component):
    """Everything behind the registers. It is reset by each start, so every run begins alike.

    Members
    -------
    bus : Out(AXI4)
    resets : In                            one for each unit
    start : In                             1 cycle after the reset, or later
    settings : In(SETTINGS)                constant from ``start`` on
    bad_settings : In                      they are not possible: no start
    finished : Out                         the whole program is complete
    quiet : Out                            no memory transaction in flight
    status : Out(STATUS)
    profile_addr : In, profile_data : Out  the profile memory: `memory.READ_LATENCY` cycles
    """

    def __init__(self, config: Config):
        self._config = config
        self._units = Units(config)
        records = config.profile_marks * len(registers.PROFILE_FIELDS)
        super().__init__(
            {
                "bus": Out(AXI4(config.rows)),
                "resets": In(len(self._units.named())),
                "start": In(1),
                "settings": In(SETTINGS),
                "bad_settings": In(1),
                "finished": Out(1),
                "quiet": Out(1),
                "status": Out(STATUS),
                "profile_addr": In(range(records)),
                "profile_data": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # One reset register for all units would drive thousands.
        for (name, unit), reset in zip(self._units.named().items(), self.resets, strict=True):
            m.domains += (domain := ClockDomain(name, local=True))
            m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(reset)]
            m.submodules[name] = DomainRenamer(name)(unit)
        m.submodules.completion = completion = Completion()
        m.submodules.errors = errors = ErrorLatch(4)
        m.submodules.events = events = EventMonitor()
        self._connect_instructions(m, completion)
        self._connect_memory(m, errors)
        self._connect_data_path(m)
        self._connect_errors(m, errors)
        self._connect_counters(m, completion, events)

        u, status = self._units, self.status
        m.d.comb += [
            # A count of which the units see 0 would be complete at once.
            completion.start.eq(self.start & ~self.bad_settings),
            completion.failed.eq(errors.failed),
            self.finished.eq(completion.finished),
            status.error.eq(errors.error),
            status.fetched.eq(u.fetch.fetched),
            status.profile_count.eq(u.profile.records),
        ]
        for e, queue in zip(Engine, u.queue, strict=True):
            busy, blocked = ~completion.idle[e], queue.blocked[0] | queue.blocked[1]
            m.d.comb += [
                status.done[e].eq(completion.done[e]),
                status.state[e].eq(Cat(busy, blocked, queue.level << (STATE_LEVEL_BIT - 2))),
            ]
        return m

    def _connect_instructions(self, m: Module, completion: Completion) -> None:
        """From the fetch through the queues to the engines, and the counts that they wait for."""
        u = self._units
        m.d.comb += [
            u.fetch.start.eq(self.start),
            u.fetch.addr.eq(self.settings.prog_addr >> exact_log2(self._config.rows)),
            u.fetch.count.eq(self.settings.prog_count),
            completion.sent.eq(u.fetch.finished),
        ]
        done = {
            Engine.LOAD: u.load.done,
            Engine.WEIGHTS: u.weights.finished,
            Engine.RESIDUAL: u.residual.finished,
            Engine.COMPUTE: u.accumulators.finished,
            Engine.DRAIN: u.drain.done,
            Engine.STORE: u.store.done,
        }
        for e, queue in zip(Engine, u.queue, strict=True):
            connect(m, u.fetch.queue[e], queue.i)
            m.d.comb += u.fetch.taken[e].eq(queue.taken)
            m.d.comb += [
                completion.dispatched[e].eq(u.fetch.dispatched[e]),
                completion.completed[e].eq(done[e]),
            ]
            for side, awaited in enumerate(isa.WAITS[e]):
                if awaited is not None:
                    m.d.comb += queue.done[side].eq(completion.done[awaited])
        connect(m, u.queue[Engine.LOAD].o, u.load.i)
        connect(m, u.queue[Engine.COMPUTE].o, u.compute.i)
        connect(m, u.queue[Engine.DRAIN].o, u.drain.i)
        connect(m, u.queue[Engine.STORE].o, u.store.i)
        weights, residual = u.queue[Engine.WEIGHTS].o, u.queue[Engine.RESIDUAL].o
        for queue, reader in ((weights, u.weights), (residual, u.residual)):
            m.d.comb += [reader.i.valid.eq(queue.valid), queue.ready.eq(reader.i.ready)]
        m.d.comb += take_run(u.weights.i.payload, weights.payload.addr, weights.payload.length)
        m.d.comb += take_pattern(u.residual.i.payload, residual.payload)

    def _connect_memory(self, m: Module, errors: ErrorLatch) -> None:
        """Readers, arbiter and STORE to the memory port, the scratchpad between them."""
        u, settings = self._units, self.settings
        shift = exact_log2(self._config.rows)
        readers = {
            Engine.LOAD: u.load,
            Engine.RESIDUAL: u.residual,
            Engine.WEIGHTS: u.weights,
            FETCH: u.fetch,
        }
        for i, engine in enumerate(READERS):
            request, data = u.arbiter.request[i], u.arbiter.data[i]
            if self._config.scratch_words and i < MIRRORED:
                connect(m, u.scratchpad.memory_request[i], request)
                connect(m, data, u.scratchpad.memory_data[i])
                request, data = u.scratchpad.request[i], u.scratchpad.data[i]
            connect(m, readers[engine].request, request)
            connect(m, data, readers[engine].data)
        if self._config.scratch_words:
            connect(m, u.store.kept, u.scratchpad.write)
        join(m, u.arbiter.bus, u.store.bus, self.bus)
        # Weights and instructions are prefetched far ahead; input tiles are awaited sooner.
        ample = Cat(Const(0, MIRRORED), u.weights.ample, u.fetch.ample)
        defer = ample & u.load.asking.replicate(len(READERS))
        m.d.comb += u.arbiter.defer.eq(delay(m, defer, 1, "defer"))
        for unit in (u.arbiter, u.store):
            m.d.comb += [
                unit.mem_base.eq(settings.mem_base),
                unit.mem_words.eq(settings.mem_size >> shift),
                unit.halt.eq(errors.failed),
            ]
        m.d.comb += [
            u.store.write_words.eq(settings.write_base >> shift),
            self.quiet.eq(u.arbiter.idle & u.store.idle),
        ]

    def _connect_data_path(self, m: Module) -> None:
        """Buffer, array, accumulators, drain. The array's other inputs are delayed by the buffer's
        latency to stay in step with the vector."""
        u, config = self._units, self._config
        connect(m, u.load.write, u.buffer.write)
        connect(m, u.weights.o, u.compute.words)
        m.d.comb += u.buffer.addr.eq(u.compute.read_addr)
        to_array = READ_LATENCY
        vector = u.buffer.vector
        if config.winograd:
            place = Cat(u.compute.winograd, u.compute.position)
            m.d.comb += [
                u.transform.vector.eq(u.buffer.vector),
                Cat(u.transform.winograd, u.transform.position).eq(
                    delay(m, place, READ_LATENCY, "place", reset_less=True)
                ),
            ]
            vector = u.transform.transformed
            to_array += input_transform.LATENCY
        # A slot may be written again once its last vector is in the array; what takes it comes so
        # much later.
        used = Cat(u.compute.k_tile_end, u.compute.winograd)
        to_used = to_array - reuse_latency(config)
        to_accumulators = to_array + column_latency(config) - CONTROL_LEAD
        m.d.comb += [
            u.array.vector.eq(vector),
            u.array.slot.eq(delay(m, u.compute.slot, to_array, "slot", reset_less=True)),
            Cat(u.compute.used, u.compute.used_winograd).eq(delay(m, used, to_used, "used")),
            u.array.weight_valid.eq(u.compute.weight_valid),
            u.array.weight_column.eq(u.compute.weight_column),
            u.array.weight_slot.eq(u.compute.weight_slot),
            u.array.weight.eq(u.compute.weight),
            u.accumulators.control.eq(delay(m, u.compute.control, to_accumulators, "control")),
            u.accumulators.read.eq(u.drain.read),
            u.drain.lanes.eq(u.accumulators.lanes),
            u.drain.param.eq(u.compute.param),
            u.drain.param_valid.eq(u.compute.param_valid),
            u.drain.table_write.eq(u.compute.table_write),
            u.drain.table_valid.eq(u.compute.table_valid),
        ]
        for c in range(config.columns):
            m.d.comb += u.accumulators.dot[c].eq(u.array.dot[c])
        connect(m, u.residual.o, u.drain.residual)
        connect(m, u.drain.o, u.store.words)

    def _connect_errors(self, m: Module, errors: ErrorLatch) -> None:
        """Bad settings are known before the first instruction is read."""
        u = self._units
        opcode, settings = errors.fault[2:]
        connect(m, u.arbiter.fault, errors.fault[0])
        connect(m, u.store.fault, errors.fault[1])
        at = self.settings.prog_addr + u.fetch.fetched * isa.INSTRUCTION_BYTES
        m.d.comb += [
            opcode.valid.eq(u.fetch.bad_opcode),
            opcode.payload.cause.eq(ErrorCause.BAD_OPCODE),
            opcode.payload.engine.eq(FETCH),
            opcode.payload.addr.eq(at),
            settings.valid.eq(delay(m, self.start & self.bad_settings, 1, "bad_start")),
            settings.payload.cause.eq(ErrorCause.BAD_SETTINGS),
            settings.payload.engine.eq(FETCH),
        ]

    def _connect_counters(self, m: Module, completion: Completion, events: EventMonitor) -> None:
        u, bus = self._units, self.bus
        blocked = u.queue[Engine.COMPUTE].blocked
        m.d.comb += [
            events.running.eq(completion.running),
            events.busy.eq(u.compute.read_en),
            events.wait_weights.eq(u.compute.wait_weights),
            *(a.eq(b) for a, b in zip(events.blocked, blocked, strict=True)),
            events.read_address.valid.eq(bus.arvalid),
            events.read_address.ready.eq(bus.arready),
            events.read_data.valid.eq(bus.rvalid),
            events.read_data.ready.eq(bus.rready),
            events.write_data.valid.eq(bus.wvalid),
            events.write_data.ready.eq(bus.wready),
            u.profile.mark.eq(u.accumulators.mark),
            u.profile.addr.eq(self.profile_addr),
            self.profile_data.eq(u.profile.data),
        ]
        connect(m, events.events, u.profile.events)
        connect(m, u.profile.counters, flipped(self.status.counters))
