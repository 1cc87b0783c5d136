"""Registers, start, completion, errors: what a host sees, and what a run begins and ends with."""

from functools import partial

from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal, Value

from resarray.hw.common import signals
from resarray.hw.completion import Completion
from resarray.hw.error_latch import ErrorLatch
from resarray.hw.register_file import WRITE_CYCLES, RegisterFile
from resarray.hw.settings import SettingsCheck
from resarray.hw.start import START_CYCLES, StartSequencer
from resarray.spec import registers
from resarray.spec.isa import Engine

from ..harness import Harness, past
from ..properties import Edit, Induction, Property, Reachable
from ..units import SMALL
from .memory_port import keeps

READ_CYCLES = 7
START_PULSE_CYCLES = 3  # from CTRL's write


class Access(Harness):
    """The AXI4-Lite slave's rules."""

    def specify(self, m: Module, platform) -> None:
        unit, bus = self.unit, self.unit.bus
        for valid, ready, payload in (
            (bus.awvalid, bus.awready, [bus.awaddr]),
            (bus.wvalid, bus.wready, [bus.wdata, bus.wstrb]),
            (bus.arvalid, bus.arready, [bus.araddr]),
        ):
            waiting = past(m, valid & ~ready, f"{valid.name}_waiting")
            kept = Cat(payload) == past(m, Cat(payload), f"{valid.name}_payload")
            m.d.comb += Assume(~waiting | (valid & kept))
        keeps(m, bus.bvalid, bus.bready, [bus.bresp], "b")
        keeps(m, bus.rvalid, bus.rready, [bus.rdata, bus.rresp], "r")
        written, read = bus.wvalid & bus.wready, bus.arvalid & bus.arready
        answered, given = bus.bvalid & bus.bready, bus.rvalid & bus.rready
        write_due, read_due = Signal(), Signal()
        write_wait, read_wait = Signal(4), Signal(4)
        m.d.sync += [
            write_due.eq(written | (write_due & ~answered)),
            read_due.eq(read | (read_due & ~given)),
            write_wait.eq(Mux(write_due & ~bus.bvalid, write_wait + 1, 0)),
            read_wait.eq(Mux(read_due & ~bus.rvalid, read_wait + 1, 0)),
        ]
        m.d.comb += [
            Assert(written == (bus.awvalid & bus.awready), "address and data go apart"),
            Assert(~bus.bvalid | write_due, "an answer to no write"),
            Assert(~bus.rvalid | read_due, "data of no read"),
            Assert(~(written & write_due), "a write within another"),
            Assert(~(read & read_due), "a read within another"),
            Assert(write_wait < WRITE_CYCLES, "a write is not answered"),
            Assert(read_wait < READ_CYCLES, "a read is not answered"),
            Assert((bus.bresp == 0) & (bus.rresp == 0)),
        ]
        ctrl = registers.REGISTERS["CTRL"].offset >> 2
        begins = written & (bus.awaddr >> 2 == ctrl) & bus.wstrb[0] & bus.wdata[0]
        for i in range(START_PULSE_CYCLES):
            begins = past(m, begins, f"begins{i}")
        m.d.comb += Assert(unit.start == begins)


class Values(Harness):
    """Any byte of a setting is as it was written last, and reads so; while a program runs, writes
    reach IRQ_ENABLE alone, so that the others are looked at while none does."""

    def __init__(self, unit: RegisterFile, name: str, byte: int):
        self.name, self.byte = name, byte
        super().__init__(unit)

    def specify(self, m: Module, platform) -> None:
        unit, bus = self.unit, self.unit.bus
        written, read = bus.wvalid & bus.wready, bus.arvalid & bus.arready
        given = bus.rvalid & bus.rready
        at = registers.REGISTERS[self.name.upper()].offset >> 2
        if self.name != "irq_enable":
            m.d.comb += Assume(~unit.state[0])
        setting = signals(unit.settings)[self.name]
        value = Signal(8)
        with m.If(written & (bus.awaddr >> 2 == at) & bus.wstrb[self.byte]):
            m.d.sync += value.eq(bus.wdata.word_select(self.byte, 8))
        under_way = Signal()
        m.d.sync += under_way.eq(written | (under_way & ~bus.bvalid))
        # A read that begins when no write is under way; its data come before the next one acts.
        clear, address = Signal(), Signal(registers.ADDRESS_BITS)
        with m.If(read):
            m.d.sync += [clear.eq(~written & ~under_way), address.eq(bus.araddr)]
        with m.Elif(written):
            m.d.sync += clear.eq(0)
        got = bus.rdata.word_select(self.byte, 8)
        m.d.comb += [
            Assert((under_way & ~bus.bvalid) | (setting.word_select(self.byte, 8) == value)),
            Assert(~(given & clear & (address >> 2 == at)) | (got == value), "another value"),
        ]


