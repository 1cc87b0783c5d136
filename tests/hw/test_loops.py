"""Loop counters and address generator: the loop nest, and how close its k-tiles may come."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from resarray.hw import addresses, loops
from resarray.hw.addresses import AddressGenerator
from resarray.hw.loops import LoopCounters
from resarray.spec.config import Config

from .bench import drive, simulate
from .test_compute import random_instruction, reference

pytestmark = pytest.mark.verifies("addresses", by="unit")

CONFIG = Config(
    name="test", rows=8, columns=8, lanes=2, input_words=1024, acc_depth=64, winograd=False
)


class Addresses(wiring.Component):
    """Loop counters and address generator; a k-tile may begin when ``loaded`` allows it."""

    i: In(stream.Signature(loops.LAYOUT))
    loaded: In(1)
    issue: Out(1)
    first: Out(1)
    end: Out(1)
    addr: Out(range(CONFIG.input_words * CONFIG.rows))

    def elaborate(self, platform):
        m = Module()
        m.submodules.loops = counters = LoopCounters(CONFIG)
        m.submodules.addresses = generator = AddressGenerator(CONFIG)
        connect(m, flipped(self.i), counters.i)
        m.d.comb += [
            counters.loaded.eq(self.loaded),
            self.issue.eq(counters.issue),
            self.first.eq(counters.first),
            self.end.eq(counters.end),
            generator.start.eq(counters.start),
            generator.instruction.eq(counters.next),
            generator.step.eq(counters.step),
            generator.last_k2.eq(counters.last_k2),
            generator.last_k1.eq(counters.last_k1),
            self.addr.eq(generator.addr),
        ]
        return m


def run(instructions: list[dict], distance: int) -> list[tuple[int, bool, bool]]:
    """Address, first and end of every pixel, with k-tiles ``distance`` cycles apart where they have
    fewer pixels."""
    dut = Addresses()
    count = sum(1 for i in instructions for _ in reference(i))
    flags, found = [], []

    async def weights(ctx):
        loaded, since = True, 0
        while True:
            ctx.set(dut.loaded, loaded)
            _, _, first = await ctx.tick().sample(dut.first)
            since = 0 if first else since + 1
            loaded = since >= distance - 1

    async def watch(ctx):
        issued = [False] * addresses.LATENCY
        while len(found) < count:
            _, _, issue, first, end, addr = await ctx.tick().sample(
                dut.issue, dut.first, dut.end, dut.addr
            )
            issued.append(bool(issue))
            if issue:
                flags.append((bool(first), bool(end)))
            if issued.pop(0):
                found.append((addr, *flags[len(found)]))

    simulate(dut, watch, drive(dut.i, instructions), background=[weights])
    return found


def short(rng: random.Random) -> dict:
    """An instruction of k-tiles of one pixel."""
    i = random_instruction(rng) | {"n_m0": 1, "n_m1": 1, "n_m2": 1}
    return i | {"n_k2": 3, "k_tiles": i["n_k0"] * i["n_k1"] * 3}


@pytest.mark.parametrize("distance", [loops.LAST_K_CYCLES, 7])
def test_every_pixel_in_its_place(distance):
    rng = random.Random(31)
    instructions = [rng.choice([short, random_instruction])(rng) for _ in range(20)]
    expected = [(p[0], p[2], p[4]) for i in instructions for p in reference(i)]
    assert run(instructions, distance) == expected


def test_k_tiles_too_close_for_the_flags_are_told():
    with pytest.raises(AssertionError, match="a k-tile's pixels end before its last_k"):
        run([short(random.Random(32))], loops.LAST_K_CYCLES - 1)


def origins(distance: int, count: int = 6) -> list[int]:
    """Addresses of the first pixels of k-tiles ``distance`` cycles apart, from 100 on, 7 apart."""
    dut = AddressGenerator(CONFIG)
    found = []

    async def testbench(ctx):
        ctx.set(dut.instruction, {"base": 100, "s_k2": 7})
        ctx.set(dut.start, 1)
        for cycle in range(distance * count + addresses.LATENCY - 1):
            begins = cycle % distance == 0 and cycle < distance * count
            ctx.set(dut.step, {"k_tile": begins})
            await ctx.tick()
            ctx.set(dut.start, 0)
            since = cycle + 1 - addresses.LATENCY
            if since >= 0 and since % distance == 0:
                found.append(ctx.get(dut.addr))

    simulate(dut, testbench)
    return found


def test_the_next_origin_is_there_in_time():
    assert origins(addresses.LATENCY + 1) == [100, 107, 114, 121, 128, 135]


@pytest.mark.parametrize("distance", range(1, addresses.LATENCY + 1))
def test_k_tiles_too_close_for_the_origin_are_told(distance):
    with pytest.raises(AssertionError, match="a k-tile begins before its origin is there"):
        origins(distance)
