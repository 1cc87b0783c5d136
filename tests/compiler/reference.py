"""A small numpy evaluation of integer graphs."""

import numpy as np

from resarray.compiler.ir import Layer
from resarray.compiler.lowering import Placed, lower
from resarray.compiler.placement import place
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
    QSlice,
    QUpsample,
)
from resarray.spec.config import Config
from resarray.spec.layout import from_dict
from resarray.spec.numerics import GUARD_BITS
from resarray.verification.fuzz.graphs import Builder, random_graph, random_pool, share_zero_points

__all__ = [
    "Builder",
    "evaluate",
    "layers_of",
    "mismatches",
    "random_graph",
    "random_pool",
    "resnet18",
    "share_zero_points",
]


def _requantise(total, mult, shift, zp, lo, hi, residual=0):
    fixed = ((total * mult) >> shift) + residual
    return np.clip(((fixed + (1 << (GUARD_BITS - 1))) >> GUARD_BITS) + zp, lo, hi).astype(np.int8)


def _windows(x, kernel, stride):
    """[C][Ho][Wo][kh][kw]"""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return view[:, :: stride[0], :: stride[1]]


def _residual(graph, op, values):
    if op.residual is None:
        return 0
    r = values[op.residual].astype(np.int64) - graph.tensors[op.residual].zero_point
    return ((r * op.res_mult) << 4) >> op.res_shift


def _conv(graph, op, values):
    x = values[op.input].astype(np.int64) - graph.tensors[op.input].zero_point
    top, bottom, left, right = op.padding
    x = x[:, max(-top, 0) : x.shape[1] - max(-bottom, 0)]
    x = x[:, :, max(-left, 0) : x.shape[2] - max(-right, 0)]
    x = np.pad(x, ((0, 0), *((max(a, 0), max(b, 0)) for a, b in ((top, bottom), (left, right)))))
    reach = [(k - 1) * d + 1 for k, d in zip(op.weight.shape[2:], op.dilation, strict=True)]
    windows = _windows(x, reach, op.stride).astype(np.float64)
    windows = windows[..., :: op.dilation[0], :: op.dilation[1]]
    parts = zip(np.split(op.weight, op.groups), np.split(windows, op.groups), strict=True)
    acc = np.concatenate(
        [np.tensordot(w.astype(np.float64), x, ([1, 2, 3], [0, 3, 4])) for w, x in parts]
    )
    total = acc.astype(np.int64) + np.asarray(op.bias, np.int64)[:, None, None]
    mult = np.asarray(op.mult, np.int64)[:, None, None]
    shift = np.asarray(op.shift, np.int64)[:, None, None]
    zp = graph.tensors[op.output].zero_point
    residual = _residual(graph, op, values)
    return _requantise(total, mult, shift, zp, op.lo, op.hi, residual)


def evaluate(graph: QGraph, x: np.ndarray, config: Config | None = None) -> dict[str, np.ndarray]:
    """Every tensor for input int8 [C][H][W]; with those that ``config`` needs beside them."""
    if config is not None:
        whole = evaluate(place(graph, config)[0], x)
        for name, value in evaluate(graph, x).items():
            np.testing.assert_array_equal(whole[name], value, name)
        return whole
    values = {graph.input: x}
    for op in graph.ops:
        zp_in, zp_out = (graph.tensors[n].zero_point for n in (op.input, op.output))
        if isinstance(op, QConv):
            out = _conv(graph, op, values)
        elif isinstance(op, QMaxPool):
            border = ((0, 0), op.padding[:2], op.padding[2:])
            padded = np.pad(values[op.input], border, constant_values=-128)
            out = _windows(padded, op.kernel, op.stride).max(axis=(3, 4))
        elif isinstance(op, QGlobalAvgPool):
            total = values[op.input].astype(np.int64).sum(axis=(1, 2), keepdims=True)
            _, h, w = graph.tensors[op.input].shape
            out = _requantise(total - h * w * zp_in, op.mult, op.shift, zp_out, -128, 127)
        elif isinstance(op, QFunction):
            out = op.table[values[op.input].astype(int) + 128]
        elif isinstance(op, QConstant):
            out = op.value
        elif isinstance(op, QConcat):
            out = np.concatenate([values[name] for name in op.operands])
        elif isinstance(op, QSlice):
            out = values[op.input][op.first :][: graph.tensors[op.output].shape[0]]
        elif isinstance(op, QUpsample):
            out = np.kron(values[op.input], np.ones((1, *op.factor), np.int8))
        elif isinstance(op, QMultiply):
            factor = values[op.factor].astype(np.int64) - graph.tensors[op.factor].zero_point
            total = (values[op.input].astype(np.int64) - zp_in) * factor
            out = _requantise(total, op.mult, op.shift, zp_out, op.lo, op.hi)
        elif isinstance(op, QAdd):
            total = values[op.input].astype(np.int64) - zp_in
            residual = _residual(graph, op, values)
            out = _requantise(total, op.mult, op.shift, zp_out, op.lo, op.hi, residual)
        assert out.shape == graph.tensors[op.output].shape, op.name
        values[op.output] = out
    return values


def layers_of(graph: QGraph, config: Config) -> list[Layer]:
    """The layers of ``graph`` before any pass."""
    return lower(Placed(*place(graph, config)))


def resnet18(size: int, seed: int = 0, classes: int = 1000) -> Builder:
    """A graph of ResNet-18's shape with random weights."""
    b = Builder(seed, (3, size, size), "resnet18")
    x = b.conv("x", 64, (7, 7), (2, 2), (3, 3, 3, 3))
    x = b.max_pool(x, 3, 1)
    for width, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            y = b.conv(x, width, (3, 3), (stride, stride), (1, 1, 1, 1))
            shortcut = x
            if stride == 2:
                shortcut = b.conv(x, width, (1, 1), (2, 2), relu=False)
            x = b.conv(y, width, (3, 3), (1, 1), (1, 1, 1, 1), residual=shortcut)
    x = b.average(x)
    b.conv(x, classes, (1, 1), relu=False)
    return b


def mismatches(image, memory, values) -> list[str]:
    """Stored tensors of a run that differ from ``values``: one dictionary of tensors per image."""
    wrong = []
    for entry in image.manifest["tensors"]:
        layout = from_dict(entry["layout"])
        flat = memory[entry["addr"] : entry["addr"] + layout.size].view(np.int8)
        if not np.array_equal(layout.unpack(flat), values[entry["image"]][entry["name"]]):
            wrong.append(f"{entry['name']} of image {entry['image']}")
    return wrong


def pooled_resnet() -> Builder:
    """A stem with a pool, a residual block, an average and a classifier: a few thousand cycles."""
    b = Builder(1, (3, 17, 14))
    x = b.max_pool(b.conv("x", 12, (5, 5), (2, 2), (2, 2, 2, 2)), 3, 1)
    y = b.conv(x, 12, (3, 3), padding=(1, 1, 1, 1))
    x = b.conv(y, 12, (3, 3), padding=(1, 1, 1, 1), residual=x)
    b.conv(b.average(x), 50, (1, 1), relu=False)
    return b
