"""Pools: of windows, and of the whole map."""

import numpy as np
import torch

from resarray.golden.ops import (
    FloatAvgPool,
    FloatConv,
    FloatGlobalAvgPool,
    FloatMaxPool,
    FloatMultiply,
    FloatScale,
)

from ..refused import Refused
from .reader import Reader
from .values import Map, Node, Value
from .windows import Windows, pair, windows


def _windows(reader: Reader, node: Node, x: Map) -> Windows:
    kernel = pair(node.attribute("kernel_shape"), "kernel_shape")
    found = windows(node, reader.shapes[x.name][1:], kernel)
    if min(found.size) < 1:
        raise Refused(f"its windows do not fit a map {list(x.dims)}: use a larger input")
    return found


def max_pool(reader: Reader, node: Node) -> Value:
    """The maxima; where they are is not known."""
    x = reader.feature_map(node)
    found = _windows(reader, node, x)
    made = reader.emit(
        node,
        FloatMaxPool,
        x.name,
        kernel=found.kernel,
        stride=found.stride,
        padding=found.padding,
        dilation=found.dilation,
    )
    return reader.result(made)


def average_pool(reader: Reader, node: Node) -> Value:
    x = reader.feature_map(node)
    found = _windows(reader, node, x)
    padded, ceil = bool(node.attribute("count_include_pad", 0)), bool(node.attribute("ceil_mode"))
    top, bottom, left, right = found.declared
    even = (top, left) == (bottom, right)
    inside = all(2 * pad <= side for pad, side in zip((top, left), found.kernel, strict=True))
    if even and inside and found.dilation == (1, 1):
        made = reader.emit(
            node,
            FloatAvgPool,
            x.name,
            kernel=found.kernel,
            stride=found.stride,
            padding=(top, left),
            ceil=ceil,
            padded=padded,
        )
        return reader.result(made)
    return _uneven(reader, node, x, found, padded)


def _uneven(reader: Reader, node: Node, x: Map, found: Windows, padded: bool) -> Value:
    """An average with other padding at one end than at the other: a depthwise convolution, and,
    where windows divide by different numbers of pixels, a product with a constant map."""
    channels, *size = reader.shapes[x.name]
    rows, columns = (
        np.array(_divisors(found, axis, size[axis], padded), np.float64) for axis in (0, 1)
    )
    if min(rows.min(), columns.min()) < 1:
        raise Refused(f"pads {found.declared}: a window holds no pixel of the map")
    most = rows.max() * columns.max()
    even = (rows == rows[0]).all() and (columns == columns[0]).all()
    made = reader.emit(
        node,
        FloatConv,
        x.name,
        part="" if even else "sum",
        weight=torch.full((channels, 1, *found.kernel), float(1 / most)),
        bias=torch.zeros(channels),
        stride=found.stride,
        padding=found.padding,
        dilation=found.dilation,
        groups=channels,
    )
    if not even:
        shares = most / (rows[:, None] * columns)
        constant = reader.emit_constant(node, np.broadcast_to(shares, (channels, *shares.shape)))
        made = reader.emit(node, FloatMultiply, made, constant)
    return reader.result(made)


def _divisors(found: Windows, axis: int, size: int, padded: bool) -> list[int]:
    """The pixels along an axis that each window counts."""
    before, behind = found.declared[2 * axis : 2 * axis + 2]
    lo, hi = (-before, size + behind) if padded else (0, size)
    starts = range(-before, -before + found.size[axis] * found.stride[axis], found.stride[axis])
    taken = [found.dilation[axis] * i for i in range(found.kernel[axis])]
    return [sum(lo <= start + i < hi for i in taken) for start in starts]


def global_average(reader: Reader, node: Node) -> Value:
    return reader.result(reader.emit(node, FloatGlobalAvgPool, reader.feature_map(node).name))


def global_max(reader: Reader, node: Node) -> Value:
    return reader.result(_maximum(reader, node, reader.feature_map(node)))


def _maximum(reader: Reader, node: Node, x: Map) -> str:
    _, height, width = reader.shapes[x.name]
    return reader.emit(node, FloatMaxPool, x.name, kernel=(height, width), stride=(height, width))


def reduce(reader: Reader, node: Node) -> Value:
    """Mean, sum or maximum of the whole map; mean or sum of its rows or columns."""
    x = node.map()
    axes = node.numbers(1, "axes")
    if not axes:
        if node.attribute("noop_with_empty_axes", 0):
            return x
        raise Refused("of all dimensions, images too: give it axes 2 and 3")
    ndim = len(x.dims)
    if any(not -ndim <= axis < ndim for axis in axes):
        raise Refused(f"axes {axes} of a tensor of {ndim} dimensions")
    axes = sorted({axis % ndim for axis in axes})
    channels, height, width = reader.shapes[x.name]
    kept = node.attribute("keepdims", 1)
    dims = tuple(1 if i in axes else d for i, d in enumerate(x.dims) if kept or i not in axes)
    pixels = (1, channels, height * width)
    whole = (axes == [2, 3] and x.dims == (1, channels, height, width)) or (
        axes == [2] and x.dims == pixels
    )
    if whole and node.op == "ReduceMax":
        return Map(_maximum(reader, node, x), dims)
    if node.op == "ReduceMax" or (not whole and (axes not in ([2], [3]) or len(x.dims) != 4)):
        raise Refused(f"axes {axes} of {list(x.dims)}: only height, width, or both")
    total = node.op == "ReduceSum"
    part = "mean" if total else ""
    count = height * width
    if whole:
        made = reader.emit(node, FloatGlobalAvgPool, x.name, part=part)
    else:
        reader.feature_map(node)
        kernel = (height, 1) if axes == [2] else (1, width)
        count = max(kernel)
        made = reader.emit(node, FloatAvgPool, x.name, part=part, kernel=kernel, stride=kernel)
    if total:
        factor = torch.full((channels,), float(count), dtype=torch.float64)
        made = reader.emit(node, FloatScale, made, factor=factor, offset=torch.zeros_like(factor))
    return Map(made, dims)
