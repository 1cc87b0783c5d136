"""An average over windows is a depthwise convolution of equal weights; one over the whole map has a
unit of its own."""

import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatAvgPool, FloatConv, FloatGlobalAvgPool, FloatOp


def average_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each average pool that can be computed so becomes such a convolution, or the global one."""
    return graph.with_ops(_converted(graph, op) for op in graph.ops)


def _converted(graph: FloatGraph, op: FloatOp) -> FloatOp:
    if not isinstance(op, FloatAvgPool) or op.refusal(*graph.operands(op)):
        return op
    channels, *size = graph.shapes[op.inputs[0]]
    if op.kernel == tuple(size) and not any(op.padding) and op.divisor is None:
        return FloatGlobalAvgPool(op.name, op.inputs, op.output, origin=op.origin)
    rows, columns = op.kernel
    divisor = rows * columns if op.divisor is None else op.divisor
    top, left = op.padding
    return FloatConv(
        op.name,
        op.inputs,
        op.output,
        torch.full((channels, 1, rows, columns), 1 / divisor),
        torch.zeros(channels),
        op.stride,
        (top, top, left, left),
        groups=channels,
        origin=op.origin,
    )
