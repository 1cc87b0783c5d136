"""Instruction queues: assembly, waits, and the register file."""

import random

import pytest

from resarray.hw.common import signals
from resarray.hw.control import RegisterFile
from resarray.hw.queue import InstructionQueue
from resarray.hw.status import status_registers
from resarray.spec import isa
from resarray.spec.config import PRESETS
from resarray.spec.registers import ID, PROFILE_OFFSET, REGISTERS

from .bench import STALLS, drive, simulate


def random_fields(rng, engine: isa.Engine) -> dict:
    fields = {f.name: rng.randint(*f.range) for f in isa.LAYOUTS[engine]}
    return fields | {"opcode": engine.opcode, "wait_a": 0, "wait_b": 0}


@pytest.mark.parametrize("preset", ["tiny", "default"])
@pytest.mark.parametrize("engine", isa.Engine)
def test_instructions_arrive_whole_and_wait(preset, engine):
    """Every field survives, and no instruction shows before both its waits are met."""
    rng = random.Random(31 + engine)
    config = PRESETS[preset]
    dut = InstructionQueue(config, engine)
    instructions = [random_fields(rng, engine) for _ in range(10)]
    waits = (
        sorted(rng.randrange(20) for _ in instructions),
        sorted(rng.randrange(20) for _ in instructions),
    )
    for i, fields in enumerate(instructions):
        for side, name in enumerate(("wait_a", "wait_b")):
            if isa.WAITS[engine][side] is not None:
                fields[name] = waits[side][i]
    words = []
    for fields in instructions:
        data = isa.pack(isa.LAYOUTS[engine], fields).to_bytes(32, "little")
        words += [
            int.from_bytes(data[i : i + config.rows], "little") for i in range(0, 32, config.rows)
        ]
    got = []
    done = [0, 0]

    async def others(ctx):
        while True:
            ctx.set(dut.done[0], done[0])
            ctx.set(dut.done[1], done[1])
            await ctx.tick()
            done[rng.randrange(2)] += rng.random() < 0.3

    async def taker(ctx):
        while len(got) < len(instructions):
            ctx.set(dut.o.ready, rng.random() < 0.5)
            a, b = ctx.get(dut.done[0]), ctx.get(dut.done[1])
            _, _, valid, ready, item = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.payload
            )
            if valid:
                fields = instructions[len(got)]
                assert a >= fields["wait_a"] and b >= fields["wait_b"]
            if valid and ready:
                got.append({name: item[name] for name in instructions[0]})

    simulate(dut, drive(dut.i, words, 1, 0.2), taker, background=[others])
    assert got == instructions


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
        assert await read(ctx, 0x1000) == 0
        ctx.set(dut.profile_data, 77)
        assert await read(ctx, PROFILE_OFFSET + 8) == 77
        # The lowest two address bits count in neither direction.
        await write(ctx, REGISTERS["PROG_COUNT"].offset + 3, 1234)
        assert await read(ctx, REGISTERS["PROG_COUNT"].offset) == 1234
        assert await read(ctx, REGISTERS["PROG_COUNT"].offset + 2) == 1234
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
