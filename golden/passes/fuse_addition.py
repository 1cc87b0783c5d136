"""An addition becomes the residual of a convolution."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatAdd, FloatConv


def fuse_addition(graph: FloatGraph) -> FloatGraph:
    """Each addition goes into one convolution where possible, which then makes its output. Not into
    one whose result has a scale already: a network that rounds there is computed as it is written.

    Of the operands that are convolutions nothing else reads, the one with the longest sums takes
    the addition: its drain hides best behind its computation. It moves to the addition's place.
    """
    uses = graph.uses()
    fused: dict[str, FloatConv] = {}
    taken: set[str] = set()
    for op in graph.ops:
        if not isinstance(op, FloatAdd) or op.inputs[0] == op.inputs[1]:
            continue
        candidates = []
        for name, residual in (op.inputs, op.inputs[::-1]):
            conv = graph.producers.get(name)
            if (
                isinstance(conv, FloatConv)
                and len(conv.inputs) == 1  # one residual is all that it can add
                and not conv.clamps
                and name not in graph.scales
                and uses[name] == 1
                and graph.shapes[name] == graph.shapes[op.output]  # no value for each channel
            ):
                candidates.append((conv, residual))
        if candidates:
            conv, residual = max(candidates, key=lambda found: found[0].weight[0].numel())
            inputs = (conv.inputs[0], residual)
            fused[op.output] = replace(conv, inputs=inputs, output=op.output, lo=op.lo, hi=op.hi)
            taken.add(conv.output)
    return graph.with_ops(fused.get(op.output, op) for op in graph.ops if op.output not in taken)
