"""Lowering: the integer graph's operators become layers that the array can run.

A convolution (or linear layer) is one layer; a max pool that only it feeds is fused into its drain.
Every other operator becomes an *identity* layer: a 1x1 convolution of one channel block with an
identity matrix, whose drain pools or adds.
"""

from dataclasses import dataclass, replace

import numpy as np

from resarray.golden.graph import QGraph
from resarray.golden.ops import QAdd, QConv, QGlobalAvgPool, QMaxPool
from resarray.spec.config import MAX_DOT_LENGTH, Config
from resarray.spec.errors import ResarrayError
from resarray.spec.layout import ceil_div
from resarray.spec.numerics import IDENTITY_MULT

from .checks import check_graph


@dataclass(frozen=True)
class MaxPool:
    """Max-pool stage of a drain: ``height`` x ``width`` are the pooled map's."""

    kernel: int
    padding: int
    height: int
    width: int

    def rows_done(self, rows: int, map_rows: int) -> int:
        """Pooled rows finished once the first ``rows`` of ``map_rows`` rows are in."""
        if rows >= map_rows:
            return self.height
        return max(0, min(self.height, (rows + self.padding - self.kernel) // 2 + 1))


@dataclass(frozen=True)
class AveragePool:
    """Average stage of a drain."""

    bias: int
    mult: int
    shift: int
    zero_point: int


@dataclass(frozen=True)
class Layer:
    """One pass over the array.

    ``in_shape`` is the source tensor's [C, H, W], ``shape`` the accumulators' (before pooling),
    ``out_shape`` the stored tensor's. ``weight`` is int8 [Cout][Cin][kh][kw], or None for an
    identity layer, whose ``bias``, ``mult`` and ``shift`` have length 1. ``bias`` is still without
    the input's zero point. ``packed``: the source is the network's input in `layout.Packed`.
    """

    name: str
    op: str
    source: str
    output: str
    in_shape: tuple[int, int, int]
    shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    zp_in: int
    zp_out: int
    weight: np.ndarray | None
    bias: np.ndarray
    mult: np.ndarray
    shift: np.ndarray
    macs: int = 0
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    lo: int = -128
    hi: int = 127
    residual: str | None = None
    res_zp: int = 0
    res_mult: int = 0
    res_shift: int = 0
    pool: MaxPool | AveragePool | None = None
    packed: bool = False
    first: bool = False  # the source is the network's input

    @property
    def identity(self) -> bool:
        return self.weight is None

    def k_vectors(self, config: Config) -> int:
        """k-tiles per column tile."""
        if self.identity:
            return 1
        kh, kw = self.kernel
        if self.packed:
            return kh * ceil_div(kw * self.in_shape[0], config.rows)
        return ceil_div(self.in_shape[0], config.rows) * kh * kw


def lower(graph: QGraph, config: Config, fuse_pool: bool = True) -> list[Layer]:
    """Layers in execution order; `ResarrayError` for a graph that cannot be lowered."""
    check_graph(graph)
    consumers = _consumers(graph)
    packed = _packs_input(graph, config, consumers)
    layers: list[Layer] = []
    fused: set[str] = set()
    for op in graph.ops:
        if op.name in fused:
            continue
        if isinstance(op, QConv):
            layer = _lower_conv(graph, op, config)
            layer = replace(layer, packed=packed and op.input == graph.input)
            pool = _pool_to_fuse(graph, op, consumers) if fuse_pool else None
            if pool is not None and _fits_line_buffer(graph, pool, layer, config):
                fused.add(pool.name)
                layer = _fuse(graph, layer, pool)
        elif isinstance(op, QMaxPool):
            layer = _lower_max_pool(graph, op)
        elif isinstance(op, QGlobalAvgPool):
            layer = _lower_average(graph, op)
        else:
            assert isinstance(op, QAdd)  # `check_graph`
            layer = _lower_add(graph, op)
        layers.append(replace(layer, first=layer.source == graph.input))
    return layers


def _consumers(graph: QGraph) -> dict[str, list]:
    """Operators that read each tensor, once per reading operand."""
    consumers: dict[str, list] = {name: [] for name in graph.tensors}
    for op in graph.ops:
        consumers[op.input].append(op)
        if getattr(op, "residual", None) is not None:
            consumers[op.residual].append(op)
    return consumers


def _packs_input(graph: QGraph, config: Config, consumers: dict[str, list]) -> bool:
    """The input image is packed when one convolution alone reads it and it underfills a word."""
    readers = consumers[graph.input]
    return (
        graph.tensors[graph.input].shape[0] < config.rows
        and len(readers) == 1
        and isinstance(readers[0], QConv)
        and readers[0].input == graph.input
        and readers[0].stride[1] * graph.tensors[graph.input].shape[0] < 256
        and graph.output != graph.input
    )


def _pool_to_fuse(graph: QGraph, conv: QConv, consumers: dict[str, list]) -> QMaxPool | None:
    readers = consumers[conv.output]
    if len(readers) == 1 and isinstance(readers[0], QMaxPool) and conv.output != graph.output:
        return readers[0]
    return None


def _fits_line_buffer(graph: QGraph, pool: QMaxPool, layer: Layer, config: Config) -> bool:
    """A fused pool needs whole rows in each tile, and every block's row in the line buffer."""
    from .tiling import full_width_fits  # tiling imports this file

    channels, _, width = graph.tensors[pool.output].shape
    blocks = ceil_div(channels, config.rows)
    return blocks * width <= config.pool_words and full_width_fits(layer, config)


def _fuse(graph: QGraph, layer: Layer, pool: QMaxPool) -> Layer:
    shape = graph.tensors[pool.output].shape
    return replace(
        layer,
        op=f"{layer.op}+{pool.op}",
        output=pool.output,
        out_shape=shape,
        pool=MaxPool(pool.kernel, pool.padding, *shape[1:]),
    )


def _lower_conv(graph: QGraph, op: QConv, config: Config) -> Layer:
    source, output = graph.tensors[op.input], graph.tensors[op.output]
    _, cin, kh, kw = op.weight.shape
    vectors = ceil_div(cin, config.rows) * config.rows * kh * kw
    if vectors > MAX_DOT_LENGTH:
        raise ResarrayError(
            f"layer '{op.name}': dot products of {vectors} elements, at most {MAX_DOT_LENGTH} are "
            "allowed (the accumulator's proven range); use fewer input channels"
        )
    residual = {}
    if op.residual is not None:
        residual = {
            "residual": op.residual,
            "res_zp": graph.tensors[op.residual].zero_point,
            "res_mult": int(op.res_mult),
            "res_shift": int(op.res_shift),
        }
    return Layer(
        name=op.name,
        op=op.op,
        source=op.input,
        output=op.output,
        in_shape=source.shape,
        shape=output.shape,
        out_shape=output.shape,
        zp_in=source.zero_point,
        zp_out=output.zero_point,
        weight=op.weight,
        bias=np.asarray(op.bias, np.int64),
        mult=np.asarray(op.mult, np.int64),
        shift=np.asarray(op.shift, np.int64),
        macs=graph.macs(op),
        kernel=(kh, kw),
        stride=op.stride,
        padding=op.padding,
        lo=op.lo,
        hi=op.hi,
        **residual,
    )


def _identity(graph: QGraph, op, **fields) -> Layer:
    """An identity layer whose drain hands on the input unchanged unless ``fields`` say more."""
    source, output = graph.tensors[op.input], graph.tensors[op.output]
    defaults = {
        "zp_in": 0,
        "zp_out": 0,
        "bias": np.zeros(1, np.int64),
        "mult": np.full(1, IDENTITY_MULT, np.int64),
        "shift": np.zeros(1, np.int64),
    }
    return Layer(
        name=op.name,
        op=op.op,
        source=op.input,
        output=op.output,
        in_shape=source.shape,
        shape=source.shape,
        out_shape=output.shape,
        weight=None,
        **(defaults | fields),
    )


def _lower_max_pool(graph: QGraph, op: QMaxPool) -> Layer:
    height, width = graph.tensors[op.output].shape[1:]
    return _identity(graph, op, pool=MaxPool(op.kernel, op.padding, height, width))


def _lower_average(graph: QGraph, op: QGlobalAvgPool) -> Layer:
    source, output = graph.tensors[op.input], graph.tensors[op.output]
    bias = -source.shape[1] * source.shape[2] * source.zero_point
    pool = AveragePool(bias, int(op.mult), int(op.shift), output.zero_point)
    return _identity(graph, op, pool=pool)


def _lower_add(graph: QGraph, op: QAdd) -> Layer:
    return _identity(
        graph,
        op,
        zp_in=graph.tensors[op.input].zero_point,
        zp_out=graph.tensors[op.output].zero_point,
        mult=np.full(1, op.mult, np.int64),
        shift=np.full(1, op.shift, np.int64),
        lo=op.lo,
        hi=op.hi,
        residual=op.residual,
        res_zp=graph.tensors[op.residual].zero_point,
        res_mult=int(op.res_mult),
        res_shift=int(op.res_shift),
    )
