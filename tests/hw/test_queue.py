"""Instruction queues: assembly and waits."""

import random

import pytest

from resarray.hw.queue import InstructionQueue
from resarray.spec import isa
from resarray.spec.config import PRESETS

from .bench import drive, simulate

pytestmark = pytest.mark.verifies("instructions", by="unit")


def random_fields(rng, engine: isa.Engine) -> dict:
    fields = {f.name: rng.randint(*f.range) for f in isa.LAYOUTS[engine]}
    return fields | {"opcode": engine.opcode, "wait_a": 0, "wait_b": 0}


@pytest.mark.parametrize("preset", ["tiny", "default"])
def test_latency(preset):
    """8 cycles from an instruction's last word to when it is offered."""
    config = PRESETS[preset]
    dut = InstructionQueue(config, isa.Engine.LOAD)
    cycles = 0

    async def testbench(ctx):
        nonlocal cycles
        ctx.set(dut.i.valid, 1)
        await ctx.tick().repeat(config.instruction_words)
        ctx.set(dut.i.valid, 0)
        cycles = 1
        while not ctx.get(dut.o.valid):
            await ctx.tick()
            cycles += 1

    simulate(dut, testbench)
    assert cycles == 8


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

    room = [config.queue_depth]

    async def writer(ctx):
        """An instruction when it has been told of room for one, as the fetch does."""
        pauses = random.Random(1)
        per_instruction = len(words) // len(instructions)
        for at, word in enumerate(words):
            while (at % per_instruction == 0 and not room[0]) or pauses.random() < 0.2:
                await ctx.tick()
            room[0] -= at % per_instruction == 0
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, word)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)

    async def freed(ctx):
        while True:
            _, _, taken = await ctx.tick().sample(dut.taken)
            room[0] += taken

    simulate(dut, writer, taker, background=[others, freed])
    assert got == instructions


def test_an_instruction_without_room_is_told():
    dut = InstructionQueue(PRESETS["tiny"], isa.Engine.LOAD)
    words = [1] * (8 * (PRESETS["tiny"].queue_depth + 2))
    with pytest.raises(AssertionError, match="an instruction comes without room for it"):
        simulate(dut, drive(dut.i, words))
