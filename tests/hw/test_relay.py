"""Relay: every word once and in order, a word a cycle."""

import random

import pytest

from resarray.hw.memory import Relay

from .bench import STALLS, collect, drive, simulate

pytestmark = pytest.mark.verifies("memory-port", "memories", by="unit")


@pytest.mark.parametrize("stall", STALLS)
def test_words_in_order(stall):
    rng = random.Random(1)
    words = [rng.randrange(1 << 16) for _ in range(400)]
    got = []
    dut = Relay(16)
    simulate(dut, drive(dut.i, words, 1, stall), collect(dut.o, len(words), got, 2, stall))
    assert got == words


def test_a_word_a_cycle_and_ready_a_cycle_late():
    dut = Relay(16)
    taken, given = [], []

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        for cycle in range(40):
            ctx.set(dut.i.payload, len(taken))
            # The end stops in cycles 10 to 19: two words are on their way then.
            ctx.set(dut.o.ready, not 10 <= cycle < 20)
            if ctx.get(dut.i.ready):
                taken.append(cycle)
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                given.append(ctx.get(dut.o.payload))
            await ctx.tick()

    simulate(dut, testbench)
    assert taken == [*range(11), *range(21, 40)]
    assert given == list(range(len(given))) and len(given) == 29
