"""A concatenation is a sum: a 1x1 convolution puts each input into its channels of the output, and
zeros into the others."""

import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatConcat, FloatConv, FloatOp


def concat_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each concatenation becomes one such convolution for each input, from the second on with what
    the one before made as its residual."""
    ops: list[FloatOp] = []
    for op in graph.ops:
        ops += _converted(graph, op) if isinstance(op, FloatConcat) else [op]
    return graph.with_ops(ops)


def _converted(graph: FloatGraph, op: FloatConcat) -> list[FloatConv]:
    total, first, last = graph.shapes[op.output][0], 0, ""
    convs = []
    for number, source in enumerate(op.inputs):
        channels = graph.shapes[source][0]
        weight = torch.zeros(total, channels, 1, 1)
        weight[first : first + channels, :, 0, 0] = torch.eye(channels)
        ends = number == len(op.inputs) - 1
        output = op.output if ends else f"{op.output}.part{number}"
        convs.append(
            FloatConv(
                op.name,
                (source, last) if last else (source,),
                output,
                weight,
                torch.zeros(total),
                origin=op.origin,
            )
        )
        first, last = first + channels, output
    return convs
