"""What moves data: shapes, slices, padding, upsampling."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch

from resarray.golden.ops import FloatConv, FloatMultiply, FloatPad, FloatSlice, FloatUpsample

from ..refused import Refused
from .reader import Reader
from .values import MAX_SIDE, Constant, Map, Node, Value

_FLOATS = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.BFLOAT16,
)


def _viewed(x: Map, dims: tuple[int, ...]) -> Map:
    """``x`` with other dimensions."""
    if dims[:1] != (1,) or math.prod(dims) != math.prod(x.dims):
        raise Refused(f"{list(x.dims)} to {list(dims)}: the first dimension must stay the images'")
    return Map(x.name, dims, x.grid)


def _stored(node: Node) -> Map:
    """The tensor that it reads, integers too."""
    value = node.input(0)
    if not isinstance(value, Map):
        raise Refused("its input 0 must be a feature map of the network")
    return value


def same(reader: Reader, node: Node) -> Value:
    return _stored(node)


def dropout(reader: Reader, node: Node) -> Value:
    training = node.input(2)
    if training is not None and node.constant(2, "training_mode").any():
        raise Refused("dropout in training mode")
    return node.map()


def cast(reader: Reader, node: Node) -> Value:
    if node.attribute("to") not in _FLOATS:
        raise Refused("to another type than a float")
    return node.map()


def cast_like(reader: Reader, node: Node) -> Value:
    like = node.input(1)
    if isinstance(like, Constant) and "float" not in like.value.dtype.name:
        raise Refused("to another type than a float")
    return node.map()


def shape_of(reader: Reader, node: Node) -> Value:
    dims = _stored(node).dims[node.attribute("start", 0) : node.attribute("end", None)]
    return Constant(np.array(dims, np.int64))


def flatten(reader: Reader, node: Node) -> Value:
    x = _stored(node)
    axis = int(node.attribute("axis", 1))
    axis += len(x.dims) if axis < 0 else 0
    return _viewed(x, (math.prod(x.dims[:axis]), math.prod(x.dims[axis:])))


def reshape(reader: Reader, node: Node) -> Value:
    x = _stored(node)
    wanted = node.numbers(1, "shape")
    if not wanted:
        raise Refused("its shape must be a constant in the file")
    if not node.attribute("allowzero", 0):
        wanted = [x.dims[i] if size == 0 else size for i, size in enumerate(wanted)]
    # Of any number of images, one is read here.
    if reader.batch > 1 and wanted[0] == reader.batch:
        wanted[0] = 1
    if wanted.count(-1) == 1:
        known = math.prod(size for size in wanted if size != -1)
        wanted[wanted.index(-1)] = math.prod(x.dims) // known if known else 0
    return _viewed(x, tuple(wanted))


def squeeze(reader: Reader, node: Node) -> Value:
    x = _stored(node)
    axes = node.numbers(1, "axes")
    if axes is None:
        axes = [i for i, size in enumerate(x.dims) if i and size == 1]
    axes = [axis % len(x.dims) for axis in axes]
    if any(x.dims[axis] != 1 for axis in axes):
        raise Refused(f"axes {axes} of {list(x.dims)}: only those of one value")
    return _viewed(x, tuple(size for i, size in enumerate(x.dims) if i not in axes))


def unsqueeze(reader: Reader, node: Node) -> Value:
    x = _stored(node)
    axes = node.numbers(1, "axes") or []
    ndim = len(x.dims) + len(axes)
    axes = [axis % ndim for axis in axes]
    sizes = iter(x.dims)
    return _viewed(x, tuple(1 if i in axes else next(sizes) for i in range(ndim)))


def transpose(reader: Reader, node: Node) -> Value:
    """One that only moves dimensions of one value, or a channel shuffle."""
    x = _stored(node)
    order = list(node.attribute("perm", range(len(x.dims))[::-1]))
    if sorted(order) != list(range(len(x.dims))):
        raise Refused(f"perm {order} of {len(x.dims)} dimensions")
    dims = tuple(x.dims[axis] for axis in order)
    moved = [axis for axis in order if x.dims[axis] > 1]
    if moved == sorted(moved):
        return _viewed(x, dims)
    channels, height, width = reader.shapes[x.name]
    if order == [0, 2, 1, 3, 4] and x.dims[3:] == (height, width) and x.grid is None:
        # A convolution that selects channels in the order of their places in their groups.
        places = torch.arange(channels).view(x.dims[1:3]).T.flatten()
        weight = torch.eye(channels)[places][:, :, None, None]
        bias = torch.zeros(channels)
        return Map(reader.emit(node, FloatConv, x.name, weight=weight, bias=bias), dims)
    raise Refused(
        f"perm {order} of {list(x.dims)} moves values: export the network with images [N, C, H, W]"
    )


def expand(reader: Reader, node: Node) -> Value:
    """A value for each channel, written out for every pixel."""
    x = node.map()
    wanted = node.numbers(1, "shape") or []
    if reader.batch > 1 and len(wanted) == len(x.dims) and wanted[0] == reader.batch:
        wanted[0] = 1
    dims = np.broadcast_shapes(x.dims, tuple(wanted))
    if dims == x.dims:
        return x
    channels = reader.shapes[x.name][0]
    if x.dims != (1, channels, 1, 1) or dims[:2] != (1, channels) or max(dims[2:]) > MAX_SIDE:
        raise Refused(f"{list(x.dims)} to {list(dims)}: only a value for each channel")
    ones = reader.emit_constant(node, np.ones((channels, *dims[2:])))
    return reader.result(reader.emit(node, FloatMultiply, ones, x.name))


# -- parts ---------------------------------------------------------------------------------------


def _sliced(
    reader: Reader, node: Node, x: Map, dim: int, start: int, end: int, step: int, part: str = ""
) -> Map:
    shape = reader.shapes[x.name]
    if x.dims not in ((1, *shape), (1, shape[0])) or (len(x.dims) == 2 and shape[1:] != (1, 1)):
        raise Refused(f"of {list(x.dims)}: only of a feature map [N, C, H, W]")
    fields: dict[str, Any] = {"dim": dim, "start": start, "end": end, "step": step}
    made = reader.emit(node, FloatSlice, x.name, part=part, **fields)
    return Map(made, (1, *reader.shapes[made])[: len(x.dims)])


def slice_(reader: Reader, node: Node) -> Value:
    x = node.map()
    starts, ends = node.numbers(1, "starts"), node.numbers(2, "ends")
    if starts is None or ends is None:
        raise Refused("its starts and ends must be constants in the file")
    axes = node.numbers(3, "axes")
    steps = node.numbers(4, "steps") or [1] * len(starts)
    for axis, start, end, step in zip(
        range(len(starts)) if axes is None else axes, starts, ends, steps, strict=True
    ):
        if not -len(x.dims) <= axis < len(x.dims):
            raise Refused(f"axis {axis} of {list(x.dims)}")
        axis %= len(x.dims)
        if step < 1:
            raise Refused(f"step {step}: a positive one is supported")
        taken = range(x.dims[axis])[slice(start, end, step)]
        if taken == range(x.dims[axis]):
            continue
        x = _sliced(reader, node, x, axis, taken.start, max(taken.start, taken.stop), step)
    return x


def split(reader: Reader, node: Node) -> list[Value]:
    """Parts of a map, one slice each."""
    x = node.map()
    axis = int(node.attribute("axis", 0))
    if not -len(x.dims) <= axis < len(x.dims):
        raise Refused(f"axis {axis} of {list(x.dims)}")
    axis %= len(x.dims)
    count, size = len(node.proto.output), x.dims[axis]
    sizes = node.numbers(1, "split")
    if sizes is None:
        each = -(-size // count)
        sizes = [max(0, min(each, size - each * i)) for i in range(count)]
    if len(sizes) != count:
        raise Refused(f"parts of {sizes} values for {count} outputs")
    if sum(sizes) != size or min(sizes) < 1:
        raise Refused(f"{size} values into parts of {sizes}: each must have some, all together all")
    ends = list(itertools.accumulate(sizes))
    return [
        _sliced(reader, node, x, axis, end - part, end, 1, f"part{number}")
        for number, (part, end) in enumerate(zip(sizes, ends, strict=True))
    ]


def pad(reader: Reader, node: Node) -> Value:
    mode = node.attribute("mode", "constant")
    if mode != "constant":
        raise Refused(f"padding mode '{mode}': only a constant is supported")
    x = reader.feature_map(node)
    amounts = node.numbers(1, "pads")
    if amounts is None:
        raise Refused("its pads must be constants in the file")
    axes = node.numbers(3, "axes")
    axes = [axis % 4 for axis in axes] if axes is not None else [0, 1, 2, 3]
    if len(amounts) != 2 * len(axes) or len(set(axes)) != len(axes):
        raise Refused(f"pads {amounts} of axes {axes}")
    amount = zip(amounts[: len(axes)], amounts[len(axes) :], strict=True)
    ends = dict(zip(axes, amount, strict=True))
    images, channels, rows, columns = (ends.get(axis, (0, 0)) for axis in range(4))
    if any(images):
        raise Refused("padding of the batch with images is not supported")
    if max(map(abs, amounts)) > MAX_SIDE:
        raise Refused(f"pads {amounts}: at most {MAX_SIDE} are supported")
    value = node.number(2, "value", 0.0) or 0.0
    # What is the lowest of all floats to its author.
    lowest = value <= float(np.finfo(np.float32).min)
    made = reader.emit(
        node,
        FloatPad,
        x.name,
        padding=(*rows, *columns),
        channels=channels,
        value=-math.inf if lowest else float(value),
    )
    return reader.result(made)


# -- upsampling ----------------------------------------------------------------------------------

_ROUNDED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}
_HALF = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")


def resize(reader: Reader, node: Node) -> Value:
    """Nearest neighbours, by whole factors; all ways to find them that give the same."""
    x = reader.feature_map(node)
    mode = node.attribute("mode", "nearest")
    if mode != "nearest":
        raise Refused(f"mode '{mode}': only nearest neighbours are supported")
    factors = _factors(reader, node, x)
    older = node.op == "Upsample" or reader.opset < 11
    place = node.attribute("coordinate_transformation_mode", "half_pixel")
    rounding = node.attribute("nearest_mode", "round_prefer_floor")
    if older:
        place, rounding = "asymmetric", "floor"
    if place not in ("asymmetric", *_HALF) or rounding not in _ROUNDED:
        raise Refused(f"coordinates '{place}' with '{rounding}' are not supported")
    for size, factor in zip(x.dims[2:], factors, strict=True):
        number = np.arange(size * factor)
        found = (number + 0.5) / factor - 0.5 if place in _HALF else number / factor
        if (_ROUNDED[rounding](found).clip(0, size - 1) != number // factor).any():
            raise Refused(
                f"coordinates '{place}' with '{rounding}' by {factor}: those that take each pixel "
                f"{factor} times are supported, as 'asymmetric' with 'floor'"
            )
    if factors == (1, 1):
        return x
    return reader.result(reader.emit(node, FloatUpsample, x.name, factor=factors))


def _factors(reader: Reader, node: Node, x: Map) -> tuple[int, int]:
    places = (1, -1) if node.op == "Upsample" or reader.opset < 11 else (2, 3)
    axes = [axis % 4 for axis in node.attribute("axes", (0, 1, 2, 3))]
    known = [1.0, 1.0, 1.0, 1.0]
    scales, sizes = (node.input(place) if place > 0 else None for place in places)
    if isinstance(scales, Constant) and scales.value.size:
        given = [float(scale) for scale in scales.value.flatten()]
    elif isinstance(sizes, Constant) and sizes.value.size:
        if node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Refused("sizes that keep the aspect ratio are not supported")
        wanted = [int(size) for size in sizes.value.flatten()]
        if reader.batch > 1 and axes[0] == 0 and wanted[0] == reader.batch:
            wanted[0] = 1
        given = [size / x.dims[axis] for axis, size in zip(axes, wanted, strict=True)]
    else:
        given = list(node.attribute("scales", ()))
    for axis, factor in zip(axes, given, strict=True):
        known[axis] = factor
    whole = all(math.isfinite(factor) and factor == int(factor) >= 1 for factor in known)
    if not whole or known[:2] != [1, 1] or max(known) > MAX_SIDE:
        raise Refused(f"by {given}: only whole factors of height and width are supported")
    return int(known[2]), int(known[3])
