"""The graphs of the quick suite: each has operators at the edges of their ranges."""

import dataclasses
from typing import Any

import numpy as np

from resarray.spec.numerics import (
    GUARD_BITS,
    MULT_BITS,
    RESIDUAL_HEADROOM,
    SHIFT_BITS,
    quantise_factor,
)
from tests.compiler.reference import Builder


def _last(b: Builder, **fields: int) -> None:
    """Give the operator that was added last these fields."""
    op: Any = b.graph.ops[-1]
    b.graph.ops[-1] = dataclasses.replace(op, **fields)


def _show_all(b: Builder) -> None:
    """Make every operator's result an output."""
    b.graph.outputs = tuple(op.output for op in b.graph.ops)


def residual() -> Builder:
    """A block of a residual network with a fused max pool and the average at its end."""
    b = Builder(1, (5, 9, 7))
    x = b.max_pool(b.conv("x", 6, (3, 3), padding=(1, 1, 1, 1)), 3, 1)
    y = b.conv(x, 9, (3, 3), padding=(1, 1, 1, 1))
    x = b.conv(y, 6, (3, 3), padding=(1, 1, 1, 1), residual=x)
    b.average(x)
    return b


def excite() -> Builder:
    """Squeeze and excitation: averages, functions, products and sums."""
    b = Builder(2, (6, 5, 4))
    x = b.function(b.conv("x", 9, (3, 3), padding=(1, 1, 1, 1), relu=False))
    factor = b.function(b.conv(b.average(x), 9, (1, 1), relu=False))
    x = b.add(b.multiply(x, factor), x)
    b.multiply(x, x)
    return b


def concat() -> Builder:
    """Parts side by side, taken apart, enlarged, and constants."""
    b = Builder(3, (4, 4, 5))
    x = b.concat(b.conv("x", 5, (1, 1)), b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1)))
    x = b.upsample(b.slice(x, 3, 7), (2, 1))
    b.add(x, b.constant((7, 8, 5)))
    return b


def strides() -> Builder:
    """Dilation, groups, strides that differ, and patches."""
    b = Builder(4, (8, 13, 11))
    x = b.conv("x", 6, (3, 3), padding=(4, 2, 1, 3), dilation=(3, 2))
    x = b.conv(x, 12, (2, 3), (1, 3), groups=2)
    x = b.conv(x, 12, (3, 2), (2, 1), (2, 0, 1, 1), groups=12)
    b.conv(x, 5, (3, 2), (3, 2))
    return b


def tiles() -> Builder:
    """Kernels three wide at stride 1: rows that end with one to four outputs of a tile, a residual,
    a table, pools."""
    b = Builder(19, (6, 7, 9))
    x = b.conv("x", 6, (3, 3), padding=(1, 1, 1, 1))
    y = b.conv(x, 6, (3, 3), padding=(1, 1, 1, 1), residual=x)
    z = b.function(b.conv(y, 5, (1, 3), padding=(0, 0, 1, 0)))
    b.max_pool(b.conv(z, 9, (3, 3), (2, 1), (1, 1, 2, 1)), 2)
    b.average(b.conv(y, 6, (5, 3), padding=(2, 2, 0, 0)))
    _show_all(b)
    return b


def linear() -> Builder:
    """Layers of one pixel with many channels: memory bounds them."""
    b = Builder(5, (37, 2, 2))
    x = b.conv("x", 41, (2, 2))
    b.conv(x, 19, (1, 1), relu=False)
    return b


def pools() -> Builder:
    """Max pools of all kernels and strides, by themselves."""
    b = Builder(6, (6, 14, 9))
    x = b.max_pool("x", (3, 2), (1, 0, 0, 1), (1, 1))
    x = b.max_pool(x, 2, 0, 2)
    b.max_pool(x, (1, 3), (0, 0, 2, 1), (3, 2))
    return b


def wide_pools() -> Builder:
    """As many windows side by side as the line buffer holds."""
    b = Builder(12, (9, 6, 40))
    x = b.max_pool(b.conv("x", 9, (1, 1)), 3, 1)
    b.max_pool(b.conv(x, 12, (1, 1)), (2, 3), 0, (1, 1))
    return b


def full_line(words: int) -> Builder:
    """Windows side by side in all ``words`` of the line buffer."""
    b = Builder(20, (4, 4, words + 2))
    b.max_pool("x", 3, 0, (1, 1))
    return b


def many_images() -> Builder:
    """For a batch: every engine does hundreds of instructions."""
    b = Builder(13, (4, 8, 8))
    b.add("x", "x")
    return b


def large_map() -> Builder:
    """Each image keeps all accumulators busy for itself."""
    b = Builder(21, (4, 20, 20))
    b.conv("x", 4, (1, 1))
    return b


def moving() -> Builder:
    """Reads and writes of all kinds, for another place in memory."""
    b = Builder(7, (7, 6, 6))
    x = b.conv("x", 7, (3, 3), padding=(1, 1, 1, 1))
    b.add(b.conv(x, 7, (1, 1)), x)
    return b


def sums() -> Builder:
    """Maps that are added again and again."""
    b = Builder(17, (4, 12, 13))
    x = b.conv("x", 4, (1, 1))
    for _ in range(4):
        x = b.conv(x, 4, (3, 3), padding=(1, 1, 1, 1), residual=b.add(x, x))
    return b


