"""Weight sequencer: words in order, and what it needs of the array's width and of the swap."""

import copy
import random

import pytest

from resarray.hw import weight_sequencer
from resarray.hw.weight_sequencer import WeightSequencer
from resarray.spec.config import Config

from .bench import drive, simulate

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
