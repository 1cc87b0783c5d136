"""PyTorch's operators, each by a small function that makes one operator of the float graph of it.

A function returns what the node stands for: the name of the tensor that it made, that of its
argument where it changes nothing, or None.
"""

import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from resarray.golden.ops import (
    FloatActivation,
    FloatAdaptiveAvgPool,
    FloatAdd,
    FloatAvgPool,
    FloatBatchNorm,
    FloatConcat,
    FloatConstant,
    FloatConv,
    FloatFunction,
    FloatGlobalAvgPool,
    FloatLinear,
    FloatMaxPool,
    FloatMultiply,
    FloatPad,
    FloatScale,
    FloatSlice,
    FloatUpsample,
)
from resarray.golden.ops.average_pool import adaptive_windows
from resarray.golden.ops.base import by, padding_after
from resarray.golden.ops.conv import reach

from . import quantised
from .reader import INPUT, Reader, Value, in_place, is_vector
from .refused import Refused

SUPPORTED = (
    "2-D convolution, batch norm, ReLU, ReLU6 and other clamps, functions of one value (SiLU, "
    "GELU, sigmoid, tanh and others), sums, differences, products and quotients of maps, also with "
    "a value for each channel, concatenation, constants for each channel, max and average pools, "
    "nearest-neighbour upsampling, flatten, linear, slices, zero padding"
)

aten = torch.ops.aten


def read_node(reader: Reader, node: Node) -> Value:
    """What ``node`` stands for; `Refused` says what it is that cannot be read."""
    target: Any = node.target
    if not any(isinstance(reader.values.get(n), str | list) for n in node.all_input_nodes):
        return reader.evaluated(node)
    why = unreadable(node)
    if why is not None:
        raise Refused(why)
    read = _reader(node)
    assert read is not None
    try:
        value = read(reader, node)
        if isinstance(value, str) and target not in _EXPANDING:
            found, expected = reader.shapes[value], tuple(node.meta["val"].shape[1:])
            if not reader.fits(node, value):
                raise Refused(
                    f"its result {list(expected)} would be {list(found)}: what is expanded must "
                    "meet a map of that size in a sum or product"
                )
        if in_place(node):
            reader.replace(node, value)
        return value
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # With operands of another kind than a network of feature maps has.
        raise Refused("its arguments are not supported in this form") from error


def unreadable(node: Node) -> str | None:
    """Why a node's operator cannot be read, whatever it is given; None: it may be."""
    target: Any = node.target
    if target in _AT_THE_END and all(user.op == "output" for user in node.users):
        return "return the logits: what follows them here does not change the class"
    if "autocast" in str(target):
        return "remove torch.autocast from forward(): it is made integers"
    return None if _reader(node) else f"not supported; supported are: {SUPPORTED}"


def _reader(node: Node) -> Callable[[Reader, Node], Value] | None:
    target: Any = node.target
    return _READERS.get(target, _BY_NAME.get(str(target)))


# -- layers with weights -------------------------------------------------------------------------


def _conv(reader: Reader, node: Node) -> str:
    _, weight, bias, stride, padding, dilation, groups = _arguments(
        node, (None, None, None, [1, 1], [0, 0], [1, 1], 1)
    )
    weight_scale = quantised.weight_scale(reader, weight)
    weight = reader.constant(weight)
    return reader.emit(
        node,
        FloatConv,
        reader.feature_map(node),
        weight=weight,
        bias=torch.zeros(len(weight)) if bias is None else reader.constant(bias),
        stride=_pair(stride),
        padding=_padding(padding, weight.shape[2:], _pair(dilation)),
        dilation=_pair(dilation),
        groups=groups,
        weight_scale=weight_scale,
    )


