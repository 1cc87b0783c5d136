"""Sums and products: of maps, and of a map and constants."""

import numpy as np
import torch

from resarray.golden.ops import (
    FloatAdd,
    FloatConcat,
    FloatConstant,
    FloatConv,
    FloatFunction,
    FloatMultiply,
    FloatOp,
    FloatScale,
)

from ..refused import Refused
from .reader import Reader
from .values import Constant, Map, Node, Value, finite


def add(reader: Reader, node: Node) -> Value:
    return _sum(reader, node, node.input(0), node.input(1), 1.0)


def sub(reader: Reader, node: Node) -> Value:
    return _sum(reader, node, node.input(0), node.input(1), -1.0)


def sum_of_all(reader: Reader, node: Node) -> Value:
    total, *others = node.inputs
    for number, value in enumerate(others):
        last = number == len(others) - 1
        total = _sum(reader, node, total, value, 1.0, "" if last else f"part{number}")
    return total


def _sum(reader: Reader, node: Node, a: Value, b: Value, factor: float, part: str = "") -> Map:
    """The first plus ``factor`` times the second."""
    if isinstance(a, Map) and isinstance(b, Map):
        if factor != 1:
            b = affine(reader, node, b, np.array(factor), np.array(0.0), "scale")
        return _together(reader, node, FloatAdd, a, b, part)
    if isinstance(a, Map) and isinstance(b, Constant):
        return affine(reader, node, a, np.array(1.0), factor * finite(b.value), part)
    if isinstance(a, Constant) and isinstance(b, Map):
        return affine(reader, node, b, np.array(factor), finite(a.value), part)
    raise Refused("its inputs must be feature maps of the network or constants")


def mul(reader: Reader, node: Node) -> Value:
    a, b = node.inputs
    if isinstance(a, Map) and isinstance(b, Map):
        return _together(reader, node, FloatMultiply, a, b)
    if isinstance(a, Constant):
        a, b = b, a
    return affine(reader, node, _map(a), _numbers(b), np.array(0.0))


def div(reader: Reader, node: Node) -> Value:
    a, b = node.inputs
    if isinstance(b, Constant):
        value = finite(b.value)
        if not value.all():
            raise Refused("it divides by 0")
        return affine(reader, node, _map(a), 1 / value, np.array(0.0))
    divisor = _map(b)
    name = reader.emit(
        node,
        FloatFunction,
        divisor.name,
        part="reciprocal",
        function="reciprocal",
        apply=torch.reciprocal,
    )
    inverse = Map(name, divisor.dims)
    if isinstance(a, Map):
        return _together(reader, node, FloatMultiply, a, inverse)
    return affine(reader, node, inverse, _numbers(a), np.array(0.0))


def neg(reader: Reader, node: Node) -> Value:
    return affine(reader, node, node.map(), np.array(-1.0), np.array(0.0))


def _map(value: Value) -> Map:
    if not isinstance(value, Map):
        raise Refused("one of its inputs must be a feature map of the network")
    if value.grid is not None:
        raise Refused("an input is integers: put DequantizeLinear in front of it")
    return value


def _numbers(value: Value) -> np.ndarray:
    if not isinstance(value, Constant):
        raise Refused("its other input must be a constant")
    return finite(value.value)


def affine(
    reader: Reader, node: Node, x: Map, factor: np.ndarray, offset: np.ndarray, part: str = ""
) -> Map:
    """A tensor times one constant plus another, each for all values, each channel or each value."""
    _map(x)
    shape = reader.shapes[x.name]
    full = []
    for constant in (factor, offset):
        if constant.size == 1:
            constant = constant.reshape((1,) * min(constant.ndim, len(x.dims)))
        if np.broadcast_shapes(constant.shape, x.dims) != x.dims:
            raise Refused(
                f"a constant {list(constant.shape)} makes its result larger than {list(x.dims)}"
            )
        full.append(np.broadcast_to(constant, x.dims).reshape(shape))
    if all((value == value[:, :1, :1]).all() for value in full):
        channel = (torch.from_numpy(value[:, 0, 0].copy()) for value in full)
        made_factor, made_offset = channel
        if (made_factor == 1).all() and not made_offset.any():
            return x
        made = reader.emit(
            node, FloatScale, x.name, part=part, factor=made_factor, offset=made_offset
        )
        return Map(made, x.dims)
    name = x.name
    both = (full[0] != 1).any() and full[1].any()
    if (full[0] != 1).any():
        constant_name = reader.emit_constant(node, full[0], "factor")
        name = reader.emit(node, FloatMultiply, name, constant_name, part="scale" if both else part)
    if full[1].any():
        constant_name = reader.emit_constant(node, full[1], "constant")
        name = reader.emit(node, FloatAdd, name, constant_name, part=part)
    return Map(name, x.dims)


