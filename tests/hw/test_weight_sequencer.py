"""Weight sequencer: words in order, and what it needs of the array's width and of the swap."""

import copy
import random

import pytest

from resarray.hw import weight_sequencer
from resarray.hw.weight_sequencer import WeightSequencer
from resarray.spec.config import Config
from resarray.spec.isa import TABLE_BYTES

from .bench import STALLS, drive, simulate

pytestmark = pytest.mark.verifies("weights", by="unit")

CONFIG = Config(name="test", rows=8, columns=8, lanes=2, input_words=1024, acc_depth=64)


def columns(count: int) -> Config:
    """A configuration of ``count`` columns, which may be too few for `Config`."""
    config = copy.copy(CONFIG)
    object.__setattr__(config, "columns", count)
    return config


def run(config: Config, k_tiles: int, early: bool = False) -> list[int]:
    """The words that reach the array for one instruction, each k-tile swapped in as soon as it is
    loaded; or, ``early``, in every cycle."""
    dut = WeightSequencer(config)
    words = [random.Random(1).randrange(1 << 64) for _ in range(config.columns * k_tiles)]
    got = []

    async def testbench(ctx):
        ctx.set(dut.k_tiles, k_tiles)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        while len(got) < len(words):
            ctx.set(dut.swap, early or ctx.get(dut.loaded))
            _, _, valid, column, word = await ctx.tick().sample(
                dut.weight_valid, dut.weight_column, dut.weight
            )
            if valid:
                assert column == len(got) % config.columns
                got.append(word)

    simulate(dut, testbench, background=[drive(dut.words, words)])
    assert got == words
    return got


@pytest.mark.parametrize("count", [weight_sequencer.LAST_TILE_CYCLES, 4, 8])
def test_k_tiles_follow_each_other(count):
    run(columns(count), 5)


def test_an_array_too_narrow_is_told():
    with pytest.raises(AssertionError, match="a k-tile ends before its last_k"):
        run(columns(weight_sequencer.LAST_TILE_CYCLES - 1), 5)


def test_a_swap_too_early_is_told():
    with pytest.raises(AssertionError, match="a k-tile is swapped in before it is loaded"):
        run(CONFIG, 2, early=True)


@pytest.mark.parametrize("k_tiles", [1, 3])
@pytest.mark.parametrize("rows", [4, 8, 16])
@pytest.mark.parametrize("stall", STALLS[:2])
def test_parameters_and_a_table_behind_the_first_k_tile(rows, k_tiles, stall):
    config = Config(name="test", rows=rows, columns=rows, lanes=2, input_words=1024, acc_depth=64)
    dut = WeightSequencer(config)
    rng = random.Random(rows)
    records = [rng.randrange(1 << 55) for _ in range(config.columns)]
    table = [rng.randrange(256) for _ in range(TABLE_BYTES)]
    data = b"".join(r.to_bytes(config.param_words * rows, "little") for r in records)
    data += bytes(table)
    behind = [int.from_bytes(data[i : i + rows], "little") for i in range(0, len(data), rows)]
    weights = [rng.randrange(1 << 8 * rows) for _ in range(config.columns * k_tiles)]
    words = weights[: config.columns] + behind + weights[config.columns :]
    got, parameters, entries = [], [], {}

    async def testbench(ctx):
        for port, value in ((dut.k_tiles, k_tiles), (dut.params, 1), (dut.table, 1), (dut.bank, 1)):
            ctx.set(port, value)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        swaps = 0
        while swaps < k_tiles or not ctx.get(dut.ready):
            swap = ctx.get(dut.loaded)
            if swap and k_tiles == 1:  # an only k-tile comes with all that is behind it
                assert len(parameters) == config.columns and len(entries) >= TABLE_BYTES - 1
            ctx.set(dut.swap, swap)
            swaps += swap
            *_, weight, valid, param, param_valid, entry, entry_valid = await ctx.tick().sample(
                dut.weight,
                dut.weight_valid,
                dut.param,
                dut.param_valid,
                dut.table_write,
                dut.table_valid,
            )
            if valid:
                got.append(weight)
            if param_valid:
                assert (param.bank, param.column) == (1, len(parameters))
                parameters.append(param.record)
            if entry_valid:
                assert entry.bank == 1
                entries[entry.entry] = entry.value
        for _ in range(3):
            ctx.set(dut.swap, 0)
            _, _, entry, entry_valid = await ctx.tick().sample(dut.table_write, dut.table_valid)
            if entry_valid:
                entries[entry.entry] = entry.value

    simulate(dut, testbench, background=[drive(dut.words, words, 1, stall)])
    assert got == weights
    assert [entries[i] for i in range(TABLE_BYTES)] == table
    assert [r.mult for r in parameters] == [r >> 32 & 0x1FFFF for r in records]
