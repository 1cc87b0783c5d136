"""Stream drivers, monitors and a simulator wrapper for unit tests."""

import random

from amaranth.sim import Simulator

# Chances that a driver or a monitor pauses in a cycle: full speed, some stalls, mostly stalled.
STALLS = (0.0, 0.3, 0.8)


def simulate(dut, *testbenches, cycles: int = 20_000, background=()) -> None:
    """Run until every testbench has returned; a test that takes ``cycles`` has hung."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def watchdog(ctx):
        for _ in range(cycles):
            await ctx.tick()
        raise TimeoutError(f"no end after {cycles} cycles")

    for testbench in testbenches:
        simulator.add_testbench(closing(testbench))
    for testbench in (*background, watchdog):
        simulator.add_testbench(closing(testbench), background=True)
    simulator.run()


def closing(testbench):
    """``testbench``, which also ends quietly where a check ends the simulation: Amaranth's own
    iterators complain when they are closed while they wait."""

    async def guarded(ctx):
        try:
            await testbench(ctx)
        except RuntimeError as error:
            if not str(error).startswith("aclose()"):
                raise

    return guarded


def drive(stream, items, seed: int = 0, stall: float = 0.0):
    """A testbench that sends ``items``, pausing at random."""
    rng = random.Random(seed)

    async def testbench(ctx):
        for item in items:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(stream.valid, 1)
            ctx.set(stream.payload, item)
            await ctx.tick().until(stream.ready)
            ctx.set(stream.valid, 0)

    return testbench


def collect(stream, count: int, into: list, seed: int = 0, stall: float = 0.0, convert=None):
    """A testbench that takes ``count`` items into ``into``, pausing at random."""
    rng = random.Random(seed)

    async def testbench(ctx):
        while len(into) < count:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(stream.ready, 1)
            (item,) = await ctx.tick().sample(stream.payload).until(stream.valid)
            ctx.set(stream.ready, 0)
            into.append(convert(item) if convert else item)

    return testbench


def count_bits(signal, into: list[int]):
    """A background testbench that adds every bit of ``signal`` up in ``into``, cycle by cycle."""

    async def testbench(ctx):
        while True:
            _, _, value = await ctx.tick().sample(signal)
            for i in range(len(into)):
                into[i] += value >> i & 1

    return testbench


def signed(value: int, bits: int = 8) -> int:
    """Two's complement value of the lowest ``bits`` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def word(values) -> int:
    """Word of int8 values, first one lowest."""
    return int.from_bytes(bytes(int(v) & 0xFF for v in values), "little")


def unword(value: int, count: int) -> list[int]:
    """Inverse of `word`."""
    return [signed(value >> (8 * i)) for i in range(count)]
