"""The core's small units: completion, error latch, events, start, settings."""

import random

import pytest
from amaranth.sim import Simulator

from resarray.hw.common import signals
from resarray.hw.completion import Completion
from resarray.hw.error_latch import ErrorLatch
from resarray.hw.events import EventMonitor
from resarray.hw.settings import SettingsCheck
from resarray.hw.start import START_CYCLES, StartSequencer
from resarray.spec.config import preset
from resarray.spec.isa import WAITS, Engine
from resarray.spec.registers import ErrorCause

from .bench import simulate


def test_a_program_is_over_when_all_is_sent_and_done():
    rng = random.Random(1)
    dut = Completion()
    counts = [rng.randint(0, 5) for _ in Engine]

    async def testbench(ctx):
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for e in Engine:
            ctx.set(dut.dispatched[e], counts[e])
        left = list(counts)
        while any(left):
            pulses = [n > 0 and rng.random() < 0.5 for n in left]
            left = [n - pulse for n, pulse in zip(left, pulses, strict=True)]
            ctx.set(dut.completed, sum(pulse << e for e, pulse in enumerate(pulses)))
            await ctx.tick()
            assert ctx.get(dut.running) and not ctx.get(dut.finished)
        ctx.set(dut.completed, 0)
        await ctx.tick().repeat(5)
        assert [ctx.get(done) for done in dut.done] == counts
        assert ctx.get(dut.idle) == (1 << len(Engine)) - 1
        assert ctx.get(dut.running) and not ctx.get(dut.finished), "not all is sent"
        ctx.set(dut.sent, 1)
        await ctx.tick()
        assert ctx.get(dut.finished)
        await ctx.tick()
        assert not ctx.get(dut.running)

    simulate(dut, testbench)


def test_a_failed_program_does_not_finish():
    dut = Completion()

    async def testbench(ctx):
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.failed, 1)
        ctx.set(dut.sent, 1)
        for _ in range(5):
            await ctx.tick()
            assert not ctx.get(dut.finished) and not ctx.get(dut.running)

    simulate(dut, testbench)


def test_the_first_error_stays():
    dut = ErrorLatch(3)
    errors = [{"cause": i + 1, "engine": i, "addr": 100 * i} for i in range(3)]

    async def testbench(ctx):
        for fault, error in zip(dut.fault, errors, strict=True):
            ctx.set(fault.payload, error)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.failed) and ctx.get(dut.error.cause) == ErrorCause.NONE
        # Two at once, then another one.
        for source in ((0, 1), (2,)):
            for i in range(3):
                ctx.set(dut.fault[i].valid, i in source)
            await ctx.tick()
            assert ctx.get(dut.failed)
            assert {name: ctx.get(dut.error[name]) for name in errors[1]} == errors[1]

    simulate(dut, testbench)


def test_every_running_cycle_counts_for_one_thing():
    rng = random.Random(2)
    dut = EventMonitor()
    names = ("busy", "wait_weights", "wait_load", "wait_drain", "wait_instruction")
    drain = WAITS[Engine.COMPUTE].index(Engine.DRAIN)

    async def testbench(ctx):
        events = signals(dut.events)
        for _ in range(300):
            running, busy, weights, load, bank = (rng.randrange(2) for _ in range(5))
            weights &= ~busy
            ctx.set(dut.running, running)
            ctx.set(dut.busy, busy)
            ctx.set(dut.wait_weights, weights)
            ctx.set(dut.blocked[1 - drain], load)
            ctx.set(dut.blocked[drain], bank)
            expected = [busy, weights, load, bank, 1].index(1)
            found = [name for name in names if ctx.get(events[name])]
            assert found == ([names[expected]] if running else [])
            assert ctx.get(events["cycles"]) == running

    simulator = Simulator(dut)  # no clock: nothing but logic
    simulator.add_testbench(testbench)
    simulator.run()


def test_a_start_resets_and_then_begins():
    dut = StartSequencer()

    async def testbench(ctx):
        ctx.set(dut.quiet, 1)
        assert ctx.get(dut.reset) and ctx.get(dut.settling), "after configuration"
        await ctx.tick().repeat(4)
        assert not ctx.get(dut.reset) and not ctx.get(dut.settling) and not ctx.get(dut.active)

        async def start() -> list[tuple[int, int]]:
            ctx.set(dut.request, 1)
            await ctx.tick()
            ctx.set(dut.request, 0)
            seen = []
            for _ in range(START_CYCLES + 1):
                seen.append((ctx.get(dut.reset), ctx.get(dut.start)))
                await ctx.tick()
            return seen

        begins = [(1, 0), (0, 0), (0, 1), (0, 0)]
        assert await start() == begins
        assert ctx.get(dut.active)
        assert await start() == [(0, 0)] * 4, "one program at a time"
        ctx.set(dut.error, 1)
        ctx.set(dut.quiet, 0)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.failed) and ctx.get(dut.active), "transactions in flight"
        ctx.set(dut.quiet, 1)
        await ctx.tick()
        assert ctx.get(dut.failed) and not ctx.get(dut.active)
        # The error of the program before is not the next one's.
        ctx.set(dut.request, 1)
        await ctx.tick()
        ctx.set(dut.request, 0)
        assert not ctx.get(dut.failed) and ctx.get(dut.active)
        ctx.set(dut.error, 0)
        await ctx.tick().repeat(START_CYCLES)
        ctx.set(dut.finished, 1)
        await ctx.tick()
        assert ctx.get(dut.done) and not ctx.get(dut.active)

    simulate(dut, testbench)


GOOD = {
    "mem_base": 0x1000,
    "mem_size": (1 << 32) - 0x1000,
    "prog_addr": 64,
    "write_base": 128,
    "prog_count": (1 << 20) - 1,
}


@pytest.mark.parametrize(
    "setting, value",
    [
        ("mem_base", 0x1800),
        ("mem_base", 0x2000),
        ("prog_addr", 66),
        ("write_base", 129),
        ("prog_count", 1 << 20),
    ],
)
def test_settings_that_are_refused(setting, value):
    dut = SettingsCheck(preset("tiny"))

    async def testbench(ctx):
        settings = signals(dut.settings)
        for changes, bad in (({}, 0), ({setting: value}, 1)):
            for name, given in (GOOD | changes).items():
                ctx.set(settings[name], given)
            await ctx.tick().repeat(2)
            assert ctx.get(dut.bad) == bad

    simulate(dut, testbench)
