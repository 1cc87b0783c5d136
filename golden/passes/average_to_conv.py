"""An average over windows is a depthwise convolution of equal weights; one over the whole map has a
unit of its own."""

import math

import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatAvgPool, FloatConv, FloatGlobalAvgPool, FloatOp, Shape


def average_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each average pool that can be computed so becomes such a convolution, or the global one."""
    return graph.with_ops(_converted(graph, op) for op in graph.ops)


def _converted(graph: FloatGraph, op: FloatOp) -> FloatOp:
    if not isinstance(op, FloatAvgPool) or op.refusal(*graph.operands(op)):
        return op
    shape = graph.shapes[op.inputs[0]]
    if op.whole(shape):
        return FloatGlobalAvgPool(op.name, op.inputs, op.output, origin=op.origin)
    rows, columns = op.kernel
    divisor = op.divisor
    if divisor is None:
        divisor = math.prod(each[0] for each in op.divisors(shape))
    bottom, right = (_after(op, shape, axis) for axis in (0, 1))
    top, left = op.padding
    return FloatConv(
        op.name,
        op.inputs,
        op.output,
        torch.full((shape[0], 1, rows, columns), 1 / divisor),
        torch.zeros(shape[0]),
        op.stride,
        (top, bottom, left, right),
        groups=shape[0],
        origin=op.origin,
    )


def _after(op: FloatAvgPool, shape: Shape, axis: int) -> int:
    """Lines of padding at the end of an axis: as many as before it, or more where the last window
    ends outside."""
    before, size = op.padding[axis], shape[1 + axis]
    last = (op.shape(shape)[1 + axis] - 1) * op.stride[axis] + op.kernel[axis]
    return max(before, last - before - size)
