"""Error latch: the first fault stays."""

import pytest

from resarray.hw.error_latch import ErrorLatch
from resarray.spec.registers import ErrorCause

from .bench import simulate

pytestmark = pytest.mark.verifies("errors", by="unit")


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
            assert ctx.get(dut.failed) == (source == (2,))
            for fault in dut.fault:
                ctx.set(fault.valid, 0)
            await ctx.tick()
            assert ctx.get(dut.failed)
            assert {name: ctx.get(dut.error[name]) for name in errors[1]} == errors[1]

    simulate(dut, testbench)
