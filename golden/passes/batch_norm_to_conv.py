"""A batch norm that no convolution took in, as in front of an activation, is a depthwise 1x1
convolution."""

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatBatchNorm, FloatConv, FloatOp


def batch_norm_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each batch norm becomes a convolution in as many groups as it has channels."""
    return graph.with_ops(_converted(op) for op in graph.ops)


def _converted(op: FloatOp) -> FloatOp:
    if not isinstance(op, FloatBatchNorm):
        return op
    bias = -op.mean.double() * op.factor
    if op.beta is not None:
        bias = bias + op.beta
    weight = op.factor.float()[:, None, None, None]
    return FloatConv(
        op.name, op.inputs, op.output, weight, bias.float(), groups=len(weight), origin=op.origin
    )
