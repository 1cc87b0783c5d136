"""Pool stage against plain max and average pooling, maps split over several instructions."""

import itertools
import random

import numpy as np
import pytest

from resarray.compiler import rates
from resarray.hw import max_pool as max_pool_unit
from resarray.hw import pool
from resarray.hw.pool import PoolUnit
from resarray.spec import numerics as n
from resarray.spec.config import Config
from resarray.spec.isa import Pool

from .bench import STALLS, collect, drive, simulate, unword, word

pytestmark = pytest.mark.verifies("pools", "drain", by="unit")

CONFIG = Config(name="test", rows=4, columns=8, lanes=2, pool_words=32)


def max_pool(maps: np.ndarray, kernel, stride, padding) -> np.ndarray:
    """[block][H][W][channel]; ``padding``: top, bottom, left, right."""
    top, bottom, left, right = padding
    border = ((0, 0), (top, bottom), (left, right), (0, 0))
    padded = np.pad(maps, border, constant_values=-128)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
    return windows[:, :: stride[0], :: stride[1]].max(axis=(-2, -1))


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


def before_end(line: int, kernel: int, stride: int) -> int:
    """Lines from ``line`` of a padded map to the first that ends a window."""
    return next(n for n in itertools.count() if (line + n + 1 - kernel) in range(0, 999, stride))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("stall", STALLS[:2])
def test_max_pool(kernel, stride, stall):
    """One axis has ``kernel`` and ``stride``, the other any; padding and sizes too."""
    rng = np.random.default_rng(kernel * 10 + stride)
    for case in range(8):
        kernels = [kernel, int(rng.integers(1, 4))]
        strides = [stride, int(rng.integers(1, 4))]
        if case % 2:
            kernels.reverse()
            strides.reverse()
        pads = [int(rng.integers(0, kernels[i // 2])) for i in range(4)]
        sizes = [
            int(rng.integers(max(1, k - sum(p)), 9))
            for k, p in zip(kernels, (pads[:2], pads[2:]), strict=True)
        ]
        height, width = sizes
        blocks = 2
        maps = rng.integers(-128, 128, (blocks, height, width, 4)).astype(np.int8)
        expected = max_pool(maps, kernels, strides, pads)
        out_h, out_w = expected.shape[1:3]
        # Padding that no window reaches is left out.
        bottom, right = (
            max(0, (out - 1) * s + k - pad - size)
            for out, s, k, pad, size in zip(
                (out_h, out_w), strides, kernels, pads[::2], sizes, strict=True
            )
        )
        # Tiles of two, one and then the remaining rows.
        bounds = sorted({0, min(2, height), min(3, height), height})
        instructions, words, order = [], [], []
        emitted = 0
        for first, last in itertools.pairwise(bounds):
            final = last == height
            instructions.append(
                {
                    "pool": Pool.MAX,
                    "pool_ky": kernels[0],
                    "pool_kx": kernels[1],
                    "pool_sy": strides[0],
                    "pool_sx": strides[1],
                    "pool_y": before_end(first + pads[0], kernels[0], strides[0]),
                    "pool_x": before_end(pads[2], kernels[1], strides[1]),
                    "pool_bottom": bottom if final else 0,
                    "pool_right": right,
                    "pool_first": first == 0,
                    "width": width,
                    "height": last - first,
                    "pool_width": out_w,
                    "line": 3,
                    "n_blocks": blocks,
                    "px_count": (last - first) * width,
                }
            )
            # A window's row is complete with the last row that it holds, or the map's last.
            until = (
                out_h
                if final
                else sum(strides[0] * y + kernels[0] - pads[0] <= last for y in range(out_h))
            )
            for block in range(blocks):
                words += [word(v) for v in maps[block, first:last].reshape(-1, 4)]
                order += [list(v) for v in expected[block, emitted:until].reshape(-1, 4)]
            emitted = until
        got = run_stage(instructions, words, len(order), stall, case)
        assert [unword(w, 4) for w in got] == order, (kernels, strides, pads, sizes)


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
                    "height": 1,
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
        {"pool": Pool.NONE, "n_blocks": b, "px_count": p, "width": p, "height": 1}
        for b, p in ((2, 5), (1, 30))
    ]
    assert run_stage(instructions, words, 40, stall, 9) == words


def flood(after_start: int) -> None:
    """Words without end, from so many cycles after their instruction on; none is taken."""
    dut = PoolUnit(CONFIG)

    async def testbench(ctx):
        ctx.set(
            dut.c, {"pool": Pool.NONE, "n_blocks": 1, "px_count": 100, "width": 100, "height": 1}
        )
        for cycle in range(60):
            ctx.set(dut.start, cycle == 2)
            ctx.set(dut.i.valid, cycle >= 2 + after_start)
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
    instruction = {"pool": Pool.MAX, "pool_first": 1, "n_blocks": 1, "px_count": 8}
    instruction |= {"pool_kx": 2, "pool_ky": 2, "pool_sx": 2, "pool_sy": 2}
    instruction |= {"pool_x": 1, "pool_y": 1, "width": 4, "height": 2, "pool_width": 2}
    with pytest.raises(AssertionError, match="a line-buffer word is read before it is written"):
        run_stage([instruction], [0] * 8, 2, 0.0, 1)


def test_the_compiler_knows_how_long_a_narrow_map_waits():
    assert rates.LINE_CYCLES == max_pool_unit.LINE_CYCLES
