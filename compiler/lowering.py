"""Lowering: each operator of the integer graph becomes one layer that the array can run.

A convolution or linear layer is a layer as it is. Every other operator becomes a depthwise 1x1
convolution with weights of one, whose drain pools or adds.
"""

from collections.abc import Callable

import numpy as np

from resarray.golden.graph import QGraph
from resarray.golden.ops import QAdd, QConv, QGlobalAvgPool, QMaxPool, QOp
from resarray.spec.config import MAX_DOT_LENGTH
from resarray.spec.errors import ResarrayError
from resarray.spec.numerics import IDENTITY_MULT

from .checks import check_graph
from .ir import AveragePool, Layer, MaxPool, Requantise, Residual, View


def lower(graph: QGraph) -> list[Layer]:
    """Layers in execution order, one for each operator; `ResarrayError` for a graph that cannot be
    lowered."""
    check_graph(graph)
    return [_LOWERINGS[type(op)](graph, op) for op in graph.ops]


def _conv(graph: QGraph, op: QConv) -> Layer:
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
        source=_view(graph, op.input),
        output=_view(graph, op.output),
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
        residual=_residual(graph, op) if op.residual is not None else None,
        macs=graph.macs(op),
        reads_input=op.input == graph.input,
    )


def _max_pool(graph: QGraph, op: QMaxPool) -> Layer:
    _, height, width = graph.tensors[op.output].shape
    top, _, left, _ = op.padding
    pool = MaxPool(op.kernel, op.stride, (top, left), (height, width))
    return _identity(graph, op, pool=pool)


def _average(graph: QGraph, op: QGlobalAvgPool) -> Layer:
    source, output = graph.tensors[op.input], graph.tensors[op.output]
    bias = -source.shape[1] * source.shape[2] * source.zero_point
    pool = AveragePool(bias, int(op.mult), int(op.shift), output.zero_point)
    return _identity(graph, op, pool=pool)


def _add(graph: QGraph, op: QAdd) -> Layer:
    source, output = graph.tensors[op.input], graph.tensors[op.output]
    channels = source.shape[0]
    return _identity(
        graph,
        op,
        requantise=Requantise(
            np.zeros(channels, np.int64),
            np.full(channels, op.mult, np.int64),
            np.full(channels, op.shift, np.int64),
            output.zero_point,
            op.lo,
            op.hi,
        ),
        pad_value=source.zero_point,
        residual=_residual(graph, op),
    )


_LOWERINGS: dict[type, Callable[..., Layer]] = {
    QConv: _conv,
    QMaxPool: _max_pool,
    QGlobalAvgPool: _average,
    QAdd: _add,
}


def _identity(
    graph: QGraph,
    op: QOp,
    requantise: Requantise | None = None,
    pad_value: int = 0,
    residual: Residual | None = None,
    pool: MaxPool | AveragePool | None = None,
) -> Layer:
    """A layer that hands its input to the drain as it is."""
    source = _view(graph, op.input)
    channels = source.shape[0]
    if requantise is None:
        zeros = np.zeros(channels, np.int64)
        requantise = Requantise(zeros, np.full(channels, IDENTITY_MULT, np.int64), zeros, 0)
    return Layer(
        name=op.name,
        op=op.op,
        source=source,
        output=_view(graph, op.output),
        shape=source.shape,
        weight=np.ones((channels, 1, 1, 1), np.int8),
        requantise=requantise,
        groups=channels,
        pad_value=pad_value,
        residual=residual,
        pool=pool,
        reads_input=op.input == graph.input,
    )


def _residual(graph: QGraph, op: QConv | QAdd) -> Residual:
    assert op.residual is not None
    zero_point = graph.tensors[op.residual].zero_point
    return Residual(_view(graph, op.residual), zero_point, int(op.res_mult), int(op.res_shift))


def _view(graph: QGraph, name: str) -> View:
    return View(name, graph.tensors[name].shape)
