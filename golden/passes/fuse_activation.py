"""An activation behind an operator that clamps becomes its clamp."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import ClampedOp, FloatActivation

from .rewrite import Rewrite


def fuse_activation(graph: FloatGraph) -> FloatGraph:
    """Each activation that alone reads such an operator, or that changes nothing of its result,
    goes into its bounds."""
    rewrite = Rewrite(graph)
    for op in map(rewrite.read, graph.ops):
        before = rewrite.producer(op)
        if isinstance(op, FloatActivation) and isinstance(before, ClampedOp):
            # clamp(clamp(x, lo, hi), op.lo, op.hi) is a clamp again.
            lo = min(max(before.lo, op.lo), op.hi)
            hi = max(min(before.hi, op.hi), op.lo)
            if (lo, hi) == (before.lo, before.hi) or rewrite.alone(op):
                rewrite.merge(op, replace(before, lo=lo, hi=hi))
                continue
        rewrite.keep(op)
    return rewrite.result()
