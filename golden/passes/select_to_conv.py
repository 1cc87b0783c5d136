"""Slices, padding and what is cut off become a 1x1 convolution that selects, or stay a slice of
channels."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatConv, FloatOp, FloatPad, FloatSlice, Shape
from resarray.golden.ops.conv import MAX_STRIDE

NOTHING = -1


@dataclass(frozen=True, eq=False)
class _Selection:
    """Which channels, rows and columns of the ``source`` of a shape a tensor holds, by their
    numbers; `NOTHING`: zeros. ``last`` is the operator that ends it."""

    last: FloatOp
    source: str
    shape: Shape
    indices: tuple[np.ndarray, ...]

    @property
    def lines(self) -> tuple[tuple[int, int, int], ...] | None:
        """(before, after, stride) of the rows and columns; None: they are not evenly spread."""
        axes = zip(self.indices[1:], self.shape[1:], strict=True)
        found = tuple(line for line in (_line(*axis) for axis in axes) if line is not None)
        return found if len(found) == 2 else None


def select_to_conv(graph: FloatGraph) -> FloatGraph:
    """Each chain of slices and padding becomes one slice of channels, or one convolution, just
    before the first operator that reads it; a chain that is none, several."""
    ops: list[FloatOp] = []
    # Chains that nothing has read yet, by the tensor that they make.
    pending: dict[str, _Selection] = {}

    def read(names: tuple[str, ...]) -> None:
        ops.extend(_selected(pending.pop(name)) for name in names if name in pending)

    for op in graph.ops:
        longer = _extended(graph, op, pending.get(op.inputs[0]))
        if longer is None:
            read(op.inputs)
            longer = _extended(graph, op, None)
        if longer is not None:
            pending[op.output] = longer
        else:
            ops.append(op)
    read(graph.outputs)
    return graph.with_ops(ops)


def _extended(graph: FloatGraph, op: FloatOp, chain: _Selection | None) -> _Selection | None:
    """``chain`` (None: an empty one), which makes its operand, with ``op`` at its end; None where
    that is no convolution."""
    if not isinstance(op, FloatSlice | FloatPad) or min(graph.shapes[op.output]) < 1:
        return None
    if chain is None:
        source = op.inputs[0]
        shape = graph.shapes[source]
        chain = _Selection(op, source, shape, tuple(np.arange(size) for size in shape))
    if isinstance(op, FloatSlice):
        ranges = [slice(None)] * 4
        ranges[op.dim] = op.range
        if ranges[0] != slice(None):
            return None
        indices = tuple(i[r] for i, r in zip(chain.indices, ranges[1:], strict=True))
    else:
        if op.value:
            return None
        amounts = op.channels, op.padding[:2], op.padding[2:]
        indices = tuple(_padded(i, *a) for i, a in zip(chain.indices, amounts, strict=True))
    longer = replace(chain, last=op, indices=indices)
    return longer if longer.lines is not None else None


def _padded(indices: np.ndarray, before: int, after: int) -> np.ndarray:
    kept = indices[max(-before, 0) : len(indices) - max(-after, 0)]
    return np.pad(kept, (max(before, 0), max(after, 0)), constant_values=NOTHING)


def _line(indices: np.ndarray, size: int) -> tuple[int, int, int] | None:
    """(before, after, stride) of a convolution that reads these of ``size`` lines."""
    data = np.flatnonzero(indices != NOTHING)
    if not len(data):
        return None
    for stride in range(1, MAX_STRIDE + 1):
        before = int(data[0] * stride - indices[data[0]])
        lines = np.arange(len(indices)) * stride - before
        if np.array_equal(np.where((lines >= 0) & (lines < size), lines, NOTHING), indices):
            return before, int(lines[-1]) + 1 - size, stride
    return None


def _selected(chain: _Selection) -> FloatOp:
    channels, rows, columns = chain.indices
    first, lines = int(channels[0]), (rows, columns)
    if (
        first != NOTHING
        and np.array_equal(channels, first + np.arange(len(channels)))
        and all(map(np.array_equal, lines, map(np.arange, chain.shape[1:])))
    ):
        last, end = chain.last, first + len(channels)
        return FloatSlice(
            last.name, (chain.source,), last.output, 1, first, end, 1, origin=last.origin
        )
    return _conv(chain)


def _conv(chain: _Selection) -> FloatConv:
    assert chain.lines is not None
    (top, bottom, rows), (left, right, columns) = chain.lines
    channels, taken = chain.shape[0], chain.indices[0]
    groups = channels if np.array_equal(taken, np.arange(channels)) else 1
    if groups > 1:
        weight = torch.ones(channels, 1)
    else:
        weight = torch.zeros(len(taken), channels)
        there = np.flatnonzero(taken != NOTHING)
        weight[there, taken[there]] = 1
    return FloatConv(
        name=chain.last.name,
        inputs=(chain.source,),
        output=chain.last.output,
        weight=weight[:, :, None, None],
        bias=torch.zeros(len(weight)),
        stride=(rows, columns),
        padding=(top, bottom, left, right),
        groups=groups,
        origin=chain.last.origin,
    )
