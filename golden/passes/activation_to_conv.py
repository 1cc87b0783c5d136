"""An activation that no operator took in, as of a value that others read too, is a depthwise 1x1
convolution that clamps."""

import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatActivation, FloatConv, FloatOp


def activation_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each activation becomes a convolution with weights of one."""
    return graph.with_ops(_converted(graph, op) for op in graph.ops)


def _converted(graph: FloatGraph, op: FloatOp) -> FloatOp:
    if not isinstance(op, FloatActivation):
        return op
    channels = graph.shapes[op.output][0]
    return FloatConv(
        op.name,
        op.inputs,
        op.output,
        torch.ones(channels, 1, 1, 1),
        torch.zeros(channels),
        groups=channels,
        lo=op.lo,
        hi=op.hi,
        origin=op.origin,
    )
