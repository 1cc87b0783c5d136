"""Requantisation lane against `spec.numerics`."""

import random

import pytest

from resarray.hw.requantise import LATENCY, RequantiseLane
from resarray.spec import numerics as n

from .bench import simulate


def corner_cases(rng):
    """(acc, bias, mult, shift, residual): extremes of the accumulator and all kinds of shifts."""
    for acc in (-(2**31) + 2**20, -(2**24), -32769, -1, 0, 1, 32767, 2**24, 2**31 - 2**20):
        for shift in (0, 1, 7, 8, 15, 16, 31, 47, 48, 63):
            yield acc, rng.randint(-(2**19), 2**19), rng.choice([2**16, 2**17 - 1]), shift, -128
    # Just below, at and above a rounding boundary.
    for value in range(-3, 4):
        for offset in (-1, 0, 1):
            yield value * 2 + 1, 0, 2**16 + offset * (offset > 0), 1, 0


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_lane_equals_numerics(residual, seed):
    rng = random.Random(seed)
    dut = RequantiseLane()
    zp_out, lo, hi = rng.randint(-128, 127), rng.randint(-128, 0), rng.randint(1, 127)
    res_zp, res_mult, res_shift = rng.randint(-128, 127), rng.randint(2**16, 2**17 - 1), seed * 5
    cases = list(corner_cases(rng)) + [
        (
            rng.randint(-(2**25), 2**25),
            rng.randint(-(2**20), 2**20),
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
            (dut.res_en, residual),
            (dut.res_zp, res_zp),
            (dut.res_mult, res_mult),
            (dut.res_shift, res_shift),
        ):
            ctx.set(port, value)
        for i in range(len(cases) + LATENCY):
            if i >= LATENCY:
                acc, bias, mult, shift, r = cases[i - LATENCY]
                term = n.residual_term(r, res_zp, res_mult, res_shift) if residual else 0
                expected = n.requantise(acc, bias, mult, shift, zp_out, lo, hi, term)
                assert ctx.get(dut.out) == expected, cases[i - LATENCY]
            if i < len(cases):
                acc, bias, mult, shift, r = cases[i]
                ctx.set(dut.acc, acc)
                ctx.set(dut.params, {"bias": bias, "mult": mult, "shift": shift})
                ctx.set(dut.residual, r)
            await ctx.tick()

    simulate(dut, testbench)
