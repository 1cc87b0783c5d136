"""An adaptive average in front of a linear layer becomes part of its weights: both are linear."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatAdaptiveAvgPool, FloatLinear, FloatOp
from resarray.golden.ops.average_pool import adaptive_windows


def adaptive_to_linear(graph: FloatGraph) -> FloatGraph:
    """Each linear layer that reads such an average reads the map before it, and the average goes
    where nothing else reads it."""
    ops = [_folded(graph, op) for op in graph.ops]
    read = graph.with_ops(ops).uses()
    return graph.with_ops(
        op for op in ops if not isinstance(op, FloatAdaptiveAvgPool) or read[op.output]
    )


def _folded(graph: FloatGraph, op: FloatOp) -> FloatOp:
    pool = graph.producers.get(op.inputs[0])
    if not isinstance(op, FloatLinear) or not isinstance(pool, FloatAdaptiveAvgPool):
        return op
    shape = graph.shapes[pool.output]
    if math.prod(shape) != op.weight.shape[1]:
        return op
    _, height, width = graph.shapes[pool.inputs[0]]
    weight = op.weight.reshape(-1, *shape).double()
    # weight [out, C, oh, ow], the means of rows [oh, h] and of columns [ow, w].
    weight = (_means(height, shape[1]).T @ weight) @ _means(width, shape[2])
    weight = weight.flatten(1).float()
    return replace(op, inputs=pool.inputs, weight=weight, weight_scale=None)


def _means(size: int, wanted: int) -> Tensor:
    """float64 [wanted][size]: of each window of an adaptive average, what it makes of the lines."""
    means = torch.zeros(wanted, size, dtype=torch.float64)
    for row, (start, end) in zip(means, adaptive_windows(size, wanted), strict=True):
        row[start:end] = 1 / (end - start)
    return means