def _padding(
    value: object, kernel: torch.Size, dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a convolution's padding: numbers, "same" or "valid"."""
    if value == "valid":
        return (0, 0, 0, 0)
    if value == "same":
        rows, columns = (size - 1 for size in reach(kernel, dilation))
        return (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)
    top, left = _pair(value)
    return (top, top, left, left)


def _linear(reader: Reader, node: Node) -> str:
    x, weight, bias = _arguments(node, (None, None, None))
    if not isinstance(reader.values.get(x), str) or not is_vector(x):
        raise Refused("only a linear layer on a flattened feature map is supported")
    weight_scale = quantised.weight_scale(reader, weight)
    weight = reader.constant(weight)
    return reader.emit(
        node,
        FloatLinear,
        reader.any_tensor(node),
        weight=weight,
        bias=torch.zeros(len(weight)) if bias is None else reader.constant(bias),
        weight_scale=weight_scale,
    )


def _batch_norm(reader: Reader, node: Node) -> str:
    args: Any = node.args
    _, gamma, beta, mean, variance, training, _, eps, *_ = args
    if training or mean is None:
        raise Refused("a batch norm needs running statistics, in evaluation mode")
    x = reader.any_tensor(node)
    fields: dict[str, Any] = {
        "mean": reader.constant(mean),
        "variance": reader.constant(variance),
        "gamma": None if gamma is None else reader.constant(gamma),
        "beta": None if beta is None else reader.constant(beta),
        "eps": eps,
    }
    shape = reader.shapes[x]
    if shape[1:] == (1, 1) or not is_vector(node):
        return reader.emit(node, FloatBatchNorm, x, **fields)
    # Of a flattened map each value has its own factor and offset.
    factor, offset = FloatBatchNorm(node.name, (x,), node.name, **fields).factors
    if node.meta["val"].ndim != 2:
        raise Refused("its argument 0 must be a feature map of the network, or flattened")
    made = [
        _emit_constant(reader, node, value.reshape(shape), str(number))
        for number, value in enumerate((factor, offset))
    ]
    names = {"part": "scale", "output": f"{node.name}.scale"}
    scaled = reader.emit(node, FloatMultiply, x, made[0], **names)
    return reader.emit(node, FloatAdd, scaled, made[1], part="add")


# -- activations, additions and pools ------------------------------------------------------------


def _function(reader: Reader, node: Node) -> str:
    """A function of each value, with numbers as its other arguments."""
    _, name, overload = str(node.target).split(".")
    name = name.removesuffix("_")
    rest, options = node.args[1:], dict(node.kwargs)
    if len(node.all_input_nodes) > 1:
        raise Refused("its other arguments must be numbers")
    function = getattr(getattr(aten, name), overload)

    def apply(x: torch.Tensor) -> torch.Tensor:
        return function(x, *rest, **options)

    return reader.emit(node, FloatFunction, reader.any_tensor(node), function=name, apply=apply)


def _power(reader: Reader, node: Node) -> str:
    """A number to the power of each value."""
    base = _number(node.args[0])

    def apply(x: torch.Tensor) -> torch.Tensor:
        return torch.pow(base, x)

    return reader.emit(node, FloatFunction, reader.any_tensor(node, 1), function="pow", apply=apply)


def _prelu(reader: Reader, node: Node) -> str:
    """max(x, 0) + slope * min(x, 0), with one slope, or one for each channel."""
    x, slope = reader.any_tensor(node), reader.constant(node.args[1]).double()
    if len(slope) not in (1, reader.shapes[x][0]):
        raise Refused(f"{len(slope)} slopes: only one, or one for each channel, is supported")
    if (slope == slope[0]).all():
        number = slope[0].item()

        def apply(x: torch.Tensor) -> torch.Tensor:
            return torch.where(x > 0, x, number * x)

        return reader.emit(node, FloatFunction, x, function="prelu", apply=apply)
    names = {part: f"{node.name}.{part}" for part in ("above", "below", "scale")}
    above, below = (
        reader.emit(node, FloatActivation, x, part=part, output=names[part], lo=lo, hi=hi)
        for part, lo, hi in (("above", 0.0, torch.inf), ("below", -torch.inf, 0.0))
    )
    scaled = reader.emit(
        node,
        FloatScale,
        below,
        part="scale",
        output=names["scale"],
        factor=slope,
        offset=torch.zeros_like(slope),
    )
    return reader.emit(node, FloatAdd, above, scaled, part="add")


def _relu(reader: Reader, node: Node) -> str:
    return reader.emit(node, FloatActivation, reader.any_tensor(node), lo=0.0, hi=torch.inf)


def _relu6(reader: Reader, node: Node) -> str:
    return reader.emit(node, FloatActivation, reader.any_tensor(node), lo=0.0, hi=6.0)


def _hardtanh(reader: Reader, node: Node) -> str:
    """Hardtanh, whose bounds are -1 and 1 unless it says so."""
    return _bounded(reader, node, *_arguments(node, (None, -1.0, 1.0))[1:])


def _clamp(reader: Reader, node: Node) -> str:
    return _bounded(reader, node, *_arguments(node, (None, None, None))[1:])


def _clamp_min(reader: Reader, node: Node) -> str:
    return _bounded(reader, node, node.args[1], None)


def _clamp_max(reader: Reader, node: Node) -> str:
    return _bounded(reader, node, None, node.args[1])


def _bounded(reader: Reader, node: Node, lower: Any, upper: Any) -> str:
    """A clamp to two numbers; None: without that bound."""
    lo = -torch.inf if lower is None else float(lower)
    hi = torch.inf if upper is None else float(upper)
    if lo != lo or hi != hi:
        raise Refused(f"bounds {lo} and {hi}: numbers are needed")
    largest = torch.finfo(torch.float32).max
    lo, hi = (torch.inf * b if abs(b) > largest else b for b in (lo, hi))
    # Where they cross, PyTorch's result is the upper one.
    return reader.emit(node, FloatActivation, reader.any_tensor(node), lo=min(lo, hi), hi=hi)


def _add(reader: Reader, node: Node) -> Value:
    return _sum(reader, node, float(_number(node.kwargs.get("alpha", 1))))


def _sub(reader: Reader, node: Node) -> Value:
    return _sum(reader, node, -float(_number(node.kwargs.get("alpha", 1))))


def _rsub(reader: Reader, node: Node) -> Value:
    """Its second argument less ``alpha`` times the first."""
    x, number, alpha = _arguments(node, (None, 0, node.kwargs.get("alpha", 1)))
    return _affine(reader, node, x, -_number(alpha), _number(number))


def _sum(reader: Reader, node: Node, factor: float) -> Value:
    """The first argument plus ``factor`` times the second."""
    a: Any
    b: Any
    a, b = node.args[:2]
    for constant, x, scale in ((b, a, factor), (a, b, 1.0)):
        if reader.is_map(x) and (value := _constant_map(reader, constant, x)) is not None:
            made = _emit_constant(reader, node, value * scale)
            second: Any = reader.values[x]
            if x is b and factor != 1:
                scaled = f"{node.name}.scale"
                second = _affine(reader, node, b, factor, 0.0, part="scale", output=scaled)
            return reader.emit(node, FloatAdd, second, made, part="add")
    if not reader.is_map(b):
        offset = _constant(reader, b, a) * factor
        # With 0, Python's sum() begins.
        return _affine(reader, node, a, 1.0, offset) if offset.any() else _same(reader, node)
    if not reader.is_map(a):
        return _affine(reader, node, b, factor, _constant(reader, a, b))
    scaled = ""
    if factor != 1:
        names = {"part": "scale", "output": f"{node.name}.scale"}
        scaled = _affine(reader, node, b, factor, 0.0, **names)
    first, second = _operands(reader, node, scaled)
    return reader.emit(node, FloatAdd, *_map_first(reader, first, second), part="add")


def _operands(reader: Reader, node: Node, made: str = "") -> tuple[str, str]:
    """The two operands of a sum or product: both maps, or both vectors. ``made``: what was made of
    the second."""
    a, b = node.args[:2]
    first, second = reader.any_tensor(node, 0), made or reader.any_tensor(node, 1)
    if is_vector(a) != is_vector(b):
        raise Refused("a map and a vector: give the vector its height and width of 1")
    operands: Any = (a, b)
    sizes = [tuple(operand.meta["val"].shape) for operand in operands]
    channels = [reader.shapes[name][0] for name in (first, second)]
    # Of one shape, one value for all, or channels that lie along the same dimension.
    alike = sizes[0] == sizes[1] or 1 in map(math.prod, sizes)
    first_channels = all(size[1:2] == (c,) for size, c in zip(sizes, channels, strict=True))
    if not alike and not (len(sizes[0]) == len(sizes[1]) and first_channels):
        raise Refused(
            f"operands of {list(sizes[0])} and {list(sizes[1])}: they must be equal, or one of "
            "them a value for each channel, of as many dimensions"
        )
    return _spread(reader, node, first, second), _spread(reader, node, second, first)


def _spread(reader: Reader, node: Node, x: str, other: str) -> str:
    """``x``, or, where it has one channel and the other operand several, that channel for each."""
    channels, wanted = reader.shapes[x][0], reader.shapes[other][0]
    if channels != 1 or wanted == 1:
        return x
    return reader.emit(
        node,
        FloatConv,
        x,
        part="spread",
        output=f"{node.name}.{x}.spread",
        weight=torch.ones(wanted, 1, 1, 1),
        bias=torch.zeros(wanted),
    )


def _map_first(reader: Reader, a: str, b: str) -> tuple[str, str]:
    """A map before a value for each channel of it."""
    return (b, a) if reader.shapes[a][1:] == (1, 1) else (a, b)


def _cat(reader: Reader, node: Node) -> str:
    tensors, dim = _arguments(node, (None, 0))
    tensors = [tensor for tensor in tensors if tensor.meta["val"].numel()]
    vectors = {is_vector(tensor) for tensor in tensors}
    inputs: list[Any] = [reader.values[tensor] for tensor in tensors]
    for number, value in enumerate(inputs):
        if isinstance(value, torch.Tensor) and value.ndim in (2, 4) and len(value) == 1:
            shape = (*value.shape[1:], 1, 1)[:3]
            inputs[number] = _emit_constant(reader, node, value.reshape(shape), str(number))
    if not all(isinstance(value, str) for value in inputs):
        raise Refused("only feature maps of the network, and constants, can be concatenated")
    flat = vectors == {True} and all(reader.shapes[x][1:] == (1, 1) for x in inputs)
    if dim % tensors[0].meta["val"].ndim != 1 or (vectors != {False} and not flat):
        raise Refused("only channels can be concatenated")
    return reader.emit(node, FloatConcat, *inputs, part="cat")


def _mul(reader: Reader, node: Node) -> str:
    a: Any
    b: Any
    a, b = node.args[:2]
    if reader.is_map(a) and reader.is_map(b):
        operands = _map_first(reader, *_operands(reader, node))
        return reader.emit(node, FloatMultiply, *operands, part="mul")
    if not reader.is_map(a):
        a, b = b, a
    value = _constant_map(reader, b, a)
    if value is not None:
        return _by_constant(reader, node, reader.values[a], value)
    return _affine(reader, node, a, _constant(reader, b, a), 0.0)


def _by_constant(reader: Reader, node: Node, source: Any, value: torch.Tensor) -> str:
    """A map times a constant map."""
    made = _emit_constant(reader, node, value)
    return reader.emit(node, FloatMultiply, source, made, part="mul")


def _emit_constant(reader: Reader, node: Node, value: torch.Tensor, number: str = "") -> str:
    if not value.isfinite().all():
        raise Refused("a constant is not finite")
    part = f"constant{number}"
    names = {"part": part, "output": f"{node.name}.{part}"}
    return reader.emit(node, FloatConstant, INPUT, value=value.double(), **names)


def _constant_map(reader: Reader, value: Any, x: Any) -> torch.Tensor | None:
    """``value`` as float64 [C][H][W] of ``x`` where it is a constant that differs from pixel to
    pixel of a map, or from value to value of a flattened one; None: it is not."""
    name: Any = reader.values[x]
    if isinstance(value, Node):
        value = reader.values.get(value)
    if not isinstance(value, torch.Tensor):
        return None
    shape = reader.shapes[name]
    if is_vector(x):
        flat = x.meta["val"].ndim == 2 and value.shape[-1:] == (math.prod(shape),)
        if shape[1:] == (1, 1) or not flat or value.numel() != math.prod(shape):
            return None
        value = value.reshape(shape)
    size = (1,) * (3 - value.ndim) + tuple(value.shape[-3:])
    if size[1:] == (1, 1) or value.numel() != math.prod(size):
        return None
    if any(a not in (1, b) for a, b in zip(size, shape, strict=True)):
        return None
    return value.double().reshape(size).expand(shape).contiguous()


def _div(reader: Reader, node: Node) -> str:
    a: Any
    b: Any
    a, b = node.args[:2]
    if reader.is_map(b):
        inverse = reader.emit(
            node,
            FloatFunction,
            reader.any_tensor(node, 1),
            part="reciprocal",
            output=f"{node.name}.reciprocal",
            function="reciprocal",
            apply=torch.reciprocal,
        )
        if reader.is_map(a):
            operands = _map_first(reader, *_operands(reader, node, inverse))
            return reader.emit(node, FloatMultiply, *operands, part="mul")
        if (value := _constant_map(reader, a, b)) is not None:
            return _by_constant(reader, node, inverse, value)
        factor = _constant(reader, a, b).clone()
        offset = torch.zeros_like(factor)
        return reader.emit(node, FloatScale, inverse, factor=factor, offset=offset)
    value = _constant_map(reader, b, a)
    if value is not None:
        return _by_constant(reader, node, reader.values[a], 1 / value)
    return _affine(reader, node, a, 1 / _constant(reader, b, a), 0.0)


def _neg(reader: Reader, node: Node) -> str:
    return _affine(reader, node, node.args[0], -1.0, 0.0)


def _affine(
    reader: Reader,
    node: Node,
    x: Any,
    factor: float | torch.Tensor,
    offset: float | torch.Tensor,
    **names: str,
) -> str:
    """A tensor times one constant plus another, each a number or float64 [C]."""
    source: Any = reader.values[x]
    channels = reader.shapes[source][0]
    both = [torch.as_tensor(value, dtype=torch.float64) for value in (factor, offset)]
    if not all(value.isfinite().all() for value in both):
        raise Refused("a constant is not finite")
    factor, offset = (value.expand(channels).clone() for value in both)
    return reader.emit(node, FloatScale, source, factor=factor, offset=offset, **names)


def _constant(reader: Reader, value: Any, x: Any) -> torch.Tensor:
    """``value`` as float64 [C] for the channels of ``x``: a number, a tensor of one, or one with a
    number for each channel."""
    name = reader.values.get(x)
    if not isinstance(name, str):
        raise Refused("one of its arguments must be a feature map of the network")
    channels, *size = reader.shapes[name]
    dimensions = x.meta["val"].ndim
    if isinstance(value, Node):
        value = reader.constant(value)
    tensor = torch.as_tensor(value).detach().double()
    axis = 1 if is_vector(x) else 3  # dimensions behind and with the channels
    per_channel = tensor.ndim >= axis and tensor.numel() == tensor.shape[-axis] == channels
    flattened = is_vector(x) and (size != [1, 1] or dimensions != 2)
    if tensor.numel() != 1 and (not per_channel or flattened):
        raise Refused(
            f"a constant of shape {list(tensor.shape)}: only a number, or one for each channel, is "
            "supported"
        )
    return tensor.flatten().expand(channels)


def _number(value: Any) -> float:
    if not isinstance(value, int | float):
        raise Refused(f"its factor {value} must be a number")
    return value


def _max_pool(reader: Reader, node: Node) -> str:
    _, kernel, stride, padding, dilation, ceil = _arguments(
        node, (None, None, [], [0, 0], [1, 1], False)
    )
    x = reader.feature_map(node)
    kernel, stride, pads = _pair(kernel), _pair(stride or kernel), _pair(padding)
    top, left = pads
    after = [
        padding_after(*axis, bool(ceil))
        for axis in zip(reader.shapes[x][1:], kernel, stride, pads, strict=True)
    ]
    return reader.emit(
        node,
        FloatMaxPool,
        x,
        kernel=kernel,
        stride=stride,
        padding=(top, after[0], left, after[1]),
        dilation=_pair(dilation),
    )


def _windows(kernel: Any, stride: Any, padding: Any, ceil: Any) -> dict[str, Any]:
    """The windows of an average pool."""
    return {
        "kernel": _pair(kernel),
        "stride": _pair(stride or kernel),
        "padding": _pair(padding),
        "ceil": bool(ceil),
    }


def _adaptive_avg_pool(reader: Reader, node: Node) -> Value:
    x = reader.feature_map(node)
    size, wanted = reader.shapes[x][1:], _adaptive_size(node.args[1], reader.shapes[x][1:])
    if wanted == size:
        return _same(reader, node)
    rows, columns = _uniform(size[0], wanted[0]), _uniform(size[1], wanted[1])
    if rows is None or columns is None:
        return reader.emit(node, FloatAdaptiveAvgPool, x, size=wanted)
    kernel, stride = zip(rows, columns, strict=True)
    return reader.emit(node, FloatAvgPool, x, kernel=kernel, stride=stride)


def _uniform(size: int, wanted: int) -> tuple[int, int] | None:
    """Size and stride of the windows of an adaptive pool along an axis; None: of several sizes, or
    not evenly spread."""
    windows = adaptive_windows(size, wanted)
    sizes = {end - start for start, end in windows}
    strides = {b - a for (a, _), (b, _) in itertools.pairwise(windows)} or {size}
    if len(sizes) > 1 or len(strides) > 1 or 0 in strides:
        return None
    return sizes.pop(), strides.pop()


def _adaptive_size(value: Any, size: tuple[int, ...]) -> tuple[int, int]:
    """The size that an adaptive pool is told; None: the map's."""
    height, width = (
        own if told is None else told for told, own in zip(_pair(value), size, strict=True)
    )
    return height, width


def _avg_pool(reader: Reader, node: Node) -> str:
    _, kernel, stride, padding, ceil, padded, divisor = _arguments(
        node, (None, None, [], [0, 0], False, True, None)
    )
    return reader.emit(
        node,
        FloatAvgPool,
        reader.feature_map(node),
        padded=bool(padded),
        divisor=divisor,
        **_windows(kernel, stride, padding, ceil),
    )


def _mean(reader: Reader, node: Node, **names: str) -> str:
    """Of the whole map, of its rows or its columns; or of all that is left of a map, [N, C, L]."""
    argument: Any
    dims: Any
    argument, dims = node.args[:2]
    x = reader.any_tensor(node)
    sizes = tuple(argument.meta["val"].shape)
    axes = sorted(d % len(sizes) for d in dims)
    channels, height, width = reader.shapes[x]
    if axes == [2] and sizes == (1, channels, height * width):
        return reader.emit(node, FloatGlobalAvgPool, x, **names)
    if axes not in ([2], [3], [2, 3]):
        raise Refused(f"dimensions {dims}: only height, width, or both")
    x = reader.feature_map(node)
    if axes == [2, 3]:
        return reader.emit(node, FloatGlobalAvgPool, x, **names)
    kernel = (height, 1) if axes == [2] else (1, width)
    return reader.emit(node, FloatAvgPool, x, kernel=kernel, stride=kernel, **names)


def _sum_of_pixels(reader: Reader, node: Node) -> str:
    """The mean times the pixels that it is of."""
    mean = _mean(reader, node, part="mean", output=f"{node.name}.mean")
    argument: Any = node.args[0]
    pixels = argument.meta["val"].numel() / node.meta["val"].numel()
    channels = reader.shapes[mean][0]
    factor = torch.full((channels,), pixels, dtype=torch.float64)
    return reader.emit(node, FloatScale, mean, factor=factor, offset=torch.zeros_like(factor))


def _amax(reader: Reader, node: Node) -> str:
    dims: Any = node.args[1]
    if sorted(d % 4 for d in dims) != [2, 3]:
        raise Refused(f"dimensions {dims}: only height and width together")
    return _max_of(reader, node, (1, 1))


def _adaptive_max_pool(reader: Reader, node: Node) -> list[str]:
    """The maxima; where they are is not known."""
    return [_max_of(reader, node, _adaptive_size(node.args[1], _sizes(reader, node)))]


def _sizes(reader: Reader, node: Node) -> tuple[int, ...]:
    return reader.shapes[reader.feature_map(node)][1:]


def _max_of(reader: Reader, node: Node, wanted: tuple[int, int]) -> str:
    """The maxima of ``wanted`` windows that cover the map."""
    size = _sizes(reader, node)
    rows, columns = _uniform(size[0], wanted[0]), _uniform(size[1], wanted[1])
    if rows is None or columns is None:
        raise Refused(f"{by(size)} pixels to {by(wanted)}: only windows of one size are supported")
    kernel, stride = zip(rows, columns, strict=True)
    return reader.emit(
        node,
        FloatMaxPool,
        reader.feature_map(node),
        kernel=kernel,
        stride=stride,
    )


def _channel_shuffle(reader: Reader, node: Node) -> str:
    """A convolution that selects: channels in the order of their places in their groups."""
    groups: Any = node.args[1]
    x = reader.feature_map(node)
    channels = reader.shapes[x][0]
    order = torch.arange(channels).view(groups, -1).T.flatten()
    weight = torch.eye(channels)[order][:, :, None, None]
    return reader.emit(node, FloatConv, x, weight=weight, bias=torch.zeros(channels))


def _upsample(reader: Reader, node: Node) -> Value:
    """Nearest neighbours, by the factors that the shapes have; scales may say others."""
    x = reader.feature_map(node)
    _, _, *scales = _arguments(node, (None, None, None))
    given = scales[0] if len(scales) == 1 else scales
    sizes = tuple(node.meta["val"].shape[2:])
    factors = [new / old for new, old in zip(sizes, reader.shapes[x][1:], strict=True)]
    for number, factor in enumerate(factors):
        scale = factor if not given or given[number] is None else given[number]
        if scale != factor or not factor.is_integer():
            size, found = list(reader.shapes[x][1:]), list(sizes)
            raise Refused(
                f"{size} to {found} pixels by {scale:g}: only whole factors are supported"
            )
    if factors == [1, 1]:
        return _same(reader, node)
    return reader.emit(node, FloatUpsample, x, factor=(int(factors[0]), int(factors[1])))


# -- views ---------------------------------------------------------------------------------------


def _reshape(reader: Reader, node: Node) -> str:
    """Flattening to [N, C*H*W], or a view that changes nothing."""
    x = reader.any_tensor(node)
    channels, height, width = reader.shapes[x]
    result = tuple(node.meta["val"].shape)
    flat = result[:1] == (1,) and len(result) < 4
    # One image loses its N too.
    squeezed = node.target is aten.squeeze.default and len(result) == 1
    if flat or squeezed or result == (1, channels, height, width):
        return x
    raise Refused(f"result {list(result)}: only flattening to [N, {channels * height * width}]")


def _expand(reader: Reader, node: Node) -> str:
    """A value for each channel, written out for every pixel: sums and products take it as it is."""
    x = reader.any_tensor(node)
    channels, height, width = reader.shapes[x]
    result = tuple(node.meta["val"].shape)
    if (
        is_vector(node.args[0])
        or (height, width) != (1, 1)
        or result[:2] != (1, channels)
        or len(result) != 4
    ):
        raise Refused(
            f"{list(reader.shapes[x])} to {list(result[1:])}: only a value for each channel can be "
            "expanded to a map"
        )
    return x


def _slice(reader: Reader, node: Node) -> Value:
    x, dim, start, end, step = _arguments(node, (None, 0, None, None, 1))
    size = x.meta["val"].shape[dim]
    if not start and (end is None or end >= size) and step == 1:
        return _same(reader, node)
    return _part(reader, node, dim, start, end, step, part="shortcut")


def _narrow(reader: Reader, node: Node) -> str:
    _, dim, start, length = _arguments(node, (None, 0, 0, 0))
    return _part(reader, node, dim, start, start + length)


def _split(reader: Reader, node: Node) -> list[str]:
    """Parts of a map, one slice each."""
    dim = _arguments(node, (None, None, node.kwargs.get("dim", 0)))[2]
    parts, start = [], 0
    for number, result in enumerate(node.meta["val"]):
        end = start + result.shape[dim]
        part, output = f"part{number}", f"{node.name}.{number}"
        parts.append(_part(reader, node, dim, start, end, part=part, output=output))
        start = end
    return parts


def _part(
    reader: Reader,
    node: Node,
    dim: int,
    start: int | None,
    end: int | None,
    step: int = 1,
    **names: str,
) -> str:
    """[start:end:step] of dimension ``dim`` of the map that is its first argument."""
    source = reader.feature_map(node)
    fields: dict[str, Any] = {"dim": dim % 4, "start": start, "end": end, "step": step}
    return reader.emit(node, FloatSlice, source, **fields, **names)


def _item(reader: Reader, node: Node) -> Value:
    """One of several results."""
    source, number = _arguments(node, ())
    several: Any = reader.values[source]
    return several[number]


def _pad(reader: Reader, node: Node) -> str:
    args: Any = node.args
    amounts = [*args[1]] + [0] * (8 - len(args[1]))
    left, right, top, bottom, before, after, *images = amounts
    mode = "constant"
    values = list(args[2:])
    if node.target is aten.pad.default and values:
        mode, values = values[0], values[1:]
    constant = next((v for v in [*values, node.kwargs.get("value")] if v is not None), 0)
    if mode != "constant":
        raise Refused(f"padding mode '{mode}': only a constant is supported")
    if any(images):
        raise Refused("padding of the batch with images is not supported")
    # What is the lowest of all floats to its author.
    lowest = float(constant) <= torch.finfo(torch.float32).min
    return reader.emit(
        node,
        FloatPad,
        reader.feature_map(node),
        part="shortcut" if before or after else "",
        padding=(top, bottom, left, right),
        channels=(before, after),
        value=-torch.inf if lowest else float(constant),
    )


def _dropout(reader: Reader, node: Node) -> Value:
    if node.args[2]:
        raise Refused("dropout in training mode; give it training=False")
    return _same(reader, node)


def _same(reader: Reader, node: Node) -> Value:
    """Its first argument, unchanged."""
    source: Any = node.args[0]
    return reader.values[source]


def _nothing(reader: Reader, node: Node) -> None:
    """A node that only asserts."""


def _to(reader: Reader, node: Node) -> Value:
    source: Any = node.args[0]
    kinds = [str(_dtype(each)).removeprefix("torch.") for each in (source, node)]
    if kinds != ["float32", "float32"]:
        raise Refused(f"{' to '.join(kinds)}: only float32 stays what it is")
    return _same(reader, node)


# -- arguments -----------------------------------------------------------------------------------


def _arguments(node: Node, defaults: tuple) -> list[Any]:
    """Positional arguments, with defaults for those left out."""
    return [*node.args, *defaults[len(node.args) :]]


def _dtype(node: Node) -> torch.dtype | None:
    return getattr(node.meta.get("val"), "dtype", None)


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, list | tuple) else (value, value)
    return values * 2 if len(values) == 1 else values


