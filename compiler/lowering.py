"""Lowering: each operator of the integer graph becomes one layer that the array can run.

A convolution or linear layer is a layer as it is. Concatenations and slices only say where tensors
lie (`placement`), constants are in the image. Every other operator becomes a depthwise 1x1
convolution with weights of one, whose drain pools, adds, multiplies or looks up.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from resarray.golden.graph import QGraph
from resarray.golden.ops import (
    QAdd,
    QConcat,
    QConstant,
    QConv,
    QFunction,
    QGlobalAvgPool,
    QMaxPool,
    QMultiply,
    QOp,
    QSlice,
    QUpsample,
)
from resarray.spec.config import MAX_DOT_LENGTH
from resarray.spec.errors import ResarrayError
from resarray.spec.numerics import IDENTITY_MULT

from .ir import AveragePool, Layer, MaxPool, Requantise, Residual, View


@dataclass(frozen=True)
class Placed:
    """A graph whose tensors have their places (`placement.place`)."""

    graph: QGraph
    views: dict[str, View]


def lower(placed: Placed) -> list[Layer]:
    """Layers in execution order, one for each operator that computes; `ResarrayError` for one that
    cannot be lowered."""
    return [
        _LOWERINGS[type(op)](placed, op)
        for op in placed.graph.ops
        if not isinstance(op, QConcat | QConstant | QSlice)
    ]


def _conv(placed: Placed, op: QConv) -> Layer:
    graph = placed.graph
    # Unused rows of a word hold weights of zero, which add nothing.
    length = op.weight[0].size
    if length > MAX_DOT_LENGTH:
        raise ResarrayError(
            f"layer '{op.name}': dot products of {length} elements, at most {MAX_DOT_LENGTH} are "
            "allowed (the accumulator's proven range); use fewer input channels"
        )
    output = graph.tensors[op.output]
    return Layer(
        name=op.name,
        op=op.op,
        source=placed.views[op.input],
        output=placed.views[op.output],
        shape=output.shape,
        weight=op.weight,
        requantise=Requantise(
            np.asarray(op.bias, np.int64),
            np.asarray(op.mult, np.int64),
            np.asarray(op.shift, np.int64),
            output.zero_point,
            op.lo,
            op.hi,
        ),
        groups=op.groups,
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        pad_value=graph.tensors[op.input].zero_point,
        residual=_residual(placed, op) if op.residual is not None else None,
        macs=graph.macs(op),
        reads_input=op.input == graph.input,
    )


def _max_pool(placed: Placed, op: QMaxPool) -> Layer:
    _, height, width = placed.graph.tensors[op.output].shape
    top, _, left, _ = op.padding
    pool = MaxPool(op.kernel, op.stride, (top, left), (height, width))
    return _identity(placed, op, pool=pool)


def _average(placed: Placed, op: QGlobalAvgPool) -> Layer:
    source, output = (placed.graph.tensors[name] for name in (op.input, op.output))
    bias = -source.shape[1] * source.shape[2] * source.zero_point
    pool = AveragePool(bias, int(op.mult), int(op.shift), output.zero_point)
    return _identity(placed, op, pool=pool)


def _add(placed: Placed, op: QAdd) -> Layer:
    return _scaled(placed, op, _residual(placed, op))


def _multiply(placed: Placed, op: QMultiply) -> Layer:
    factor = placed.graph.tensors[op.factor]
    residual = Residual(placed.views[op.factor], factor.zero_point, multiply=True)
    return _scaled(placed, op, residual)


def _function(placed: Placed, op: QFunction) -> Layer:
    return _identity(placed, op, table=op.table)


def _upsample(placed: Placed, op: QUpsample) -> Layer:
    layer = _identity(placed, op)
    channels, height, width = layer.shape
    shape = channels, height, width * op.factor[1]
    return replace(layer, shape=shape, upsample=op.factor)


def _scaled(placed: Placed, op: QAdd | QMultiply, residual: Residual) -> Layer:
    """A layer of its input's real values, with a second operand."""
    source, output = (placed.graph.tensors[name] for name in (op.input, op.output))
    channels = source.shape[0]
    requantise = Requantise(
        np.zeros(channels, np.int64),
        np.full(channels, op.mult, np.int64),
        np.full(channels, op.shift, np.int64),
        output.zero_point,
        op.lo,
        op.hi,
    )
    return _identity(placed, op, requantise, source.zero_point, residual=residual)


_LOWERINGS: dict[type, Callable[[Placed, Any], Layer]] = {
    QConv: _conv,
    QMaxPool: _max_pool,
    QGlobalAvgPool: _average,
    QAdd: _add,
    QMultiply: _multiply,
    QFunction: _function,
    QUpsample: _upsample,
}


def _identity(
    placed: Placed,
    op: QOp,
    requantise: Requantise | None = None,
    pad_value: int = 0,
    residual: Residual | None = None,
    table: np.ndarray | None = None,
    pool: MaxPool | AveragePool | None = None,
) -> Layer:
    """A layer that hands its input to the drain as it is."""
    source = placed.views[op.input]
    channels = source.shape[0]
    if requantise is None:
        zeros = np.zeros(channels, np.int64)
        requantise = Requantise(zeros, np.full(channels, IDENTITY_MULT, np.int64), zeros, 0)
    return Layer(
        name=op.name,
        op=op.op,
        source=source,
        output=placed.views[op.output],
        shape=source.shape,
        weight=np.ones((channels, 1, 1, 1), np.int8),
        requantise=requantise,
        groups=channels,
        pad_value=pad_value,
        residual=residual,
        table=table,
        pool=pool,
        reads_input=op.input == placed.graph.input,
    )


def _residual(placed: Placed, op: QConv | QAdd) -> Residual:
    assert op.residual is not None
    zero_point = placed.graph.tensors[op.residual].zero_point
    view = placed.views[op.residual]
    return Residual(view, zero_point, int(op.res_mult), int(op.res_shift))
