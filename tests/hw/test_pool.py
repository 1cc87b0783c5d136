"""Pool stage against plain max and average pooling, maps split over several instructions."""

import itertools
import random

import numpy as np
import pytest

from resarray.hw import max_pool as max_pool_unit
from resarray.hw import pool
from resarray.hw.pool import PoolUnit
from resarray.spec import numerics as n
from resarray.spec.config import Config
from resarray.spec.isa import Pool

from .bench import STALLS, collect, drive, simulate, unword, word

CONFIG = Config(name="test", rows=4, columns=8, lanes=2, pool_words=32)


def windows(size: int, kernel: int, padding: int, ceil: bool) -> int:
    starts = range(-padding, size if ceil else size + padding - kernel + 1, 2)
    return sum(start + kernel <= size + padding + ceil for start in starts)


def max_pool(maps: np.ndarray, kernel: int, padding: int, ceil: bool) -> np.ndarray:
    """[block][H][W][channel], windows of stride 2; with ``ceil`` one more where it begins inside
    the map or its padding."""
    _, height, width, _ = maps.shape
    border = ((0, 0), (padding, padding + ceil), (padding, padding + ceil), (0, 0))
    padded = np.pad(maps, border, constant_values=-128)
    out_h, out_w = (windows(size, kernel, padding, ceil) for size in (height, width))
    return np.stack(
        [
            np.stack(
                [
                    padded[:, 2 * y : 2 * y + kernel, 2 * x : 2 * x + kernel].max(axis=(1, 2))
                    for x in range(out_w)
                ],
                axis=1,
            )
            for y in range(out_h)
        ],
        axis=1,
    )


def run_stage(instructions, words, outputs: int, stall: float, seed: int) -> list[int]:
    """Run ``instructions`` one after the other on their share of ``words``; what came out."""
    dut = PoolUnit(CONFIG)
    got, ends = [], []

    async def control(ctx):
        rest = list(words)
        for index, instruction in enumerate(instructions):
            ctx.set(dut.c, instruction)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            count = instruction["n_blocks"] * instruction["px_count"]
            await drive(dut.i, rest[:count], seed + index, stall)(ctx)
            del rest[:count]
            while len(ends) <= index:
                await ctx.tick()
            assert len(ends) == index + 1

    async def watch(ctx):
        while True:
            _, _, end = await ctx.tick().sample(dut.end)
            if end:
                ends.append(1)

    simulate(dut, control, collect(dut.o, outputs, got, seed + 1, stall), background=[watch])
    return got


SHAPES = [(6, 8), (7, 7), (5, 6), (4, 1), (2, 2), (3, 3), (8, 5)]


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("kernel,padding", [(2, 0), (3, 0), (3, 1)])
@pytest.mark.parametrize("stall", STALLS[:2])
def test_max_pool(kernel, padding, ceil, stall):
    rng = np.random.default_rng(kernel * 10 + padding)
    for height, width in SHAPES:
        if min(height, width) + 2 * padding + ceil < kernel:
            continue
        if ceil and padding and not height % 2 * width % 2:
            continue  # two windows would end with one pixel: refused
        blocks = 2
        maps = rng.integers(-128, 128, (blocks, height, width, 4)).astype(np.int8)
        expected = max_pool(maps, kernel, padding, ceil)
        out_h, out_w = expected.shape[1:3]
        # Tiles of two, one and then the remaining rows.
        bounds = sorted({0, min(2, height), min(3, height), height})
        instructions, words, order = [], [], []
        emitted = 0
        for first, last in itertools.pairwise(bounds):
            final = last == height
            flush_y = final and (height + padding - kernel) // 2 + 1 < out_h
            flush_x = (width + padding - kernel) // 2 + 1 < out_w
            instructions.append(
                {
                    "pool": Pool.MAX,
                    "pool_k": kernel,
                    "pool_pad": padding,
                    "pool_first": first == 0,
                    "pool_odd": (first + padding) % 2,
                    "pool_flush_x": int(flush_x),
                    "pool_flush_y": int(flush_y),
                    "width": width,
                    "pool_width": out_w,
                    "line": 3,
                    "n_blocks": blocks,
                    "px_count": (last - first) * width,
                }
            )
            # A window's row is complete with input row 2 * y + kernel - 1 - padding, or the last.
            until = (
                out_h if final else sum(2 * y + kernel - 1 - padding < last for y in range(out_h))
            )
            for block in range(blocks):
                words += [word(v) for v in maps[block, first:last].reshape(-1, 4)]
                order += [list(v) for v in expected[block, emitted:until].reshape(-1, 4)]
            emitted = until
        got = run_stage(instructions, words, len(order), stall, height)
        assert [unword(w, 4) for w in got] == order, (height, width)


