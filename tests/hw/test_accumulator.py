"""Accumulators of a column: sums of every pixel, and how soon a pixel may return."""

import random

import pytest

from resarray.hw.accumulator import CONTROL_LEAD, REUSE_CYCLES, AccumulatorColumn
from resarray.hw.memory import READ_LATENCY
from resarray.spec.presets import preset

from .bench import simulate

pytestmark = pytest.mark.verifies("accumulators", by="unit")

CONFIG = preset("tiny")


def sums(pixels: int, rounds: int) -> None:
    """Add up ``rounds`` times for each of so many pixels, one a cycle, and read the sums."""
    rng = random.Random(3)
    dut = AccumulatorColumn(CONFIG)
    values = [rng.randint(-1000, 1000) for _ in range(pixels * rounds)]
    found = []

    async def testbench(ctx):
        for cycle in range(len(values) + CONTROL_LEAD):
            if cycle < len(values):
                ctx.set(dut.control, {"valid": 1, "pixel": cycle % pixels, "clear": cycle < pixels})
            else:
                ctx.set(dut.control, {})
            if cycle >= CONTROL_LEAD:
                ctx.set(dut.dot, values[cycle - CONTROL_LEAD])
            await ctx.tick()
        await ctx.tick().repeat(2)
        for pixel in range(pixels):
            ctx.set(dut.drain_pixel, pixel)
            await ctx.tick().repeat(READ_LATENCY)
            found.append(ctx.get(dut.q[0]))

    simulate(dut, testbench)
    assert found == [sum(values[p::pixels]) for p in range(pixels)]


@pytest.mark.parametrize("pixels", [REUSE_CYCLES, 7])
def test_sums(pixels):
    sums(pixels, 5)


@pytest.mark.parametrize("pixels", range(1, REUSE_CYCLES))
def test_a_pixel_that_returns_too_soon_is_told(pixels):
    with pytest.raises(AssertionError, match="a pixel returns before its sum is written"):
        sums(pixels, 2)
