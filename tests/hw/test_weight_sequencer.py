"""Weight sequencer: words in order, and what it needs of the array."""

import copy
import dataclasses
import itertools
import random

import numpy as np
import pytest

from resarray.hw import drain, output_transform, weight_sequencer
from resarray.hw.accumulator import drain_latency
from resarray.hw.weight_sequencer import WeightSequencer
from resarray.spec import winograd
from resarray.spec.config import WEIGHT_SLOTS, Config
from resarray.spec.isa import TABLE_BYTES

from .bench import STALLS, drive, simulate, word

pytestmark = pytest.mark.verifies("weights", by="unit")

CONFIG = Config(
    name="test", rows=8, columns=8, lanes=2, input_words=1024, acc_depth=64, winograd=False
)


def columns(count: int) -> Config:
    """A configuration of ``count`` columns, which may be too few for `Config`."""
    config = copy.copy(CONFIG)
    object.__setattr__(config, "columns", count)
    return config


def on_bus(weights: int, config: Config) -> int:
    """A word of weights, each as wide as the array's operand."""
    bits = config.operands.weight
    numbers = [(weights >> 8 * i & 255 ^ 128) - 128 for i in range(config.rows)]
    return sum((n & (1 << bits) - 1) << bits * i for i, n in enumerate(numbers))


class Array:
    """What begins a k-tile as soon as it is loaded and uses it for ``cycles``; ``held``: the slots
    that are in use, and those that have been given back are not."""

    def __init__(self, dut: WeightSequencer, cycles: int, tiled: int = 0):
        self.dut, self.cycles, self.tiled = dut, cycles, tiled
        self.left = self.begun = 0

    def step(self, ctx) -> None:
        """Before a tick."""
        end = self.left == 1
        self.left = max(0, self.left - 1)
        begin = bool(ctx.get(self.dut.loaded)) and self.left == 0
        if begin:
            self.left, self.begun = self.cycles, self.begun + 1
            if self.cycles == 1:
                end, self.left = True, 0
        ctx.set(self.dut.begin, begin)
        ctx.set(self.dut.end, end)
        ctx.set(self.dut.end_winograd, end and self.tiled)


def run(config: Config, k_tiles: int, early: bool = False, cycles: int = 1) -> list[int]:
    """The words that reach the array for one instruction, each k-tile used for ``cycles`` as soon
    as it is loaded; or, ``early``, begun in every cycle."""
    dut = WeightSequencer(config)
    words = [random.Random(1).randrange(1 << 64) for _ in range(config.columns * k_tiles)]
    got, begun = [], []

    async def testbench(ctx):
        ctx.set(dut.k_tiles, k_tiles)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        array = Array(dut, cycles)
        while len(got) < len(words):
            array.step(ctx)
            begun.append(ctx.get(dut.begin))
            if early:
                ctx.set(dut.begin, 1)
            _, _, valid, column, slot, word = await ctx.tick().sample(
                dut.weight_valid, dut.weight_column, dut.weight_slot, dut.weight
            )
            if valid:
                tile = len(got) // config.columns
                assert (column, slot) == (len(got) % config.columns, tile % WEIGHT_SLOTS)
                # The k-tile whose slot it takes has been used.
                assert array.begun - (array.left > 0) > tile - WEIGHT_SLOTS
                got.append(word)

    simulate(dut, testbench, background=[drive(dut.words, words)])
    assert got == words
    starts = [i for i, begin in enumerate(begun) if begin]
    assert min(b - a for a, b in itertools.pairwise(starts)) >= weight_sequencer.APART_CYCLES
    return got


@pytest.mark.parametrize("count", [weight_sequencer.LAST_TILE_CYCLES, 4, 8])
def test_k_tiles_follow_each_other(count):
    run(columns(count), 5)


@pytest.mark.parametrize("cycles", [12, 40])
def test_as_many_ahead_as_there_are_slots(cycles):
    run(columns(4), 2 * WEIGHT_SLOTS + 3, cycles=cycles)


def test_an_array_too_narrow_is_told():
    with pytest.raises(AssertionError, match="a k-tile ends before its last_k"):
        run(columns(weight_sequencer.LAST_TILE_CYCLES - 1), 5)


