"""A batch norm behind a convolution becomes part of its weights."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatBatchNorm, FloatConv

from .rewrite import Rewrite


def fold_batch_norm(graph: FloatGraph) -> FloatGraph:
    """Each batch norm that alone reads a convolution without a clamp goes into its weight and
    bias, in double precision."""
    rewrite = Rewrite(graph)
    for op in map(rewrite.read, graph.ops):
        conv = rewrite.producer(op)
        if (
            isinstance(op, FloatBatchNorm)
            and isinstance(conv, FloatConv)
            and len(conv.inputs) == 1
            and not conv.clamps
            and rewrite.alone(op)
        ):
            rewrite.merge(op, _folded(conv, op))
        else:
            rewrite.keep(op)
    return rewrite.result()


def _folded(conv: FloatConv, norm: FloatBatchNorm) -> FloatConv:
    weight = conv.weight * norm.factor[:, None, None, None]
    bias = (conv.bias - norm.mean.double()) * norm.factor
    if norm.beta is not None:
        bias = bias + norm.beta
    return replace(conv, weight=weight.float(), bias=bias.float())
