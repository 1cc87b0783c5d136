"""Start sequencer: reset, start, and what a host is told of the program."""

import pytest

from resarray.hw.start import START_CYCLES, StartSequencer

from .bench import simulate

pytestmark = pytest.mark.verifies("start", by="unit")


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
        await ctx.tick()
        # The error of the program before is not the next one's.
        ctx.set(dut.request, 1)
        await ctx.tick()
        ctx.set(dut.request, 0)
        await ctx.tick()
        assert not ctx.get(dut.failed) and ctx.get(dut.active)
        ctx.set(dut.error, 0)
        await ctx.tick().repeat(START_CYCLES - 1)
        ctx.set(dut.finished, 1)
        await ctx.tick()
        assert ctx.get(dut.done) and not ctx.get(dut.active)

    simulate(dut, testbench)
