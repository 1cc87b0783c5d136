"""Profile records: none is lost, however close the marks come."""

import itertools
import random

import pytest

from resarray.hw.memory import READ_LATENCY
from resarray.hw.profile import RECORD_WORDS, Profiler
from resarray.spec.presets import preset

from .bench import simulate

pytestmark = pytest.mark.verifies("counters", by="unit")

CONFIG = preset("tiny")


def gaps_of(rng: random.Random, layers: int) -> list[int]:
    """Cycles between the ends of layers of one instruction each, which begin 12 cycles apart or
    more (see `Profiler`)."""
    start, ends = 0, []
    for _ in range(layers):
        ends.append(start + rng.choice([1, 2, 11, 12, 30]))
        start = max(start + 12, ends[-1])
    return [b - a for a, b in itertools.pairwise(ends)]


@pytest.mark.parametrize("seed", range(8))
def test_close_marks_are_all_recorded(seed):
    gaps = gaps_of(random.Random(seed), 40)
    assert min(gaps) < 10
    dut = Profiler(CONFIG)
    cycles_at = []

    async def testbench(ctx):
        ctx.set(dut.events.cycles, 1)
        await ctx.tick().repeat(20)
        now = 20
        for gap in [*gaps, 40]:
            ctx.set(dut.mark, 1)
            await ctx.tick()
            ctx.set(dut.mark, 0)
            cycles_at.append(now)
            for _ in range(gap - 1):
                await ctx.tick()
            now += gap
        assert ctx.get(dut.records) == len(cycles_at)
        found = []
        for record in range(len(cycles_at)):
            ctx.set(dut.addr, record * RECORD_WORDS)
            await ctx.tick().repeat(READ_LATENCY + 1)
            found.append(ctx.get(dut.data))
        late = [record - mark for record, mark in zip(found, cycles_at, strict=True)]
        assert found == sorted(found) and all(0 <= n <= RECORD_WORDS + 2 for n in late), late

    simulate(dut, testbench)


def test_marks_beyond_the_memory_leave_it_as_it_is():
    dut = Profiler(CONFIG)

    async def testbench(ctx):
        ctx.set(dut.events.cycles, 1)
        for _ in range(CONFIG.profile_marks + 3):
            ctx.set(dut.mark, 1)
            await ctx.tick()
            ctx.set(dut.mark, 0)
            await ctx.tick().repeat(9)  # the shortest time that a record takes
        await ctx.tick().repeat(20)
        assert ctx.get(dut.records) == CONFIG.profile_marks
        ctx.set(dut.addr, 0)
        await ctx.tick().repeat(READ_LATENCY + 1)
        assert ctx.get(dut.data) <= RECORD_WORDS + 2

    simulate(dut, testbench)


def test_marks_too_close_are_told():
    """A third one while the first is being written and the second waits."""
    dut = Profiler(CONFIG)

    async def testbench(ctx):
        ctx.set(dut.mark, 1)
        await ctx.tick().repeat(5)

    with pytest.raises(AssertionError, match="a mark comes while another one waits"):
        simulate(dut, testbench)
