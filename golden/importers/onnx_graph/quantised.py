"""Quantisation that is in the file: QuantizeLinear and DequantizeLinear."""

import numpy as np
import onnx
import torch

from resarray.golden.ops import FloatQuantise

from ..refused import Refused
from .fold import folded
from .reader import Reader
from .values import Constant, Grid, Map, Node, Value

# Of int8, from a zero point of uint8.
_UNSIGNED = 128
# By onnx's number for it; 0: not said.
_KINDS = {
    0: np.dtype(np.uint8),
    onnx.TensorProto.UINT8: np.dtype(np.uint8),
    onnx.TensorProto.INT8: np.dtype(np.int8),
}
_TYPES = "only int8 and uint8 are supported"


def quantize(reader: Reader, node: Node) -> Value:
    """A map rounded to int8; of a constant the integers."""
    grid = _grid(node)
    if isinstance(node.input(0), Constant):
        return folded(node, reader.opset)[0]
    x = node.map()
    _require_one(grid)
    zero_point = int(grid.zero_point) - (_UNSIGNED if grid.kind == np.uint8 else 0)
    made = reader.emit(node, FloatQuantise, x.name, scale=float(grid.scale), zero_point=zero_point)
    return Map(made, x.dims, grid)


def dequantize(reader: Reader, node: Node) -> Value:
    """The real numbers of a map, which it has already, or of a constant."""
    x = node.input(0)
    if isinstance(x, Map):
        if x.grid is None and reader.unread(x):
            return x
        if x.grid is None:
            raise Refused("its input must be what QuantizeLinear made, or a constant")
        grid = _grid(node, x.grid.kind)
        _require_one(grid)
        if not grid.same(x.grid):
            raise Refused(
                "its scale and zero point are not those that its input was quantised with"
            )
        return Map(x.name, x.dims)
    q = node.constant(0)
    if q.dtype not in (np.int8, np.uint8, np.int32):
        raise Refused(f"integers of type {q.dtype}: {_TYPES}, of biases int32")
    grid = _grid(node, q.dtype)
    shape = [1] * q.ndim
    if grid.scale.size != 1:
        if not -q.ndim <= grid.axis < q.ndim or q.shape[grid.axis] != grid.scale.size:
            raise Refused(f"{grid.scale.size} scales do not fit its input {list(q.shape)}")
        shape[grid.axis] = -1
    scale, zero_point = (
        np.broadcast_to(value, grid.scale.shape).reshape(shape if grid.scale.size != 1 else ())
        for value in (grid.scale, grid.zero_point)
    )
    value = ((q.astype(np.int64) - zero_point) * scale).astype(np.float32)
    return Constant(value, grid)


def _require_one(grid: Grid) -> None:
    if grid.scale.size != 1 or grid.zero_point.size != 1:
        raise Refused("a map with several scales: one for the whole tensor is supported")


def _grid(node: Node, kind: np.dtype | None = None) -> Grid:
    """Of a node; ``kind``: of the integers that it reads, where it does not say so itself."""
    if node.attribute("block_size", 0):
        raise Refused("scales of blocks: one for the tensor, or for each channel, is supported")
    scale = node.constant(1, "scale")
    if scale.size != 1 and scale.ndim != 1:
        raise Refused("its scale must be a number, or one for each channel")
    points = np.zeros(1, np.int8)
    if node.input(2) is not None:
        points = node.constant(2, "zero point")
        kind = points.dtype
    elif kind is None:
        kind = _KINDS.get(node.attribute("output_dtype", 0))
    known = ["int8", "uint8"] + (["int32"] if node.op == "DequantizeLinear" else [])
    if kind is None or kind.name not in known:
        raise Refused(f"integers of type {kind or 'that is not known'}: {_TYPES}")
    if points.size not in (1, scale.size):
        raise Refused("it has other zero points than scales")
    scales = scale.astype(np.float64).reshape(() if scale.size == 1 else (-1,))
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise Refused("its scale must be positive and finite")
    zero_points = points.astype(np.int64).reshape(() if points.size == 1 else (-1,))
    return Grid(scales, zero_points, kind, int(node.attribute("axis", 1)))


def weight_scale(weight: Constant, axis: int) -> torch.Tensor | None:
    """float64 [outputs] of a weight whose dimension ``axis`` is the outputs; None: it is float."""
    grid = weight.grid
    if grid is None:
        return None
    if grid.kind != np.int8 or grid.zero_point.any():
        raise Refused(
            f"weights of {grid.kind} with zero point {grid.zero_point.flat[0]}: int8 with zero "
            "point 0 is supported; quantise with symmetric int8 weights"
        )
    outputs, dimensions = weight.value.shape[axis], weight.value.ndim
    if grid.scale.size != 1 and grid.axis % dimensions != axis:
        raise Refused(
            f"weights with a scale for each value of axis {grid.axis}: one for the tensor, or for "
            f"each output (axis {axis}), is supported"
        )
    return torch.from_numpy(np.broadcast_to(grid.scale, outputs).copy())
