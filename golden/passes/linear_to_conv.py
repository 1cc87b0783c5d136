"""A fully connected layer is a convolution whose kernel covers the map."""

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatConv, FloatLinear, FloatOp


def linear_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each linear layer that reads a whole map becomes such a convolution, of op "linear"."""
    return graph.with_ops(_converted(graph, op) for op in graph.ops)


def _converted(graph: FloatGraph, op: FloatOp) -> FloatOp:
    if not isinstance(op, FloatLinear) or op.refusal(*graph.operands(op)):
        return op
    weight = op.weight.reshape(len(op.weight), *graph.shapes[op.inputs[0]])
    return FloatConv(
        op.name,
        op.inputs,
        op.output,
        weight,
        op.bias,
        op="linear",
        weight_scale=op.weight_scale,
        origin=op.origin,
    )