class Start(Harness):
    """The core is reset while nothing is in flight only, and begins START_CYCLES after."""

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        # Whether it may be taken is known a cycle later.
        beginning, taken = Signal(), Signal()
        quiet = past(m, unit.quiet, "quiet")
        idle = past(m, ~unit.active & ~unit.settling & ~beginning, "idle")
        begun = past(m, taken, "begun")
        first = Signal(init=1)
        m.d.sync += first.eq(0)
        laters = [begun]
        for i in range(START_CYCLES - 1):
            laters.append(past(m, laters[-1], f"later{i}"))
        later = laters[-1]
        m.d.comb += [
            taken.eq(unit.request & quiet & idle),
            beginning.eq(taken | Cat(laters).any()),
            Assert(~(taken & unit.active), "a start while a program is active"),
        ]
        m.d.comb += [
            Assert(first | (unit.reset == begun), "a reset without a start"),
            Assert(unit.start == later, "it begins at another time"),
            Assert(~unit.start | ~unit.reset),
            Assert(~(unit.reset & ~first) | past(m, quiet, "quiet_before")),
            Assert(~(unit.done & unit.active), "done while it runs"),
            Assert(~(unit.settling & begun)),
        ]


class Counts(Harness):
    """Engines complete only what they were sent; a program is finished when all is done."""

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        done = [Signal(20, name=f"model{e.value}") for e in Engine]
        for e in Engine:
            sent, counted = unit.dispatched[e], past(m, done[e], f"counted{e.value}")
            m.d.sync += done[e].eq(done[e] + unit.completed[e])
            # What is sent stays sent; an engine is not faster than that.
            m.d.comb += [
                Assume(sent >= past(m, sent, f"sent{e.value}")),
                Assume(~unit.completed[e] | (done[e] < sent)),
                Assert(unit.done[e] == counted),
                Assert(unit.done[e] <= sent, "more is done than was sent"),
                Assert(unit.idle[e] == past(m, counted == sent, f"all{e.value}")),
            ]
        m.d.comb += [
            Assert(~unit.finished | past(m, unit.sent & ~unit.failed, "sent"), "it ends early"),
            Assert(~unit.finished | past(m, unit.idle.all(), "idle")),
            Assert(~past(m, unit.failed & ~unit.start, "failed") | ~unit.running),
        ]


class First(Harness):
    """The first fault stays; it is told two cycles later."""

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        some = Cat(fault.valid for fault in unit.fault).any()
        kept = Signal.like(Value.cast(unit.error))
        failed = Signal()
        with m.If(some & ~failed):
            m.d.sync += failed.eq(1)
            for fault in unit.fault:
                with m.If(fault.valid):
                    m.d.sync += kept.eq(fault.payload)
        told, error = past(m, failed, "failed"), past(m, kept, "kept")
        m.d.comb += Assert((unit.failed == told) & (Value.cast(unit.error) == error))


class Possible(Harness):
    """`bad` says of settings that do not change exactly that the window is none."""

    def specify(self, m: Module, platform) -> None:
        unit, s = self.unit, self.unit.settings
        values = Cat(signals(s).values())
        steady = Signal(2)
        same = values == past(m, values, "values")
        m.d.sync += steady.eq(Mux(same, steady + ~steady.all(), 0))
        word = SMALL.rows
        bad = (
            (s.mem_base % (1 << 12) != 0)
            | (s.mem_base + s.mem_size > 1 << 32)
            | (s.prog_addr % word != 0)
            | (s.write_base % word != 0)
            | (s.prog_count >= 1 << 20)
        )
        m.d.comb += Assert(~(steady.all() & same) | (unit.bad == bad))


class Kept(Harness):
    """While a program runs, and until a write from before it has acted."""

    def specify(self, m: Module, platform) -> None:
        running = self.unit.state[0]
        for i in range(WRITE_CYCLES):
            running = running & past(m, running, f"running{i}")
        for name, setting in signals(self.unit.settings).items():
            if name != "irq_enable":
                m.d.comb += Assert(~running | (setting == past(m, setting, name)), f"{name} moves")


