"""A factor and an offset for each channel, as of a batch norm, become part of the convolution
before them, or a depthwise 1x1 convolution."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatAffine, FloatConv

from .rewrite import Rewrite


def affine_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each that alone reads a convolution without a clamp goes into its weight and bias, in double
    precision; each other becomes a convolution in as many groups as it has channels."""
    rewrite = Rewrite(graph)
    for op in map(rewrite.read, graph.ops):
        if not isinstance(op, FloatAffine):
            rewrite.keep(op)
            continue
        conv = rewrite.producer(op)
        if (
            isinstance(conv, FloatConv)
            and len(conv.inputs) == 1
            and not conv.clamps
            and rewrite.alone(op)
        ):
            rewrite.merge(op, _folded(conv, op))
        else:
            rewrite.keep(_converted(op))
    return rewrite.result()


def _folded(conv: FloatConv, op: FloatAffine) -> FloatConv:
    factor, offset = op.factors
    weight = conv.weight * factor[:, None, None, None]
    bias = conv.bias * factor + offset
    scale = None
    if conv.weight_scale is not None and factor.all():
        scale = conv.weight_scale * factor.abs()
    return replace(conv, weight=weight.float(), bias=bias.float(), weight_scale=scale)


def _converted(op: FloatAffine) -> FloatConv:
    factor, offset = op.factors
    weight = factor.float()[:, None, None, None]
    return FloatConv(
        op.name, op.inputs, op.output, weight, offset.float(), groups=len(weight), origin=op.origin
    )
