"""Events: every running cycle counts for exactly one thing."""

import random

import pytest
from amaranth.sim import Simulator

from resarray.hw.common import signals
from resarray.hw.events import EventMonitor
from resarray.spec.isa import WAITS, Engine

pytestmark = pytest.mark.verifies("counters", by="unit")


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
