"""Padding that stands in front of convolutions becomes theirs."""

from collections import defaultdict
from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import (
    ClampedOp,
    FloatActivation,
    FloatConv,
    FloatMaxPool,
    FloatOp,
    FloatPad,
)
from resarray.spec.isa import MAX_PADDING


def fold_padding(graph: FloatGraph) -> FloatGraph:
    """Each padding of height and width goes where all that reads it can take it: zeros into
    convolutions, minus infinity into max pools, and zeros too where no value of the map is below
    zero. What is cut off goes into those that do not pad
    there."""
    readers = defaultdict(list)
    for op in graph.ops:
        for name in op.inputs:
            readers[name].append(op.output)
    readers[graph.output].append("")
    ops = {op.output: op for op in graph.ops}
    for op in reversed(graph.ops):  # of several in a row, the last one first
        pad = ops[op.output]
        if not isinstance(pad, FloatPad) or any(pad.channels):
            continue
        lowest = pad.value == -float("inf") or (pad.value == 0 and _positive(ops, pad))
        taken = [_taken(ops.get(name), pad, lowest) for name in readers[pad.output]]
        if all(taken):
            del ops[pad.output]
            ops.update((reader.output, reader) for reader in taken if reader is not None)
            readers[pad.inputs[0]] = [n for n in readers[pad.inputs[0]] if n != pad.output]
            readers[pad.inputs[0]] += readers[pad.output]
    return graph.with_ops(ops.values())


def _positive(ops: dict[str, FloatOp], pad: FloatPad) -> bool:
    """Whether the map that is padded has no value below zero, as behind a ReLU."""
    before = ops.get(pad.inputs[0])
    return isinstance(before, FloatActivation | ClampedOp) and before.lo >= 0


def _taken(reader: FloatOp | None, pad: FloatPad, lowest: bool) -> FloatOp | None:
    """``reader`` of the unpadded map; None where it cannot take the padding, which is ``lowest``
    where it never is a maximum."""
    if isinstance(reader, FloatConv) and len(reader.inputs) == 1 and pad.value == 0:
        padding = [a + b for a, b in zip(reader.padding, pad.padding, strict=True)]
        # What is cut off is gone before zeros are added.
        cut = any(a and b < 0 for a, b in zip(reader.padding, pad.padding, strict=True))
        if not cut and max(padding) <= MAX_PADDING:
            top, bottom, left, right = padding
            return replace(reader, inputs=pad.inputs, padding=(top, bottom, left, right))
    if isinstance(reader, FloatMaxPool) and lowest:
        top, bottom, left, right = pad.padding
        if top == bottom and left == right and min(top, left) >= 0:
            rows, columns = reader.padding[0] + top, reader.padding[1] + left
            # As much as PyTorch takes: then every window holds a pixel of the map.
            if 2 * rows <= reader.kernel[0] and 2 * columns <= reader.kernel[1]:
                return replace(reader, inputs=pad.inputs, padding=(rows, columns))
    return None