@pytest.mark.parametrize("stall", STALLS)
def test_average_pool(stall):
    rng = np.random.default_rng(5)
    mult, shift, zp_in, zp_out = 70_000, 5, -20, 3
    splits = [[9], [4, 5, 7], [1]]
    instructions, words, expected = [], [], []
    for split in splits:
        pixels = rng.integers(-128, 128, (sum(split), 4))
        for i, count in enumerate(split):
            instructions.append(
                {
                    "pool": Pool.AVERAGE,
                    "n_blocks": 1,
                    "px_count": count,
                    "width": count,
                    "avg_first": i == 0,
                    "avg_last": i == len(split) - 1,
                    "avg_bias": -sum(split) * zp_in,
                    "avg_mult": mult,
                    "avg_shift": shift,
                    "avg_zp": zp_out,
                }
            )
        words += [word(v) for v in pixels.tolist()]
        expected.append(
            [
                n.requantise(int(s), -sum(split) * zp_in, mult, shift, zp_out, -128, 127)
                for s in pixels.sum(axis=0)
            ]
        )
    got = run_stage(instructions, words, len(expected), stall, 6)
    assert [unword(w, 4) for w in got] == expected


@pytest.mark.parametrize("stall", STALLS)
def test_no_pool_passes_words(stall):
    rng = random.Random(8)
    words = [rng.randrange(1 << 32) for _ in range(40)]
    instructions = [
        {"pool": Pool.NONE, "n_blocks": b, "px_count": p, "width": p} for b, p in ((2, 5), (1, 30))
    ]
    assert run_stage(instructions, words, 40, stall, 9) == words


def flood(after_start: int) -> None:
    """Words without end, from so many cycles after their instruction on; none is taken."""
    dut = PoolUnit(CONFIG)

    async def testbench(ctx):
        ctx.set(dut.c, {"pool": Pool.NONE, "n_blocks": 1, "px_count": 100, "width": 100})
        for cycle in range(60):
            ctx.set(dut.start, cycle == 1)
            ctx.set(dut.i.valid, cycle >= 1 + after_start)
            await ctx.tick()

    simulate(dut, testbench)


def test_nothing_is_lost_where_nothing_is_taken():
    flood(2)


def test_an_overflow_is_told(monkeypatch):
    monkeypatch.setattr(pool, "PIPELINE", 5)
    with pytest.raises(AssertionError, match="the FIFO overflows"):
        flood(2)


def test_a_word_before_its_instruction_is_told():
    with pytest.raises(AssertionError, match="a word comes with its start"):
        flood(0)


def test_a_line_buffer_word_read_too_soon_is_told(monkeypatch):
    monkeypatch.setattr(max_pool_unit, "LINE_CYCLES", 1)
    instruction = {"pool": Pool.MAX, "pool_k": 2, "pool_first": 1, "n_blocks": 1}
    instruction |= {"px_count": 8, "width": 4, "pool_width": 2}
    with pytest.raises(AssertionError, match="a line-buffer word is read before it is written"):
        run_stage([instruction], [0] * 8, 2, 0.0, 1)