# What changes nothing but how the answer is read.
_AT_THE_END = {
    aten.softmax.int,
    aten.log_softmax.int,
    aten.argmax.default,
}
# What writes values out for every pixel.
_EXPANDING = {aten.expand.default, aten.expand_as.default, aten.repeat.default}
# What is a table of all values, in place too.
_FUNCTIONS = [
    aten.silu.default,
    aten.silu_.default,
    aten.hardswish.default,
    aten.hardswish_.default,
    aten.sigmoid.default,
    aten.sigmoid_.default,
    aten.special_expit.default,
    aten.hardsigmoid.default,
    aten.hardsigmoid_.default,
    aten.log_sigmoid.default,
    aten.tanh.default,
    aten.tanh_.default,
    aten.leaky_relu.default,
    aten.leaky_relu_.default,
    aten.gelu.default,
    aten.elu.default,
    aten.elu_.default,
    aten.selu.default,
    aten.selu_.default,
    aten.celu.default,
    aten.celu_.default,
    aten.softplus.default,
    aten.mish.default,
    aten.mish_.default,
    aten.threshold.default,
    aten.threshold_.default,
    aten.hardshrink.default,
    aten.softshrink.default,
    aten.abs.default,
    aten.abs_.default,
    aten.square.default,
    aten.square_.default,
    aten.pow.Tensor_Scalar,
    aten.sqrt.default,
    aten.sqrt_.default,
    aten.rsqrt.default,
    aten.reciprocal.default,
    aten.exp.default,
    aten.exp_.default,
    aten.log.default,
    aten.erf.default,
    aten.special_erf.default,
    aten.log1p.default,
    aten.expm1.default,
    aten.sin.default,
    aten.cos.default,
    aten.sign.default,
]
_READERS: dict[Any, Callable[[Reader, Node], Value]] = {
    **dict.fromkeys(_FUNCTIONS, _function),
    **dict.fromkeys(_EXPANDING, _expand),
    aten.pow.Scalar: _power,
    aten.prelu.default: _prelu,
    aten.conv2d.default: _conv,
    aten.conv2d.padding: _conv,
    aten.linear.default: _linear,
    aten.batch_norm.default: _batch_norm,
    aten.relu.default: _relu,
    aten.relu_.default: _relu,
    aten.relu6.default: _relu6,
    aten.hardtanh.default: _hardtanh,
    aten.hardtanh_.default: _hardtanh,
    aten.clamp.default: _clamp,
    aten.clamp_.default: _clamp,
    aten.clamp_min.default: _clamp_min,
    aten.clamp_min_.default: _clamp_min,
    aten.clamp_max.default: _clamp_max,
    aten.clamp_max_.default: _clamp_max,
    aten.clip.default: _clamp,
    aten.clip_.default: _clamp,
    aten.add.Tensor: _add,
    aten.add_.Tensor: _add,
    aten.sub.Tensor: _sub,
    aten.sub_.Tensor: _sub,
    aten.subtract.Tensor: _sub,
    aten.subtract_.Tensor: _sub,
    aten.rsub.Scalar: _rsub,
    aten.mul.Tensor: _mul,
    aten.mul_.Tensor: _mul,
    aten.multiply.Tensor: _mul,
    aten.multiply_.Tensor: _mul,
    aten.div.Tensor: _div,
    aten.div_.Tensor: _div,
    aten.divide.Tensor: _div,
    aten.true_divide.Tensor: _div,
    aten.neg.default: _neg,
    aten.cat.default: _cat,
    aten.concat.default: _cat,
    aten.max_pool2d.default: _max_pool,
    aten.adaptive_avg_pool2d.default: _adaptive_avg_pool,
    aten.avg_pool2d.default: _avg_pool,
    aten.mean.dim: _mean,
    aten.sum.dim_IntList: _sum_of_pixels,
    aten.amax.default: _amax,
    aten.adaptive_max_pool2d.default: _adaptive_max_pool,
    aten.channel_shuffle.default: _channel_shuffle,
    aten.upsample_nearest2d.default: _upsample,
    aten.upsample_nearest2d.vec: _upsample,
    aten._upsample_nearest_exact2d.default: _upsample,
    aten._upsample_nearest_exact2d.vec: _upsample,
    aten.flatten.using_ints: _reshape,
    aten.view.default: _reshape,
    aten.reshape.default: _reshape,
    aten.squeeze.default: _reshape,
    aten.squeeze.dim: _reshape,
    aten.squeeze.dims: _reshape,
    aten.unsqueeze.default: _reshape,
    aten.slice.Tensor: _slice,
    aten.narrow.default: _narrow,
    aten.split.Tensor: _split,
    aten.split_with_sizes.default: _split,
    aten.chunk.default: _split,
    operator.getitem: _item,
    aten.pad.default: _pad,
    aten.constant_pad_nd.default: _pad,
    aten.dropout.default: _dropout,
    aten.dropout_.default: _dropout,
    aten.feature_dropout.default: _dropout,
    aten.clone.default: _same,
    aten.contiguous.default: _same,
    aten.detach.default: _same,
    aten.alias.default: _same,
    aten.lift_fresh_copy.default: _same,
    aten.to.dtype: _to,
    aten._assert_tensor_metadata.default: _nothing,
}
_BY_NAME: dict[str, Callable[[Reader, Node], Value]] = {
    **dict.fromkeys(quantised.QUANTISE, quantised.quantise),
    **dict.fromkeys(quantised.DEQUANTISE, quantised.dequantise),
}