def _together(
    reader: Reader, node: Node, kind: type[FloatOp], a: Map, b: Map, part: str = ""
) -> Map:
    """Two maps, the second one perhaps with a value for each channel or for all."""
    _map(a), _map(b)
    dims = np.broadcast_shapes(a.dims, b.dims)
    if a.dims != b.dims:
        fits = all(x.dims[1:2] == reader.shapes[x.name][:1] for x in (a, b))
        if len(a.dims) != len(b.dims) or not fits:
            raise Refused(
                f"inputs {list(a.dims)} and {list(b.dims)}: they must be equal, or one of them a "
                "value for each channel, of as many dimensions"
            )
    first, second = _spread(reader, node, a, b), _spread(reader, node, b, a)
    if reader.shapes[first][1:] == (1, 1):
        first, second = second, first
    if reader.shapes[second] not in (
        reader.shapes[first],
        (reader.shapes[first][0], 1, 1),
    ):
        raise Refused(
            f"inputs {list(a.dims)} and {list(b.dims)}: they must be equal, or one of them a value "
            "for each channel"
        )
    return Map(reader.emit(node, kind, first, second, part=part), dims)


def _spread(reader: Reader, node: Node, x: Map, other: Map) -> str:
    """``x``, or, where it has one channel and the other several, that channel for each."""
    wanted = reader.shapes[other.name][0]
    if reader.shapes[x.name][0] != 1 or wanted == 1:
        return x.name
    weight = torch.ones(wanted, 1, 1, 1)
    bias = torch.zeros(wanted)
    return reader.emit(node, FloatConv, x.name, part="spread", weight=weight, bias=bias)


def concat(reader: Reader, node: Node) -> Value:
    ndim = max((len(v.dims) for v in node.inputs if isinstance(v, Map)), default=0)
    axis = int(node.attribute("axis", 1))
    if axis not in (1, 1 - ndim):
        raise Refused(f"axis {axis}: only channels can be concatenated")
    names: list[str] = []
    for value in node.inputs:
        if isinstance(value, Constant):
            constant = finite(value.value)
            if constant.ndim != ndim or constant.shape[0] != 1:
                raise Refused(f"a constant {list(constant.shape)} among its inputs")
            if not constant.size:
                continue
            shape = (*constant.shape[1:], 1, 1)[:3]
            names.append(
                reader.emit(
                    node,
                    FloatConstant,
                    "input",
                    part=f"constant{len(names)}",
                    value=torch.from_numpy(constant.reshape(shape).copy()),
                )
            )
            continue
        x = _map(value)
        shape = reader.shapes[x.name]
        if x.dims not in ((1, *shape), (1, shape[0])) or len(x.dims) != ndim:
            raise Refused(f"an input {list(x.dims)}: only feature maps can be concatenated")
        if x.dims == (1, shape[0]) and shape[1:] != (1, 1):
            raise Refused("flattened maps: only channels can be concatenated")
        names.append(x.name)
    if len({reader.shapes[name][1:] for name in names}) > 1:
        raise Refused("its inputs differ in height or width")
    made = names[0] if len(names) == 1 else reader.emit(node, FloatConcat, *names)
    channels, *size = reader.shapes[made]
    return Map(made, (1, channels, *size) if ndim == 4 else (1, channels))
