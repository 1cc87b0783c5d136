"""COMPUTE sequencers: addresses by the loop nest, weights in order, no gap in the steady state."""

import dataclasses
import itertools
import random

import pytest

from resarray.hw.compute import ComputeEngine
from resarray.spec import winograd
from resarray.spec.config import Config

from .bench import drive, simulate

pytestmark = pytest.mark.verifies("weights", by="unit")

CONFIG = Config(
    name="test", rows=8, columns=8, lanes=2, input_words=1024, acc_depth=64, winograd=False
)
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


def tiles_of(i: dict, word: int):
    """As `reference`, for Winograd: (address, accumulator, ...) and the position of every pixel."""
    steps = [range(i[f"n_{loop}"]) for loop in LOOPS]
    k_tiles = i["n_k0"] * i["n_k1"] * i["n_k2"]
    tiles = i["n_m0"] * i["n_m1"] * i["n_m2"]
    for at, index in enumerate(itertools.product(*steps)):
        strides = i | {"s_m2": winograd.TILE * word}
        offset = sum(x * strides[f"s_{loop}"] for x, loop in zip(index, LOOPS, strict=True))
        k_tile, tile = divmod(at, tiles)
        for p in range(winograd.POSITIONS):
            yield (
                i["base"] + offset + p * word,
                tile * winograd.POSITIONS + p,
                tile == p == 0,
                bool(i["clear"]) and k_tile == 0,
                at == k_tiles * tiles - 1 and p == winograd.POSITIONS - 1,
                i["bank"],
            )


@pytest.mark.parametrize("winograds", [False, True])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_sequence(stall, winograds):
    """Addresses and flags of every pixel; each k-tile's slots hold its weights when it begins, and
    until it ends."""
    rng = random.Random(21)
    config = dataclasses.replace(CONFIG, winograd=winograds, acc_depth=512)
    dut = ComputeEngine(config)
    instructions, expected = [], []
    words, params, tiles = [], [], []
    for _ in range(15):
        i = random_instruction(rng)
        tiled = winograds and rng.random() < 0.5
        if tiled:
            i |= {"winograd": 1, "s_m2": 0, "n_k2": 1, "k_tiles": i["n_k0"] * i["n_k1"]}
        instructions.append(i)
        expected += tiles_of(i, config.rows) if tiled else reference(i)
        for k_tile in range(i["k_tiles"]):
            tile = [rng.randrange(1 << 64) for _ in range(8 * (3 if tiled else 1))]
            words += tile
            tiles.append((tiled, tile))
            if i["params"] and k_tile == 0:
                count = 4 if tiled else 1
                records = [rng.randrange(1 << 55) for _ in range(8 * count)]
                words += records
                params += [
                    (i["bank"], *divmod(at, count), record) for at, record in enumerate(records)
                ]
    got, got_params, slots, begun = [], [], {}, 0
    delays = 12  # from the issue to the array, in the core

    async def monitor(ctx):
        nonlocal begun
        ends = [(0, 0)] * delays
        while len(got) < len(expected):
            used, used_winograd = ends.pop(0)
            ctx.set(dut.used, used)
            ctx.set(dut.used_winograd, used_winograd)
            control = dut.control
            sample = await ctx.tick().sample(
                dut.read_en,
                dut.read_addr,
                control,
                dut.slot,
                dut.position,
                dut.k_tile_end,
                dut.winograd,
                dut.weight_valid,
                dut.weight,
                dut.weight_column,
                dut.weight_slot,
                dut.param_valid,
                dut.param,
            )
            _, _, en, addr, c, slot, position, k_end, tiled, *rest = sample
            w_valid, weight, column, w_slot, p_valid, param = rest
            ends.append((en and k_end, tiled))
            assert en == c.valid
            if w_valid:
                slots.setdefault((column, w_slot), []).append(weight)
            if en:
                address, pixel, first = expected[len(got)][:3]
                if first:
                    is_tiled, tile = tiles[begun]
                    begun += 1
                    number = 0
                assert tiled == is_tiled and position == (number % 6 if tiled else 0)
                # The slot's words; those of column 0, which a vector comes to first.
                held = slots[0, slot][-1]
                low = tile[0] & 0xFF
                assert tiled or held & ((1 << config.operands.weight) - 1) & 0xFF == low
                number += 1
                assert k_end == (len(got) + 1 == len(expected) or expected[len(got) + 1][2]), (
                    "the end of a k-tile"
                )
                got.append((addr, c.pixel, first, bool(c.clear), bool(c.end), c.bank))
                assert c.pixel == pixel and address == addr
            if p_valid:
                record = param.record.as_bits()
                got_params.append((param.bank, param.column, param.phase, record))

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
        used = 0
        while sum(busy) < expected:
            ctx.set(dut.used, used)
            _, _, en, used = await ctx.tick().sample(dut.read_en, dut.k_tile_end)
            used &= en
            busy.append(en)

    simulate(dut, monitor, drive(dut.i, instructions), background=[words])
    first = busy.index(1)
    assert all(busy[first:]), f"{busy[first:].count(0)} bubbles"
