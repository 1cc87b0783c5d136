"""What is known of a network before anything is quantised: each operator's figures, and whether it
can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .equalise import equalise
from .float_graph import FloatGraph
from .graph import QGraph
from .ops import (
    FloatAdaptiveAvgPool,
    FloatAvgPool,
    FloatBatchNorm,
    FloatConstant,
    FloatConv,
    FloatGlobalAvgPool,
    FloatLinear,
    FloatMaxPool,
    FloatOp,
    FloatScale,
    FloatSlice,
    FloatUnsupported,
    FloatUpsample,
    Shape,
)
from .ops.average_pool import adaptive_windows
from .ops.conv import reach
from .passes import PASSES, check, simplify
from .passes.check import key, refusals
from .quantise import quantise

# Bytes beside the weights of each output channel: bias and factor.
CHANNEL_BYTES = 8
# A batch norm's statistics are measured, not learned.
MEASURED = {"mean", "variance"}
CALIBRATION_IMAGES = 2


@dataclass(frozen=True)
class Operator:
    """An operator as the front end reads it.

    Attributes
    ----------
    name:            of its layer, as in the network
    operator:        as the front end calls it, such as ``aten.conv2d.default``; "" for what the
                     network as a whole returns
    source:          its line in the user's source, ``file.py:12``; "" where that is not known
    shape:           of its output for one image, [C, H, W]; None: it is no map or vector
    macs:            multiply-accumulates for one image, of convolutions and linear layers
    parameters:      learned numbers
    weight_bytes:    of its weights as int8, with 8 for each output channel's bias and factor; 0
                     for what becomes part of another layer
    receptive_field: rows and columns of the input that one pixel of the output depends on, those
                     beyond the input's edge counted too; None: not known
    refusal:         why it cannot run, what was given and what is supported; None: it can
    """

    name: str
    operator: str
    source: str
    shape: Shape | None
    macs: int
    parameters: int
    weight_bytes: int
    receptive_field: tuple[int, int] | None
    refusal: str | None


def operators(graph: FloatGraph) -> list[Operator]:
    """Every operator of ``graph``, as `pipeline.read_network` reads it, in execution order."""
    refused = _refused(graph)
    fields_seen = _receptive_fields(graph)
    found = []
    unread = set()
    for op in graph.ops:
        if isinstance(op, FloatUnsupported):
            if key(op) in unread:
                continue  # another result of it
            unread.add(key(op))
        shape = graph.shapes[op.output]
        weights = _weights(op)
        found.append(
            Operator(
                name=op.name,
                operator=_operator(op),
                source="" if op.origin is None else op.origin.source,
                shape=None if isinstance(op, FloatUnsupported) and not op.result else shape,
                macs=0 if weights is None else weights.numel() * shape[1] * shape[2],
                parameters=_parameters(op),
                weight_bytes=0
                if weights is None
                else weights.numel() + CHANNEL_BYTES * len(weights),
                receptive_field=fields_seen[op.output],
                refusal=refused.pop(key(op), None),
            )
        )
    assert not refused  # passes keep the origins of what they were given
    return found


def random_graph(graph: FloatGraph) -> QGraph:
    """An integer graph of what `pipeline.read_network` read, calibrated on random images of one
    seed: its shapes, and so its cycles, are those of any calibration. `ResarrayError` where an
    operator cannot run."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(CALIBRATION_IMAGES, *graph.shape, generator=generator)
    simple = equalise(simplify(graph), images)
    return quantise(simple, images)


def _operator(op: FloatOp) -> str:
    if op.origin is not None:
        return op.origin.operator
    return "" if isinstance(op, FloatUnsupported) else type(op).__name__


def _refused(graph: FloatGraph) -> dict[object, str]:
    """`key` -> why, of every operator that passes leave and that cannot run."""
    for each in PASSES[: PASSES.index(check)]:
        graph = each(graph)
    return {key(op): why for op, why in refusals(graph)}


def _weights(op: FloatOp) -> Tensor | None:
    return op.weight if isinstance(op, FloatConv | FloatLinear) else None


def _parameters(op: FloatOp) -> int:
    if not isinstance(op, FloatConv | FloatLinear | FloatBatchNorm | FloatScale | FloatConstant):
        return 0
    values = {field.name: getattr(op, field.name) for field in fields(op)}
    bias = values.get("bias")
    if bias is not None and not bias.any():  # how front ends say that there is none
        del values["bias"]
    return sum(
        value.numel()
        for name, value in values.items()
        if isinstance(value, Tensor) and name not in MEASURED
    )


# -- receptive fields ------------------------------------------------------------------------

# Along one axis: pixels of the input that one pixel of a map depends on, and how far apart two
# neighbours' are.
_Field = tuple[float, float]


def _receptive_fields(graph: FloatGraph) -> dict[str, tuple[int, int] | None]:
    known: dict[str, tuple[_Field, _Field] | None] = {graph.input: ((1, 1), (1, 1))}
    for op in graph.ops:
        sources = [found for name in op.inputs if (found := known[name]) is not None]
        if isinstance(op, FloatUnsupported) or len(sources) < len(op.inputs) or not sources:
            known[op.output] = None
            continue
        shape = graph.shapes[op.inputs[0]]
        by_axis = zip(*sources, strict=True)
        rows, columns = (_seen(op, seen, shape, axis) for axis, seen in enumerate(by_axis))
        known[op.output] = rows, columns
    return {
        name: None if field is None else (round(field[0][0]), round(field[1][0]))
        for name, field in known.items()
    }


def _seen(op: FloatOp, sources: Sequence[_Field], shape: Shape, axis: int) -> _Field:
    pixels, step = max(source[0] for source in sources), max(source[1] for source in sources)
    window, stride = _window(op, shape, axis)
    return pixels + (window - 1) * step, step * stride


def _window(op: FloatOp, shape: Shape, axis: int) -> tuple[int, float]:
    """Pixels of its first input, of ``shape``, that one of the output is made of, and how far the
    next one's lie."""
    size = shape[1 + axis]
    if isinstance(op, FloatConv):
        return reach(op.weight.shape[2:], op.dilation)[axis], op.stride[axis]
    if isinstance(op, FloatMaxPool):
        return reach(op.kernel, op.dilation)[axis], op.stride[axis]
    if isinstance(op, FloatAvgPool):
        return op.kernel[axis], op.stride[axis]
    if isinstance(op, FloatAdaptiveAvgPool):
        windows = adaptive_windows(size, op.size[axis])
        return max(end - start for start, end in windows), size / op.size[axis]
    if isinstance(op, FloatGlobalAvgPool | FloatLinear):
        return size, 1
    if isinstance(op, FloatUpsample):
        return 1, 1 / op.factor[axis]
    if isinstance(op, FloatSlice) and op.dim == 2 + axis:
        return 1, op.step
    return 1, 1
