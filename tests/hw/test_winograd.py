"""Winograd's transforms against their matrices, at the ends of every range and with pauses."""

import random

import numpy as np
import pytest

from resarray.hw import input_transform, output_transform, weight_transform
from resarray.hw.input_transform import InputTransform
from resarray.hw.output_transform import OutputTransform
from resarray.hw.requantise import DIVIDE_LATENCY, RequantiseLane, latency
from resarray.hw.weight_transform import WeightTransform
from resarray.spec import numerics, winograd
from resarray.spec.config import WEIGHT_SLOTS, Config
from resarray.spec.winograd import POSITIONS, TAPS, TILE

from .bench import simulate, word

pytestmark = pytest.mark.verifies("winograd", by="unit")

CONFIG = Config(name="test", rows=4, columns=8, lanes=2, winograd=True)


def numbers(value: int, bits: int, count: int) -> list[int]:
    """The signed numbers of a word, lowest first."""
    parts = [value >> bits * i & (1 << bits) - 1 for i in range(count)]
    return [part - (part >> (bits - 1) << bits) for part in parts]


@pytest.mark.parametrize("seed", range(3))
def test_tiles_of_the_definition(seed):
    """24 times the sums of a kernel row, and the sums again, from products modulo 2**32."""
    rng = np.random.default_rng(seed)
    x, w = rng.choice([-128, 0, 127], (2000, POSITIONS)), rng.choice([-127, 1, 127], (2000, TAPS))
    y = np.stack([(x[:, j : j + TAPS] * w).sum(1) for j in range(TILE)], 1)
    products = (x @ winograd.INPUT.T) * (w @ winograd.WEIGHT.T)
    outputs = products @ winograd.OUTPUT.T
    assert (outputs == winograd.FACTOR * y).all()
    ends = np.array([-(1 << 28), -(1 << 28) + 1, -1, 0, 1, (1 << 28) - 1])
    wrapped = (winograd.FACTOR * ends + (1 << 31)) % (1 << 32) - (1 << 31)
    assert (winograd.divide(wrapped) == ends).all()
    assert (winograd.divide(np.array([24 << 28]) % (1 << 32)) != 1 << 28).all()


@pytest.mark.parametrize("seed", range(3))
def test_input_transform(seed):
    """Tiles without a pause between them, and vectors of their own between tiles."""
    rng = random.Random(seed)
    dut = InputTransform(CONFIG)
    bits = CONFIG.operands.activation
    steps, expected = [], []
    for _ in range(60):
        ends = rng.choice([(-128, 127), (0, 0), None])
        draw = (lambda e=ends: rng.choice(e)) if ends else lambda: rng.randint(-128, 127)
        if rng.random() < 0.3:
            for _ in range(rng.randint(1, 4)):
                vector = [draw() for _ in range(4)]
                steps.append((vector, 0, 0))
                expected.append(vector)
        else:
            tile = np.array([[draw() for _ in range(4)] for _ in range(POSITIONS)])
            steps += [(pixel, 1, p) for p, pixel in enumerate(tile.tolist())]
            expected += (winograd.INPUT @ tile).tolist()
    found = []

    async def testbench(ctx):
        for i in range(len(steps) + input_transform.LATENCY):
            if i >= input_transform.LATENCY:
                found.append(numbers(ctx.get(dut.transformed), bits, 4))
            vector, tiled, position = steps[i] if i < len(steps) else ([0] * 4, 0, 0)
            ctx.set(dut.vector, word(vector))
            ctx.set(dut.winograd, tiled)
            ctx.set(dut.position, position)
            await ctx.tick()

    simulate(dut, testbench)
    assert found == expected


