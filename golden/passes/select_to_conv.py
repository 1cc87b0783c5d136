"""The slices and zero channels of a shortcut become a 1x1 convolution that selects."""

from dataclasses import dataclass, replace

import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatConv, FloatOp, FloatPad, FloatSlice


@dataclass(frozen=True)
class _Selection:
    """Every ``stride``-th pixel of a tensor, zero channels ``before`` and ``after``; ``last`` is
    the operator that ends it."""

    last: FloatOp
    source: str
    stride: tuple[int, int] = (1, 1)
    before: int = 0
    after: int = 0


def select_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each chain of slices [::2] of height and width and of padded channels becomes one
    convolution, just before the first operator that reads it."""
    ops: list[FloatOp] = []
    # Chains that nothing has read yet, by the tensor that they make.
    pending: dict[str, _Selection] = {}
    for op in graph.ops:
        longer = _extended(graph, op, pending)
        if longer is not None:
            pending[op.output] = longer
            continue
        ops += [_conv(graph, pending.pop(name)) for name in op.inputs if name in pending]
        ops.append(op)
    if graph.output in pending:
        ops.append(_conv(graph, pending[graph.output]))
    return graph.with_ops(ops)


def _extended(graph: FloatGraph, op: FloatOp, pending: dict[str, _Selection]) -> _Selection | None:
    """The chain that ends with ``op``; None where it is no part of one."""
    if not isinstance(op, FloatSlice | FloatPad):
        return None
    source = op.inputs[0]
    chain = replace(pending.get(source, _Selection(op, source)), last=op)
    if isinstance(op, FloatPad):
        before, after = op.channels
        if any(op.padding) or min(before, after) < 0:
            return None
        return replace(chain, before=chain.before + before, after=chain.after + after)
    if not op.every_second(graph.shapes[source]) or chain.stride[op.dim - 2] != 1:
        return None
    stride = (2, chain.stride[1]) if op.dim == 2 else (chain.stride[0], 2)
    return replace(chain, stride=stride)


def _conv(graph: FloatGraph, chain: _Selection) -> FloatConv:
    channels = graph.shapes[chain.source][0]
    weight = torch.zeros(chain.before + channels + chain.after, channels, 1, 1)
    weight[chain.before : chain.before + channels, :, 0, 0] = torch.eye(channels)
    return FloatConv(
        name=chain.last.name,
        inputs=(chain.source,),
        output=chain.last.output,
        weight=weight,
        bias=torch.zeros(len(weight)),
        stride=chain.stride,
        origin=chain.last.origin,
    )
