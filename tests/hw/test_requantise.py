"""Requantisation lane against `spec.numerics`."""

import itertools
import random

import pytest

from resarray.hw.requantise import MULTIPLY_LATENCY, RequantiseLane
from resarray.hw.requantise import latency as lane_latency
from resarray.spec import numerics as n

from .bench import simulate

pytestmark = pytest.mark.verifies("requantiser", by="unit")


def corner_cases(rng):
    """(acc, bias, mult, shift, residual): extremes of the accumulator and all kinds of shifts."""
    for acc in (-(2**31) + 2**20, -(2**24), -32769, -1, 0, 1, 32767, 2**24, 2**31 - 2**20):
        for shift in (0, 1, 7, 8, 15, 16, 31, 47, 48, 63):
            yield acc, rng.randint(-(2**19), 2**19), rng.choice([2**16, 2**17 - 1]), shift, -128
    # Just below, at and above a rounding boundary.
    for value in range(-3, 4):
        for offset in (-1, 0, 1):
            yield value * 2 + 1, 0, 2**16 + offset * (offset > 0), 1, 0


def products(rng):
    """The same for a product: accumulator and bias give x - zero point."""
    for x, r in itertools.product((-128, 127, 0, rng.randint(-128, 127)), repeat=2):
        for shift in (0, 1, 15, 63):
            yield x, rng.choice([-127, 128, 3]), rng.choice([2**16, 2**17 - 1]), shift, r


@pytest.mark.parametrize("kind", ["alone", "residual", "product"])
@pytest.mark.parametrize("seed", range(2))
def test_lane_equals_numerics(kind, seed):
    rng = random.Random(seed)
    dut = RequantiseLane()
    product, latency = kind == "product", lane_latency(False)
    if product:
        latency += MULTIPLY_LATENCY
    zp_out, lo, hi = rng.randint(-128, 127), rng.randint(-128, 0), rng.randint(1, 127)
    res_zp, res_mult, res_shift = rng.randint(-128, 127), rng.randint(2**16, 2**17 - 1), seed * 5
    large, small = (2**7, 2**7) if product else (2**25, 2**20)
    cases = list(products(rng) if product else corner_cases(rng)) + [
        (
            rng.randint(-large, large),
            rng.randint(-small, small),
            rng.randint(2**16, 2**17 - 1),
            rng.randint(10, 30),
            rng.randint(-128, 127),
        )
        for _ in range(500)
    ]

    async def testbench(ctx):
        for port, value in (
            (dut.zp_out, zp_out),
            (dut.lo, lo),
            (dut.hi, hi),
            (dut.res_en, kind != "alone"),
            (dut.multiply, product),
            (dut.res_zp, res_zp),
            (dut.res_mult, res_mult),
            (dut.res_shift, res_shift),
        ):
            ctx.set(port, value)
        for i in range(len(cases) + latency):
            if i >= latency:
                acc, bias, mult, shift, r = cases[i - latency]
                term = n.residual_term(r, res_zp, res_mult, res_shift) if kind == "residual" else 0
                if product:
                    acc, bias = (acc + bias) * (r - res_zp), 0
                expected = n.requantise(acc, bias, mult, shift, zp_out, lo, hi, term)
                assert ctx.get(dut.out) == expected, cases[i - latency]
            if i < len(cases):
                acc, bias, mult, shift, r = cases[i]
                ctx.set(dut.acc, acc)
                ctx.set(dut.params, {"bias": bias, "mult": mult, "shift": shift})
                ctx.set(dut.residual, r)
            await ctx.tick()

    simulate(dut, testbench)