@pytest.mark.parametrize("seed", range(3))
def test_weight_transform(seed):
    """Three words at any distance give six, at once; a word of its own gives itself."""
    rng = random.Random(seed)
    dut = WeightTransform(CONFIG)
    bits = CONFIG.operands.weight
    steps, expected = [], []
    quiet = 0  # cycles until the next column may be complete
    for _ in range(60):
        column, slot = rng.randrange(8), rng.randrange(WEIGHT_SLOTS)
        draw = lambda: rng.choice([-127, 127, rng.randint(-127, 127)])  # noqa: E731
        if rng.random() < 0.3:
            steps += [None] * quiet
            vector = [draw() for _ in range(4)]
            steps.append((vector, 0, 0, column, slot))
            expected.append((column, slot, vector))
            quiet = 0
        else:
            words = np.array([[draw() for _ in range(4)] for _ in range(TAPS)])
            for i, vector in enumerate(words.tolist()):
                pause = rng.choice([0, 0, 1, 3])
                if i == TAPS - 1:
                    pause = max(pause, quiet)
                steps += [None] * pause
                quiet = max(0, quiet - pause - 1)
                steps.append((vector, 1, i == TAPS - 1, column, slot))
            quiet = POSITIONS - 1
            for p, vector in enumerate((winograd.WEIGHT @ words).tolist()):
                expected.append((column, (slot + p) % WEIGHT_SLOTS, vector))
    found = []

    async def testbench(ctx):
        for step in steps + [None] * (weight_transform.LATENCY + POSITIONS):
            vector, tiled, last, column, slot = step or ([0] * 4, 0, 0, 0, 0)
            ctx.set(dut.take, step is not None)
            for port, value in (
                (dut.word, word(vector)),
                (dut.winograd, tiled),
                (dut.last, last),
                (dut.column, column),
                (dut.slot, slot),
            ):
                ctx.set(port, value)
            _, _, valid, column, slot, weight = await ctx.tick().sample(
                dut.weight_valid, dut.weight_column, dut.weight_slot, dut.weight
            )
            if valid:
                found.append((column, slot, numbers(weight, bits, 4)))

    simulate(dut, testbench)
    assert found == expected


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_output_transform(lanes, pause):
    """Each wanted output once and in order, its residual beside it, whatever the pauses between
    the words of accumulators."""
    rng = random.Random(lanes)
    config = Config(name="test", rows=4, columns=8, lanes=lanes, winograd=True)
    parts = config.block_groups
    dut = OutputTransform(config)
    steps, expected = [], []
    for tile in range(20):
        ends = rng.choice([(-(1 << 31), (1 << 31) - 1), None])
        draw = (lambda e=ends: rng.choice(e)) if ends else lambda: rng.randint(-9, 9)
        acc = np.array(
            [[[draw() for _ in range(lanes)] for _ in range(parts)] for _ in range(POSITIONS)]
        )
        residual = [[rng.randrange(1 << 8 * lanes) for _ in range(parts)] for _ in range(TILE)]
        kept = rng.randint(1, TILE)
        for p in range(POSITIONS):
            while rng.random() < pause:
                steps.append(None)
            for part in range(parts):
                beside = residual[p][part] if p < kept else rng.randrange(1 << 8 * lanes)
                group = (tile + part) % config.column_groups
                steps.append((acc[p, part].tolist(), p, (1 << kept) - 1, beside, group))
        outputs = np.tensordot(winograd.OUTPUT, acc, (1, 0))
        for j in range(kept):
            for part in range(parts):
                wanted = [int(v + (1 << 31)) % (1 << 32) - (1 << 31) for v in outputs[j, part]]
                group = (tile + part) % config.column_groups
                expected.append((wanted, residual[j][part], j, group))
    found, looked_up = [], []

    async def testbench(ctx):
        ctx.set(dut.winograd, 1)  # constant while pixels are under way, and a cycle before
        await ctx.tick()
        for step in steps + [None] * (output_transform.tile_latency(config) + 1):
            acc, position, kept, residual, group = step or ([0] * lanes, 0, 0, 0, 0)
            ctx.set(dut.valid, step is not None)
            ctx.set(dut.position, position)
            ctx.set(dut.kept, kept)
            ctx.set(dut.i, {"group": group, "residual": residual, "acc": acc})
            _, _, valid, o, phase, group = await ctx.tick().sample(
                dut.o_valid, dut.o, dut.phase, dut.group
            )
            if valid:
                phase_before, group_before = looked_up[-1]
                assert group_before == o.group
                found.append((list(o.acc), o.residual, phase_before, o.group))
            looked_up.append((phase, group))

    simulate(dut, testbench)
    assert found == expected


def test_output_transform_passes_pixels():
    dut = OutputTransform(CONFIG)

    async def testbench(ctx):
        await ctx.tick()
        for value in (-(1 << 31), 5, -1):
            ctx.set(dut.valid, 1)
            ctx.set(dut.i, {"group": 1, "residual": 7, "acc": [value, value + 1]})
            await ctx.tick()
            o = ctx.get(dut.o)
            assert ctx.get(dut.o_valid) and (list(o.acc), o.residual) == ([value, value + 1], 7)

    simulate(dut, testbench)


def test_lane_divides():
    """Of bias minus accumulator, at the ends of the quotient's range; pixels as always."""
    rng = random.Random(5)
    dut = RequantiseLane(winograd=True)
    ends = [-(1 << 28), (1 << 28) - 1, 0, -1, 1]
    cases = [*ends, *(rng.randint(-(1 << 28), (1 << 28) - 1) for _ in range(40))]
    wait = latency(True)
    assert wait == latency(False) + DIVIDE_LATENCY

    def wrapped(value: int) -> int:
        return (value + (1 << 31)) % (1 << 32) - (1 << 31)

    for tiled in (0, 1):
        found, expected = [], []

        async def testbench(ctx, tiled=tiled, found=found, expected=expected):
            ctx.set(dut.winograd, tiled)
            await ctx.tick()
            for port, value in ((dut.lo, -128), (dut.hi, 127), (dut.zp_out, -3)):
                ctx.set(port, value)
            for i in range(len(cases) + wait):
                if i < len(cases):
                    total, bias = cases[i], rng.randint(-(1 << 31), (1 << 31) - 1)
                    acc = wrapped(bias + 24 * total) if tiled else wrapped(total - bias)
                    shift = rng.randrange(3, 30)
                    ctx.set(dut.acc, acc)
                    ctx.set(dut.params, {"bias": bias, "mult": 1 << 16, "shift": shift})
                    expected.append(numerics.requantise(total, 0, 1 << 16, shift, -3, -128, 127))
                await ctx.tick()
                if i + 1 >= wait:
                    found.append(ctx.get(dut.out))

        simulate(dut, testbench)
        assert found[: len(cases)] == expected
