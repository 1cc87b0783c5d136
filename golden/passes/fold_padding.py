"""Padding that stands in front of convolutions becomes theirs."""

from collections import defaultdict
from dataclasses import replace
from math import inf

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import (
    ClampedOp,
    FloatActivation,
    FloatConcat,
    FloatConv,
    FloatMaxPool,
    FloatOp,
    FloatPad,
    FloatUpsample,
)
from resarray.spec.isa import MAX_PADDING


def fold_padding(graph: FloatGraph) -> FloatGraph:
    """Each padding of height and width goes where all that reads it can take it: zeros into
    convolutions, minus infinity into max pools, and zeros too where no value is below. What is cut
    off goes into convolutions that do not pad there."""
    readers = defaultdict(list)
    for op in graph.ops:
        for name in op.inputs:
            readers[name].append(op.output)
    for name in graph.outputs:
        readers[name].append("")
    ops = {op.output: op for op in graph.ops}
    for op in reversed(graph.ops):  # of several in a row, the last one first
        pad = ops[op.output]
        if not isinstance(pad, FloatPad) or any(pad.channels):
            continue
        taken = [_taken(graph, ops.get(name), pad) for name in readers[pad.output]]
        if all(taken):
            del ops[pad.output]
            ops.update((reader.output, reader) for reader in taken if reader is not None)
            readers[pad.inputs[0]] = [n for n in readers[pad.inputs[0]] if n != pad.output]
            readers[pad.inputs[0]] += readers[pad.output]
    return graph.with_ops(ops.values())


def _taken(graph: FloatGraph, reader: FloatOp | None, pad: FloatPad) -> FloatOp | None:
    """``reader`` of the unpadded map; None where it cannot take the padding."""
    if isinstance(reader, FloatConv) and len(reader.inputs) == 1 and pad.value == 0:
        padding = [a + b for a, b in zip(reader.padding, pad.padding, strict=True)]
        # What is cut off is gone before zeros are added.
        cut = any(a and b < 0 for a, b in zip(reader.padding, pad.padding, strict=True))
        if not cut and max(padding) <= MAX_PADDING:
            top, bottom, left, right = padding
            return replace(reader, inputs=pad.inputs, padding=(top, bottom, left, right))
    if isinstance(reader, FloatMaxPool) and min(pad.padding) >= 0:
        lowest = pad.value == -inf or (pad.value == 0 and _is_positive(graph, pad.inputs[0]))
        top, bottom, left, right = (a + b for a, b in zip(reader.padding, pad.padding, strict=True))
        taken = replace(reader, inputs=pad.inputs, padding=(top, bottom, left, right))
        if lowest and taken.refusal() is None:
            return taken
    return None


def _is_positive(graph: FloatGraph, name: str) -> bool:
    """Whether no value of a tensor is below zero, as far as its maker tells."""
    op = graph.producers.get(name)
    if isinstance(op, FloatMaxPool | FloatConcat | FloatUpsample):
        return all(_is_positive(graph, source) for source in op.inputs)
    return isinstance(op, FloatActivation | ClampedOp) and op.lo >= 0
