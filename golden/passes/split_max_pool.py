"""A max pool of large windows is one of small ones behind another."""

from dataclasses import replace

import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatConv, FloatMaxPool, FloatOp, Shape
from resarray.spec.isa import MAX_POOL
from resarray.spec.layout import ceil_div

# Of one pool along an axis: kernel, stride, padding before and after.
Stage = tuple[int, int, int, int]
NOTHING: Stage = (1, 1, 0, 0)


def split_max_pool(graph: FloatGraph) -> FloatGraph:
    """Each max pool becomes a chain of those that the hardware has, of windows and strides up to
    `isa.MAX_POOL`; behind it, where its stride is larger, a convolution takes every so many pixels.
    """
    ops: list[FloatOp] = []
    for op in graph.ops:
        ops += _split(graph, op) if isinstance(op, FloatMaxPool) else [op]
    return graph.with_ops(ops)


def _split(graph: FloatGraph, op: FloatMaxPool) -> list[FloatOp]:
    if op.refusal() is not None or max(*op.kernel, *op.stride) <= MAX_POOL:
        return [op]
    channels, height, width = graph.shapes[op.inputs[0]]
    top, bottom, left, right = op.padding
    down = stages(op.kernel[0], op.stride[0], (top, bottom), height)
    across = stages(op.kernel[1], op.stride[1], (left, right), width)
    # Of larger strides all windows are there, and each so many are taken at last.
    strides = [1 if stride <= MAX_POOL else stride for stride in op.stride]
    count = max(len(down), len(across))
    down += [NOTHING] * (count - len(down))
    across += [NOTHING] * (count - len(across))
    made: list[FloatOp] = []
    source = op.inputs[0]
    for number, (y, x) in enumerate(zip(down, across, strict=True)):
        output = f"{op.output}.part{number}"
        made.append(
            replace(
                op,
                inputs=(source,),
                output=output,
                kernel=(y[0], x[0]),
                stride=(y[1], x[1]),
                padding=(*y[2:], *x[2:]),
            )
        )
        source = output
    if graph.shapes[op.output] == _shape(graph, made):
        made[-1] = replace(made[-1], output=op.output)
    else:
        ones = torch.ones(channels, 1, 1, 1)
        made.append(
            FloatConv(
                op.name,
                (source,),
                op.output,
                ones,
                torch.zeros(channels),
                stride=(strides[0], strides[1]),
                groups=channels,
                origin=op.origin,
            )
        )
    return made


def _shape(graph: FloatGraph, ops: list[FloatOp]) -> Shape:
    """What a chain of operators makes of the input of the first."""
    shape = graph.shapes[ops[0].inputs[0]]
    for op in ops:
        shape = op.shape(shape)
    return shape


def stages(kernel: int, stride: int, padding: tuple[int, int], size: int) -> list[Stage]:
    """Pools one behind the other that are one of ``kernel`` and ``stride`` along an axis of
    ``size``; of stride 1 where it exceeds MAX_POOL. Minus infinity around a map is the same around
    what a pool makes of it, so that each takes as much padding as its windows can."""
    before, after = padding
    if kernel - before >= size and size + before + after < kernel + stride:
        return _whole(size)
    most = MAX_POOL - 1
    result: list[Stage] = []
    while kernel > MAX_POOL:
        result.append((MAX_POOL, 1, min(before, most), min(after, most)))
        before, after, kernel = max(0, before - most), max(0, after - most), kernel - most
    return [*result, (kernel, stride if stride <= MAX_POOL else 1, before, after)]


def _whole(size: int) -> list[Stage]:
    """One window of all pixels, of which each pool leaves a third."""
    result: list[Stage] = []
    while size > MAX_POOL:
        groups = ceil_div(size, MAX_POOL)
        result.append((MAX_POOL, MAX_POOL, 0, groups * MAX_POOL - size))
        size = groups
    return [*result, (size, 1, 0, 0)]
