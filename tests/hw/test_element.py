"""Elements and columns against the plain dot product; one suite for both elements. `make formal`
proves the elements for all operands."""

import itertools
import random

import pytest

from resarray.hw import element
from resarray.hw.array import SystolicArray, column_latency
from resarray.spec import numerics, winograd
from resarray.spec.config import Config

from .bench import simulate, word

pytestmark = pytest.mark.verifies("array", by="unit")

SLOTS = 2  # that take turns
CORNERS = (-128, -127, -1, 0, 1, 127)


# (activations, weights) at each position, as far as they reach.
REACHES = {
    "direct": [(-128, 127, 127)],
    "winograd": [
        (-reach, reach, 127 * int(abs(w).sum()))
        for x, w in zip(winograd.INPUT, winograd.WEIGHT, strict=True)
        for reach in [128 * int(abs(x).sum())]
    ],
}
OPERANDS = {"direct": numerics.DIRECT, "winograd": numerics.WINOGRAD}


@pytest.mark.parametrize("kind", element.ELEMENTS)
@pytest.mark.parametrize("operands", OPERANDS)
def test_element_product(kind, operands):
    """Every corner of the operand ranges, then random ones, one set a cycle."""
    rng = random.Random(1)
    dut = element.ELEMENTS[kind](OPERANDS[operands])
    cases = []
    for least, most, weight in REACHES[operands]:
        a = (least, least + 1, -1, 0, 1, most)
        w = (-weight, -1, 0, 1, weight)
        cases += itertools.product(a, a, w, w)
        cases += [
            tuple(rng.randint(*ends) for ends in [(least, most)] * 2 + [(-weight, weight)] * 2)
            for _ in range(300)
        ]

    async def testbench(ctx):
        for i in range(len(cases) + dut.latency):
            if i >= dut.latency:
                a0, a1, w0, w1 = cases[i - dut.latency]
                expected = a0 * w0 + a1 * w1
                if kind == "pair":
                    expected += a0 * a1 + w0 * w1
                assert ctx.get(dut.product) == expected
            if i < len(cases):
                for port, value in zip((dut.a0, dut.a1, dut.w0, dut.w1), cases[i], strict=True):
                    ctx.set(port, value)
            await ctx.tick()

    simulate(dut, testbench)


def test_pair_element_identity():
    """(a0+w1)*(a1+w0) - a0*a1 - w0*w1 is the dot product, over all corners."""
    for a0 in CORNERS:
        for a1 in CORNERS:
            for w0 in CORNERS[1:]:
                for w1 in CORNERS[1:]:
                    assert (a0 + w1) * (a1 + w0) - a0 * a1 - w0 * w1 == a0 * w0 + a1 * w1


@pytest.mark.parametrize("kind", element.ELEMENTS)
@pytest.mark.parametrize("gap", [0, 3])
def test_array_streams_k_tiles(kind, gap):
    """K-tiles of different weights back to back: weights load in the shadow of streaming, into the
    next slot, one after the other."""
    rng = random.Random(gap)
    config = Config(name="test", rows=4, columns=8, lanes=2, element=kind, winograd=False)
    dut = SystolicArray(config)
    pixels = config.columns + gap  # cycles of a k-tile; the shortest possible is `columns`
    tiles = 6
    weights = [[[rng.randint(-127, 127) for _ in range(4)] for _ in range(8)] for _ in range(tiles)]
    vectors = [
        [[rng.randint(-128, 127) for _ in range(4)] for _ in range(pixels)] for _ in range(tiles)
    ]
    latency = column_latency(config)
    start = config.columns  # the first k-tile's weights come first

    def expected(tile, pixel, column):
        w, a = weights[tile][column], vectors[tile][pixel]
        total = sum(x * y for x, y in zip(w, a, strict=True))
        if kind == "pair":
            total += sum(w[i] * w[i + 1] for i in range(0, 4, 2))
        return total

    checked = 0

    async def testbench(ctx):
        nonlocal checked
        for cycle in range(start + tiles * pixels + latency + config.columns):
            for column in range(config.columns):
                at = cycle - start - latency - column
                if 0 <= at < tiles * pixels:
                    tile, pixel = divmod(at, pixels)
                    got = ctx.get(dut.dot[column])
                    assert got == expected(tile, pixel, column), (tile, pixel, column)
                    checked += 1
            # Word c of k-tile t enters c cycles after the first vector of k-tile t - 1.
            tile, index = divmod(cycle - start + pixels, pixels)
            loading = tile < tiles and index < config.columns and cycle >= start - pixels
            if cycle < start:
                tile, index, loading = 0, cycle, True
            ctx.set(dut.weight_valid, loading)
            if loading:
                ctx.set(dut.weight_slot, tile % SLOTS)
                ctx.set(dut.weight, word(weights[tile][index]))
                ctx.set(dut.weight_column, index)
            at = cycle - start
            streaming = 0 <= at < tiles * pixels
            if streaming:
                ctx.set(dut.slot, at // pixels % SLOTS)
                ctx.set(dut.vector, word(vectors[at // pixels][at % pixels]))
            await ctx.tick()

    simulate(dut, testbench)
    assert checked == tiles * pixels * config.columns
