"""An average over windows is a depthwise convolution of equal weights; one over the whole map has a
unit of its own."""

from dataclasses import replace

import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import (
    FloatAvgPool,
    FloatConstant,
    FloatConv,
    FloatGlobalAvgPool,
    FloatMultiply,
    FloatOp,
)
from resarray.golden.ops.base import padding_after


def average_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each average pool that can be computed so becomes such a convolution, or the global one.
    Where windows divide by different numbers of pixels it divides by the most, and a product with
    a constant map makes up for the others."""
    ops: list[FloatOp] = []
    for op in graph.ops:
        ops += _converted(graph, op)
    return graph.with_ops(ops)


def _converted(graph: FloatGraph, op: FloatOp) -> list[FloatOp]:
    if not isinstance(op, FloatAvgPool) or op.refusal(*graph.operands(op)):
        return [op]
    shape = graph.shapes[op.inputs[0]]
    if op.whole(shape):
        return [FloatGlobalAvgPool(op.name, op.inputs, op.output, origin=op.origin)]
    rows, columns = op.kernel
    divisor, corrections = op.divisor, None
    if divisor is None:
        down, across = (torch.tensor(each, dtype=torch.float64) for each in op.divisors(shape))
        divisor = int(down.max() * across.max())
        if (down != down[0]).any() or (across != across[0]).any():
            corrections = divisor / (down[:, None] * across)
    bottom, right = (
        padding_after(shape[1 + i], op.kernel[i], op.stride[i], op.padding[i], op.ceil)
        for i in (0, 1)
    )
    top, left = op.padding
    conv = FloatConv(
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
    if corrections is None:
        return [conv]
    summed, constant = f"{op.output}.sum", f"{op.output}.constant"
    value = corrections.expand(shape[0], *corrections.shape)
    return [
        replace(conv, output=summed),
        FloatConstant(op.name, (graph.input,), constant, value, origin=op.origin),
        FloatMultiply(op.name, (summed, constant), op.output, origin=op.origin),
    ]
