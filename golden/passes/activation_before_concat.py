"""An activation behind a concatenation moves before it, where operators take it in."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import ClampedOp, FloatActivation, FloatConcat, FloatOp


def activation_before_concat(graph: FloatGraph) -> FloatGraph:
    """Each activation that alone reads a concatenation moves to all of its operands, if some of
    them are made by an operator that clamps, for the concatenation alone."""
    while (moved := _moved(graph)) is not None:
        graph = moved
    return graph


def _moved(graph: FloatGraph) -> FloatGraph | None:
    """``graph`` with one activation moved; None: there is none left to move."""
    uses = graph.uses()
    for op in graph.ops:
        concat = graph.producers.get(op.inputs[0])
        if (
            isinstance(op, FloatActivation)
            and isinstance(concat, FloatConcat)
            and uses[concat.output] == 1
            and any(
                uses[name] == 1 and isinstance(graph.producers.get(name), ClampedOp | FloatConcat)
                for name in concat.inputs
            )
        ):
            parts: list[FloatOp] = [
                replace(op, inputs=(name,), output=f"{op.output}.part{number}")
                for number, name in enumerate(concat.inputs)
            ]
            inputs = tuple(part.output for part in parts)
            parts.append(replace(concat, inputs=inputs, output=op.output))
            ops = [other for other in graph.ops if other is not concat]
            place = ops.index(op)
            return graph.with_ops(ops[:place] + parts + ops[place + 1 :])
    return None
