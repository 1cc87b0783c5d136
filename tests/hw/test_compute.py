"""COMPUTE sequencers: addresses by the loop nest, weights in order, no gap in the steady state."""

import itertools
import random

import pytest

from resarray.hw.compute import ComputeEngine
from resarray.spec.config import Config

from .bench import drive, simulate

pytestmark = pytest.mark.verifies("weights", by="unit")

CONFIG = Config(name="test", rows=8, columns=8, lanes=2, input_words=1024, acc_depth=64)
LOOPS = ("k0", "k1", "k2", "m0", "m1", "m2")


def random_instruction(rng, pixels_at_least: int = 1) -> dict:
    while True:
        i = {f"n_{loop}": rng.randint(1, 3) for loop in LOOPS}
        i["n_m2"] = rng.randint(1, 5)
        if i["n_m0"] * i["n_m1"] * i["n_m2"] >= pixels_at_least:
            break
    i["k_tiles"] = i["n_k0"] * i["n_k1"] * i["n_k2"]
    i |= {f"s_{loop}": rng.randrange(40) for loop in LOOPS}
    return i | {
        "base": rng.randrange(500),
        "bank": rng.randrange(2),
        "clear": rng.randrange(2),
        "params": rng.randrange(2),
        "mark": rng.randrange(2),
    }


def reference(i: dict):
    """(address, pixel, first of k-tile, clear, last of instruction) of every pixel."""
    steps = [range(i[f"n_{loop}"]) for loop in LOOPS]
    k_tiles = i["n_k0"] * i["n_k1"] * i["n_k2"]
    pixels = i["n_m0"] * i["n_m1"] * i["n_m2"]
    for at, index in enumerate(itertools.product(*steps)):
        offset = sum(x * i[f"s_{loop}"] for x, loop in zip(index, LOOPS, strict=True))
        k_tile, pixel = divmod(at, pixels)
        yield (
            i["base"] + offset,
            pixel,
            pixel == 0,
            bool(i["clear"]) and k_tile == 0,
            at == k_tiles * pixels - 1,
            i["bank"],
        )


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_sequence(stall):
    rng = random.Random(21)
    dut = ComputeEngine(CONFIG)
    instructions = [random_instruction(rng) for _ in range(15)]
    expected = [pixel for i in instructions for pixel in reference(i)]
    words, params, tiles = [], [], []
    for i in instructions:
        for k_tile in range(i["n_k0"] * i["n_k1"] * i["n_k2"]):
            tile = [rng.randrange(1 << 64) for _ in range(8)]
            words += tile
            tiles.append(tile)
            if i["params"] and k_tile == 0:
                records = [rng.randrange(1 << 55) for _ in range(8)]
                words += records
                params += [(i["bank"], column, record) for column, record in enumerate(records)]
    got, got_params, loaded, swapped = [], [], [], 0

    async def monitor(ctx):
        nonlocal swapped
        while len(got) < len(expected):
            control = dut.control
            sample = await ctx.tick().sample(
                dut.read_en,
                dut.read_addr,
                control,
                dut.swap,
                dut.weight_valid,
                dut.weight,
                dut.weight_column,
                dut.param_valid,
                dut.param,
            )
            _, _, en, addr, c, swap, w_valid, weight, column, p_valid, param = sample
            assert en == c.valid and (en or not swap)
            if swap:
                # The k-tile that becomes active has been loaded in whole, in order.
                assert loaded[:8] == list(enumerate(tiles[swapped]))
                del loaded[:8]
                swapped += 1
            if en:
                got.append((addr, c.pixel, bool(swap), bool(c.clear), bool(c.end), c.bank))
            if w_valid:
                assert len(loaded) < 8
                loaded.append((column, weight))
            if p_valid:
                record = param.record.as_bits()
                got_params.append((param.bank, param.column, record))

    simulate(dut, monitor, drive(dut.i, instructions, 1, stall), drive(dut.words, words, 2, stall))
    assert got == expected
    assert got_params == params


def test_no_gap_in_the_steady_state():
    """K-tiles of at least `columns` pixels and instructions follow each other without a bubble."""
    rng = random.Random(22)
    dut = ComputeEngine(CONFIG)
    # Two k-tiles' time covers the parameters and the weights of the next instruction.
    instructions = [random_instruction(rng, 16) | {"n_k0": 3} for _ in range(12)]
    for i in instructions:
        i["k_tiles"] = 3 * i["n_k1"] * i["n_k2"]
    expected = sum(1 for i in instructions for _ in reference(i))
    busy = []

    async def words(ctx):
        ctx.set(dut.words.valid, 1)
        while True:
            await ctx.tick()

    async def monitor(ctx):
        while sum(busy) < expected:
            _, _, en = await ctx.tick().sample(dut.read_en)
            busy.append(en)

    simulate(dut, monitor, drive(dut.i, instructions), background=[words])
    first = busy.index(1)
    assert all(busy[first:]), f"{busy[first:].count(0)} bubbles"
