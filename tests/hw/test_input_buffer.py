"""Input buffer: every unaligned vector of what was written."""

import random

import pytest

from resarray.hw.input_buffer import READ_LATENCY, InputBuffer
from resarray.spec.config import Config

from .bench import simulate

pytestmark = pytest.mark.verifies("memories", by="unit")


@pytest.mark.parametrize("rows", [4, 8])
def test_unaligned_reads(rows):
    rng = random.Random(rows)
    config = Config(name="test", rows=rows, columns=16, input_words=256)
    dut = InputBuffer(config)
    memory = bytes(rng.randrange(256) for _ in range(32 * rows))
    addrs = list(range(31 * rows + 1)) + [rng.randrange(31 * rows) for _ in range(200)]

    async def testbench(ctx):
        for i in range(32):
            ctx.set(dut.write.valid, 1)
            data = int.from_bytes(memory[i * rows : (i + 1) * rows], "little")
            ctx.set(dut.write.payload, {"addr": i, "word": data})
            await ctx.tick()
        ctx.set(dut.write.valid, 0)
        for i in range(len(addrs) + READ_LATENCY):
            if i >= READ_LATENCY:
                start = addrs[i - READ_LATENCY]
                expected = int.from_bytes(memory[start : start + rows], "little")
                assert ctx.get(dut.vector) == expected, start
            if i < len(addrs):
                ctx.set(dut.addr, addrs[i])
            await ctx.tick()

    simulate(dut, testbench)
