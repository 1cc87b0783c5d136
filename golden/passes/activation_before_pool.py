"""An activation behind a max pool or an upsampling moves before it: the result is the same, and
there an operator takes it in."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import (
    ClampedOp,
    FloatActivation,
    FloatMaxPool,
    FloatOp,
    FloatQuantise,
    FloatUpsample,
)


def activation_before_pool(graph: FloatGraph) -> FloatGraph:
    """Each activation that alone reads a max pool or an upsampling, which alone reads an operator
    that clamps, or what is rounded, changes places with it. Neither of them changes the order of
    values."""
    uses = graph.uses()
    ops: dict[str, FloatOp] = {}
    for op in graph.ops:
        pool = ops.get(op.inputs[0])
        if (
            isinstance(op, FloatActivation)
            and isinstance(pool, FloatMaxPool | FloatUpsample)
            and isinstance(ops.get(pool.inputs[0]), ClampedOp | FloatQuantise)
            and uses[pool.output] == uses[pool.inputs[0]] == 1
        ):
            del ops[pool.output]
            ops[pool.output] = replace(op, inputs=pool.inputs, output=pool.output)
            ops[op.output] = replace(pool, inputs=(pool.output,), output=op.output)
        else:
            ops[op.output] = op
    return graph.with_ops(ops.values())
