"""Register file: settings, status and profile over AXI4-Lite."""

import random

import pytest

from resarray.hw.common import signals
from resarray.hw.register_file import RegisterFile
from resarray.hw.status import status_registers
from resarray.spec.config import PRESETS
from resarray.spec.registers import ID, PROFILE_OFFSET, REGISTERS, STATUS_BUSY, VERSION

from .bench import STALLS, simulate

pytestmark = pytest.mark.verifies("registers", by="unit")


@pytest.mark.parametrize("stall", STALLS[:2])
def test_register_file(stall):
    rng = random.Random(41)
    config = PRESETS["tiny"]
    dut = RegisterFile(config)
    bus = dut.bus
    started = []

    async def write(ctx, offset, value, strobe=15):
        ctx.set(bus.awaddr, offset)
        ctx.set(bus.wdata, value)
        ctx.set(bus.wstrb, strobe)
        ctx.set(bus.awvalid, 1)
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(bus.wvalid, 1)
        await ctx.tick().until(bus.awready & bus.wready)
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(bus.bready, 1)
        await ctx.tick().until(bus.bvalid)
        ctx.set(bus.bready, 0)

    async def read(ctx, offset):
        ctx.set(bus.araddr, offset)
        ctx.set(bus.arvalid, 1)
        await ctx.tick().until(bus.arready)
        ctx.set(bus.arvalid, 0)
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(bus.rready, 1)
        (value,) = await ctx.tick().sample(bus.rdata).until(bus.rvalid)
        ctx.set(bus.rready, 0)
        return value

    async def testbench(ctx):
        assert await read(ctx, REGISTERS["ID"].offset) == ID
        low = await read(ctx, REGISTERS["HASH_LO"].offset)
        high = await read(ctx, REGISTERS["HASH_HI"].offset)
        assert high << 32 | low == config.hash
        settings = signals(dut.settings)
        writable = [r for r in REGISTERS.values() if r.access == "rw"]
        values = {r.name: rng.randrange(1 << 32) for r in writable}
        for r in writable:
            await write(ctx, r.offset, values[r.name])
        for r in writable:
            assert await read(ctx, r.offset) == values[r.name]
            assert ctx.get(settings[r.name.lower()]) == values[r.name]
        await write(ctx, REGISTERS["MEM_SIZE"].offset, 0xAABBCCDD, strobe=0b0100)
        expected = values["MEM_SIZE"] & 0xFF00FFFF | 0x00BB0000
        assert await read(ctx, REGISTERS["MEM_SIZE"].offset) == expected
        for name, status in {**status_registers(dut.status), "STATUS": dut.state}.items():
            offset, value = REGISTERS[name].offset, rng.randrange(1 << len(status))
            ctx.set(status, value)
            assert await read(ctx, offset) == value
        ctx.set(dut.state, 0)
        assert await read(ctx, 0x1000) == 0
        ctx.set(dut.profile_data, 77)
        assert await read(ctx, PROFILE_OFFSET + 8) == 77
        # The lowest two address bits count in neither direction.
        await write(ctx, REGISTERS["PROG_COUNT"].offset + 3, 1234)
        assert await read(ctx, REGISTERS["PROG_COUNT"].offset) == 1234
        assert await read(ctx, REGISTERS["PROG_COUNT"].offset + 2) == 1234
        # While a program runs, the settings stay; the interrupt may be switched.
        ctx.set(dut.state, STATUS_BUSY)
        for name in ("PROG_COUNT", "MEM_BASE", "IRQ_ENABLE"):
            await write(ctx, REGISTERS[name].offset, 4321)
        assert await read(ctx, REGISTERS["PROG_COUNT"].offset) == 1234
        assert await read(ctx, REGISTERS["MEM_BASE"].offset) == values["MEM_BASE"]
        assert await read(ctx, REGISTERS["IRQ_ENABLE"].offset) == 4321
        assert not started
        await write(ctx, REGISTERS["CTRL"].offset, 1)
        # Chosen a cycle after the write, started in the next.
        await ctx.tick().repeat(3)
        assert started == [1]

    async def watch_start(ctx):
        while True:
            _, _, start = await ctx.tick().sample(dut.start)
            if start:
                started.append(1)

    simulate(dut, testbench, background=[watch_start])


def test_an_address_waits_while_an_answer_is_under_way():
    """One access at a time, however long its answer is not taken."""
    dut = RegisterFile(PRESETS["tiny"])
    bus = dut.bus

    async def testbench(ctx):
        ctx.set(bus.arvalid, 1)
        ctx.set(bus.araddr, REGISTERS["ID"].offset)
        await ctx.tick().until(bus.arready)
        ctx.set(bus.araddr, REGISTERS["VERSION"].offset)
        for _ in range(20):
            assert not ctx.get(bus.arready)
            await ctx.tick()
        assert ctx.get(bus.rvalid) and ctx.get(bus.rdata) == ID
        ctx.set(bus.rready, 1)
        await ctx.tick()
        assert not ctx.get(bus.rvalid) and ctx.get(bus.arready)
        (value,) = await ctx.tick().sample(bus.rdata).until(bus.rvalid)
        assert value == VERSION

    simulate(dut, testbench)
