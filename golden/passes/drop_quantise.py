"""Of a network that is quantised already: roundings that change nothing, or that another one
follows, go."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph, Scale
from resarray.golden.ops import (
    ClampedOp,
    FloatActivation,
    FloatConcat,
    FloatMaxPool,
    FloatOp,
    FloatPad,
    FloatQuantise,
)

from .activation_before_pool import activation_before_pool


def drop_quantise(graph: FloatGraph) -> FloatGraph:
    """Each quantisation of what has the same scale and zero point already goes. One whose result
    only goes, through activations, then max pools and concatenations, into another one leaves the
    limits of its numbers, an activation, which the operator before it takes in: if its scale is
    no larger, rounding once differs from rounding twice by a step at most, and saturates alike."""
    graph = activation_before_pool(_without_equal(graph))
    uses = graph.uses()
    ops: list[FloatOp] = []
    for op in graph.ops:
        if (
            isinstance(op, FloatQuantise)
            and isinstance(graph.producers.get(op.inputs[0]), ClampedOp)
            and uses[op.inputs[0]] == 1
            and (last := _rounded_again(graph, op.output)) is not None
            and op.scale <= last.scale
        ):
            lo, hi = op.bounds
            op = FloatActivation(op.name, op.inputs, op.output, lo, hi, origin=op.origin)
        ops.append(op)
    return graph.with_ops(ops)


def _without_equal(graph: FloatGraph) -> FloatGraph:
    grids: dict[str, Scale] = {}
    names: dict[str, str] = {}
    ops: list[FloatOp] = []
    for op in graph.ops:
        op = replace(op, inputs=tuple(names.get(name, name) for name in op.inputs))
        if isinstance(op, FloatQuantise):
            grid = op.scale, op.zero_point
            if grids.get(op.inputs[0]) == grid:
                names[op.output] = op.inputs[0]
                continue
            grids[op.output] = grid
        elif _keeps_grid(op):
            found = {grids.get(name) for name in op.inputs}
            if len(found) == 1 and (only := found.pop()) is not None:
                grids[op.output] = only
        ops.append(op)
    return graph.with_ops(ops, (names.get(name, name) for name in graph.outputs))


def _keeps_grid(op: FloatOp) -> bool:
    """Whether its result holds numbers of its operands, and zeros, alone, and has their scale: an
    activation may become an operator with one of its own."""
    return op.keeps_scale or (isinstance(op, FloatPad) and not op.value)


def _rounded_again(graph: FloatGraph, name: str, moved: bool = False) -> FloatQuantise | None:
    """The quantisation that is all that becomes of a tensor, its values in the same order; None:
    there is more. ``moved``: an activation would no longer go into the operator that makes it."""
    readers = [op for op in graph.ops if name in op.inputs]
    if len(readers) != 1 or name in graph.outputs:
        return None
    (reader,) = readers
    if isinstance(reader, FloatQuantise):
        return reader
    moves = isinstance(reader, FloatMaxPool | FloatConcat)
    if moves or (isinstance(reader, FloatActivation) and not moved):
        return _rounded_again(graph, reader.output, moved or moves)
    return None
