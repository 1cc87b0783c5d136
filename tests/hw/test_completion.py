"""Completion: when a program runs and when it is over."""

import random

import pytest

from resarray.hw.completion import Completion
from resarray.spec.isa import Engine

from .bench import simulate

pytestmark = pytest.mark.verifies("start", by="unit")


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
