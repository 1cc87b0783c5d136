"""Channels of a concatenation are brought to one range before it gets one scale.

What is concatenated shares a scale, and channels of small values would be left a few steps of it.
Where a convolution makes a channel and a depthwise one reads it (a batch norm in front of an
activation, as in DenseNets), the first can multiply it by a factor and the second divide by it: the
network stays the same (cross-layer equalisation, Nagel et al. 2019, here of single channels).
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from .float_graph import FloatGraph, run_float
from .ops import FloatConcat, FloatConv, FloatMaxPool, FloatOp, FloatSlice
from .quantise import batches, shared_scales


def equalise(graph: FloatGraph, calibration: Tensor) -> FloatGraph:
    """``graph`` with such factors, where all makers and readers of what shares a concatenation's
    scale allow them, and none is quantised yet; ``calibration``: float [N][C][H][W], normalised
    images."""
    makers = set(_makers(graph))
    if not makers or graph.scales:
        return graph
    extents: dict[str, Tensor] = {}

    def observe(name: str, value: Tensor) -> None:
        if name in makers:
            extent = value.abs().amax((0, 2, 3))
            extents[name] = torch.maximum(extents.get(name, extent), extent)

    for batch in batches(calibration):
        run_float(graph, batch, observe)
    factors: dict[str, Tensor] = {}
    ops: list[FloatOp] = []
    for op in graph.ops:
        if op.output in makers:
            factors[op.output] = torch.where(extents[op.output] > 0, 1 / extents[op.output], 1.0)
        elif op.inputs[0] in factors and op.keeps_scale:
            factors[op.output] = _handed_on(op, [factors[name] for name in op.inputs])
        ops.append(_scaled(op, factors))
    return graph.with_ops(ops)


def _makers(graph: FloatGraph) -> Iterator[str]:
    """Tensors that are part of a concatenation and can have factors, all of a group or none."""
    groups = shared_scales(graph)
    concatenated = {groups[op.output] for op in graph.ops if isinstance(op, FloatConcat)}
    concatenated -= {groups[name] for name in (graph.input, *graph.outputs)}
    for op in graph.ops:
        group = groups[op.output]
        if op.keeps_scale:
            if not isinstance(op, FloatConcat | FloatMaxPool | FloatSlice):
                concatenated.discard(group)
        elif group in concatenated and not _can_multiply(op):
            concatenated.discard(group)
        for name in op.inputs:
            if groups[name] != group and not _can_divide(graph, op):
                concatenated.discard(groups[name])
    for op in graph.ops:
        if not op.keeps_scale and groups[op.output] in concatenated:
            yield op.output


def _can_multiply(op: FloatOp) -> bool:
    """Whether an operator's output channels can have positive factors: its clamp stays."""
    bounds = (0.0, float("inf")), (-float("inf"), float("inf"))
    return isinstance(op, FloatConv) and len(op.inputs) == 1 and (op.lo, op.hi) in bounds


def _can_divide(graph: FloatGraph, op: FloatOp) -> bool:
    """Whether each output channel is made of the input channel of its number alone."""
    channels = graph.shapes[op.inputs[0]][0]
    return isinstance(op, FloatConv) and len(op.inputs) == 1 and op.groups == channels


def _handed_on(op: FloatOp, factors: list[Tensor]) -> Tensor:
    if isinstance(op, FloatSlice):
        return factors[0][op.range] if op.dim == 1 else factors[0]
    return torch.cat(factors)


def _scaled(op: FloatOp, factors: dict[str, Tensor]) -> FloatOp:
    if not isinstance(op, FloatConv):
        return op
    weight, bias = op.weight, op.bias
    if op.inputs[0] in factors:  # depthwise
        divisors = factors[op.inputs[0]].repeat_interleave(len(weight) // op.groups)
        weight = weight / divisors.view(-1, 1, 1, 1)
    if op.output in factors:
        weight = weight * factors[op.output].view(-1, 1, 1, 1)
        bias = bias * factors[op.output]
    return replace(op, weight=weight, bias=bias)