def test_a_beginning_too_early_is_told():
    with pytest.raises(AssertionError, match="a k-tile begins before it is loaded"):
        run(CONFIG, 2, early=True)


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("cycles", [1, 90])
def test_instructions_of_both_kinds_in_turn(stall, cycles):
    """Words of pixels' and of tiles' k-tiles, with records behind the first: each weight on the bus
    once, in its slot, when that is free, and each record in its place."""
    config = dataclasses.replace(CONFIG, winograd=True)
    dut = WeightSequencer(config)
    bits = config.operands.weight
    rng = random.Random(7)
    words, expected, records, kinds = [], [], [], []
    slot = 0
    for _ in range(12):
        tiled, params, k_tiles = rng.randrange(2), rng.randrange(2), rng.randint(1, 4)
        kinds.append((tiled, params, k_tiles))
        for k in range(k_tiles):
            for column in range(config.columns):
                w = [[rng.randint(-127, 127) for _ in range(8)] for _ in range(3 if tiled else 1)]
                words += [word(vector) for vector in w]
                vectors = (winograd.WEIGHT @ np.array(w)).tolist() if tiled else w
                for p, vector in enumerate(vectors):
                    value = sum((n & (1 << bits) - 1) << bits * i for i, n in enumerate(vector))
                    expected.append((column, (slot + p) % WEIGHT_SLOTS, value, len(kinds), k))
            slot = (slot + len(vectors)) % WEIGHT_SLOTS
            if params and k == 0:
                for column in range(config.columns):
                    for phase in range(4 if tiled else 1):
                        record = rng.randrange(1 << 55)
                        words.append(record)
                        records.append((column, phase, record))
    got, found = [], []
    order = [(n + 1, k) for n, (_, _, count) in enumerate(kinds) for k in range(count)]

    async def instructions(ctx):
        for tiled, params, k_tiles in kinds:
            for port, value in (
                (dut.winograd, tiled),
                (dut.params, params),
                (dut.k_tiles, k_tiles),
            ):
                ctx.set(port, value)
            ctx.set(dut.start, 1)
            await ctx.tick().until(dut.ready)
            ctx.set(dut.start, 0)

    async def testbench(ctx):
        array = Array(dut, cycles)
        used: dict[int, tuple] = {}  # slot: the k-tile that it holds
        while len(got) < len(expected) or len(found) < len(records) or array.begun < len(order):
            if array.begun:
                array.tiled = kinds[order[array.begun - 1][0] - 1][0]
            if array.cycles == 1 and array.begun < len(order):
                array.tiled = kinds[order[array.begun][0] - 1][0]
            array.step(ctx)
            done = order[: array.begun - (array.left > 0)]
            _, _, valid, column, slot, weight, is_param, param = await ctx.tick().sample(
                dut.weight_valid,
                dut.weight_column,
                dut.weight_slot,
                dut.weight,
                dut.param_valid,
                dut.param,
            )
            if valid:
                *_, number, k = expected[len(got)]
                assert used.get(slot, (number, k)) in (*done, (number, k)), "a slot in use"
                used[slot] = (number, k)
                got.append((column, slot, weight))
            if is_param:
                found.append((param.column, param.phase, param.record.as_bits()))

    simulate(dut, testbench, background=[drive(dut.words, words, 3, stall), instructions])
    assert got == [entry[:3] for entry in expected]
    assert found == records


@pytest.mark.parametrize("k_tiles", [1, 3])
@pytest.mark.parametrize("rows", [4, 8, 16])
@pytest.mark.parametrize("stall", STALLS[:2])
@pytest.mark.parametrize("winograds", [False, True])
def test_parameters_and_a_table_behind_the_first_k_tile(rows, k_tiles, stall, winograds):
    config = Config(name="test", rows=rows, columns=rows, lanes=2, input_words=1024, acc_depth=64)
    config = dataclasses.replace(config, winograd=winograds)
    dut = WeightSequencer(config)
    rng = random.Random(rows)
    records = [rng.randrange(1 << 55) for _ in range(config.columns)]
    table = [rng.randrange(256) for _ in range(TABLE_BYTES)]
    data = b"".join(r.to_bytes(config.param_words * rows, "little") for r in records)
    data += bytes(table)
    behind = [int.from_bytes(data[i : i + rows], "little") for i in range(0, len(data), rows)]
    weights = [rng.randrange(1 << 8 * rows) for _ in range(config.columns * k_tiles)]
    words = weights[: config.columns] + behind + weights[config.columns :]
    got, parameters, entries = [], [], []

    async def testbench(ctx):
        for port, value in ((dut.k_tiles, k_tiles), (dut.params, 1), (dut.table, 1), (dut.bank, 1)):
            ctx.set(port, value)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        begun = 0
        while begun < k_tiles or not ctx.get(dut.ready):
            begin = ctx.get(dut.loaded)
            if begin and k_tiles == 1:  # an only k-tile comes with all that is behind it
                assert len(parameters) == config.columns and len(entries) >= TABLE_BYTES - 1
            ctx.set(dut.begin, begin)
            begun += begin
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
                entries.append(entry.value)
        for _ in range(4):  # what is still on its way
            ctx.set(dut.begin, 0)
            *_, weight, valid, entry, entry_valid = await ctx.tick().sample(
                dut.weight, dut.weight_valid, dut.table_write, dut.table_valid
            )
            if valid:
                got.append(weight)
            if entry_valid:
                entries.append(entry.value)

    simulate(dut, testbench, background=[drive(dut.words, words, 1, stall)])
    assert got == [on_bus(w, config) for w in weights]
    assert entries == table
    assert [r.mult for r in parameters] == [r >> 32 & 0x1FFFF for r in records]


@pytest.mark.parametrize("rows, columns, lanes", [(4, 4, 1), (4, 8, 1), (8, 8, 4), (16, 32, 4)])
@pytest.mark.parametrize("winograds", [False, True])
def test_parameters_come_when_a_drain_that_is_done_has_read_its_own(
    rows, columns, lanes, winograds
):
    """A DRAIN is done before it has read the parameters of its last word: the COMPUTE that waits
    for it brings its own later than that, at once though it starts and with all words there."""
    config = Config(
        name="test", rows=rows, columns=columns, lanes=lanes, input_words=1024, acc_depth=64
    )
    config = dataclasses.replace(config, winograd=winograds)
    dut = WeightSequencer(config)
    found = []

    async def testbench(ctx):
        for port, value in ((dut.k_tiles, 1), (dut.params, 1), (dut.start, 1)):
            ctx.set(port, value)
        await ctx.tick()
        ctx.set(dut.start, 0)
        cycles = 0
        while not found:
            cycles += 1
            *_, valid = await ctx.tick().sample(dut.param_valid)
            if valid:
                found.append(cycles)

    simulate(dut, testbench, background=[drive(dut.words, [0] * 9 * columns)])
    transformed = output_transform.LATENCY + drain.TABLE_LATENCY - 1 if winograds else 0
    still_read = drain_latency(config) + transformed - drain.DONE
    assert found[0] > still_read