def extremes() -> Builder:
    """The largest weights, pixels and biases, of both signs, and factors from tiny to large."""
    b = Builder(8, (60, 3, 3))
    b.graph.tensors["x"] = dataclasses.replace(b.graph.tensors["x"], zero_point=-128)
    x = b.conv("x", 16, (3, 3), padding=(1, 1, 1, 1), relu=False)
    op: Any = b.graph.ops[0]
    total = 255 * 127 * 9 * 60
    weight = np.full_like(op.weight, 127)
    weight[1::2] = -127
    bias = np.array([((1 << 31) - 1 - total) * (1 if i % 2 == 0 else -1) for i in range(16)])
    bias[8:] = 0
    factors = [quantise_factor(110 / s) for s in [2.0**31] * 8 + [1.0 * total] * 4 + [2e3] * 4]
    b.graph.ops[0] = dataclasses.replace(
        op,
        weight=weight,
        bias=bias,
        mult=np.array([m for m, _ in factors]),
        shift=np.array([s for _, s in factors]),
    )
    b.conv(x, 4, (1, 1))
    return b


def halves(mult: int = 1 << 16) -> Builder:
    """Results half way between two integers: every rounding is seen. A factor ``mult`` of 2**16 and
    a shift of 1 halve a sum; one less is nearly half."""
    b = Builder(11, (4, 3, 2))
    x = b.conv("x", 4, (1, 1), relu=False)
    op: Any = b.graph.ops[0]
    b.graph.ops[0] = dataclasses.replace(
        op,
        weight=np.sign(op.weight).astype(np.int8),
        bias=np.arange(-2, 2),
        mult=np.full(4, mult),
        shift=np.ones(4, int),
    )
    b.add(x, x)
    b.multiply(x, x)
    b.average(x)
    for index in range(1, 4):
        op = b.graph.ops[index]
        b.graph.ops[index] = dataclasses.replace(op, mult=mult, shift=1)
    return b


def fractions() -> Builder:
    """Sums of two fractions that are a half together: one has a single bit of those behind the
    point."""
    b = Builder(18, (4, 3, 4))
    for bit in range(GUARD_BITS - 1):
        b.add("x", "x")
        half, one = 1 << GUARD_BITS - 1, 1 << bit
        _last(b, mult=half - one, shift=0, res_mult=one, res_shift=RESIDUAL_HEADROOM)
    _show_all(b)
    return b


def headroom() -> Builder:
    """Residuals that are shifted by less than their headroom, in sums one unit below a half."""
    b = Builder(19, (4, 3, 4))
    for shift in range(RESIDUAL_HEADROOM):
        b.add("x", "x")
        mult = (1 << GUARD_BITS - 1) - 1 - (1 << RESIDUAL_HEADROOM - shift)
        _last(b, mult=mult, shift=0, res_mult=1, res_shift=shift)
    _show_all(b)
    return b


def average_fractions() -> Builder:
    """Averages that are less than a half, each by one bit of those behind the point."""
    b = Builder(24, (4, 1, 2))
    for bit in range(GUARD_BITS - 1):
        b.average("x")
        _last(b, mult=(1 << GUARD_BITS - 1) - (1 << bit), shift=0)
    _show_all(b)
    return b


def small_products() -> Builder:
    """Products that are shifted by each power of two."""
    b = Builder(23, (4, 3, 4))
    for bit in range(SHIFT_BITS):
        b.multiply("x", "x")
        _last(b, mult=(1 << MULT_BITS) - 1, shift=1 << bit)
    _show_all(b)
    return b


def near_zero(b: Builder) -> np.ndarray:
    """An image for ``b`` whose values are at most two from its zero point."""
    near = np.random.default_rng(2).integers(-2, 3, b.input().shape)
    zero_point = b.graph.tensors["x"].zero_point
    return np.clip(near + zero_point, -128, 127).astype(np.int8)[None]


def clamps() -> Builder:
    """Lower and upper clamps of many bits, zero points too, with results all around them."""
    b = Builder(14, (4, 7, 6))
    for index, (lo, hi) in enumerate(
        ((-86, 85), (-43, 42), (-128, -22), (21, 127), (-1, 0), (-120, 100), (-65, 64), (10, 90))
    ):
        b.conv("x", 8, (1, 1), relu=False)
        op: Any = b.graph.ops[-1]
        b.graph.tensors[op.output] = dataclasses.replace(
            b.graph.tensors[op.output], zero_point=(85, -86, 42, -43)[index % 4]
        )
        total = 127 * 127 * 4
        factors = [quantise_factor(scale / total) for scale in (60, 110, 170, 230) * 2]
        b.graph.ops[-1] = dataclasses.replace(
            op,
            mult=np.array([m for m, _ in factors]),
            shift=np.array([s for _, s in factors]),
            lo=lo,
            hi=hi,
        )
    b.concat(*(op.output for op in b.graph.ops))
    return b


def averages() -> Builder:
    """Averages whose factors are shifted by anything."""
    b = Builder(15, (3, 20, 20))
    for shift in (0, 1, 2, 4, 7, 8, 9, 11, 13, 14, 15, 16, 18, 21, 24, 31, 32, 40, 63):
        b.average("x")
        _last(b, mult=0x1_5A5A, shift=shift)
    b.concat(*(op.output for op in b.graph.ops))
    return b