def _values(name: str, byte: int) -> Values:
    return Values(RegisterFile(SMALL), name, byte)


# Bytes are alike: one of each setting.
SETTINGS = [
    (register.name.lower(), i % 4)
    for i, register in enumerate(r for r in registers.REGISTERS.values() if r.access == "rw")
]

PROPERTIES = [
    Property(
        name="registers-access",
        unit="register_file.RegisterFile",
        says="AXI4-Lite: one answer to each access, in time, kept until it is taken; a start comes "
        "of CTRL alone.",
        build=lambda: Access(RegisterFile(SMALL)),
        method=Reachable(),
        twins=(
            Edit(
                "any register starts", "hw.register_file", 'enables("CTRL")[0] & chosen', "chosen"
            ),
            Edit(
                "an answer goes at once",
                "hw.register_file",
                "m.Elif(bus.bvalid & bus.bready)",
                "m.Elif(bus.bvalid)",
            ),
            Edit(
                "a read takes another",
                "hw.register_file",
                "bus.arready.eq(~busy)",
                "bus.arready.eq(1)",
            ),
        ),
    ),
    *(
        Property(
            name=f"registers-{name.replace('_', '-')}",
            unit="register_file.RegisterFile",
            says=f"{name.upper()} is what was written, byte by byte, and reads so.",
            build=partial(_values, name, byte),
            method=Reachable(),
            twins=(
                Edit(
                    "strobes are not looked at",
                    "hw.register_file",
                    "strobe & chosen",
                    "15 & chosen",
                ),
            ),
        )
        for name, byte in SETTINGS
    ),
    Property(
        name="registers-kept",
        unit="register_file.RegisterFile",
        says="While a program runs, no setting but IRQ_ENABLE moves.",
        build=lambda: Kept(RegisterFile(SMALL)),
        method=Reachable(),
        twins=(
            Edit(
                "all are written at any time",
                "hw.register_file",
                '1 if name == "IRQ_ENABLE" else ~self.state[0]',
                "1",
            ),
        ),
        quick=True,
    ),
    Property(
        name="start-quiet",
        unit="start.StartSequencer",
        says="Only a start resets the core, and only while no program is active and, in the cycle "
        "before, no transaction in flight; the core begins 3 cycles later; it is never done and "
        "active.",
        build=lambda: Start(StartSequencer()),
        method=Reachable(),
        twins=(
            Edit(
                "it does not wait for quiet",
                "hw.start",
                "able.eq(self.quiet & ~self.active",
                "able.eq(~self.active",
            ),
            Edit(
                "it begins early",
                "hw.start",
                "self.start.eq(starting[-1])",
                "self.start.eq(starting[-2])",
            ),
        ),
        quick=True,
    ),
    Property(
        name="completion-counts",
        unit="completion.Completion",
        says="Counts never run past what was dispatched; a program ends when all is sent and done.",
        build=lambda: Counts(Completion()),
        method=Induction(3),
        twins=(
            Edit(
                "it ends when one engine is idle",
                "hw.completion",
                "self.idle.all()",
                "self.idle.any()",
            ),
            Edit(
                "an instruction counts twice",
                "hw.completion",
                "+ completed[e]",
                "+ (completed[e] << 1)",
            ),
        ),
        quick=True,
    ),
    Property(
        name="errors-first",
        unit="error_latch.ErrorLatch",
        says="The first fault stays until the reset; of several at once the last source's.",
        build=lambda: First(ErrorLatch(4)),
        method=Reachable(),
        twins=(
            Edit(
                "the last stays",
                "hw.error_latch",
                "with m.If(caught & ~self.failed):",
                "with m.If(caught):",
            ),
        ),
        quick=True,
    ),
    Property(
        name="settings-possible",
        unit="settings.SettingsCheck",
        says="`bad` is set exactly for settings whose window is not aligned or does not end within "
        "2**32, or that no program has.",
        build=lambda: Possible(SettingsCheck(SMALL)),
        method=Induction(4),
        twins=(
            Edit("the end wraps", "hw.settings", "mem_end = Signal(33,", "mem_end = Signal(32,"),
        ),
        quick=True,
    ),
]
