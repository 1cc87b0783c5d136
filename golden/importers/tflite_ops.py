"""TFLite's operators, each by a small function that makes operators of the float graph of it.

A function returns the names of its results, one for each. Activations that the file has fused are
operators of their own here, and each result is rounded as the file says (`Reader`): passes fuse.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from resarray.golden.float_graph import Scale
from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatAvgPool,
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
from resarray.golden.ops.conv import reach

from .refused import Refused
from .tflite_model import Operator
from .tflite_reader import INPUT, Reader, as_tensor, check_scale, finite

SUPPORTED = (
    "CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, SUB, MUL, AVERAGE_POOL_2D, MAX_POOL_2D, "
    "MEAN, PAD, PADV2, CONCATENATION, RESHAPE, SQUEEZE, EXPAND_DIMS, SLICE, STRIDED_SLICE, SPLIT, "
    "SPLIT_V, RESIZE_NEAREST_NEIGHBOR, RELU, RELU6, RELU_N1_TO_1, LEAKY_RELU, PRELU, ELU, "
    "LOGISTIC, TANH, HARD_SWISH, QUANTIZE, DEQUANTIZE, and SOFTMAX at the end"
)
SAME, VALID = 0, 1
# Of the schema's ActivationFunctionType.
BOUNDS = {1: (0.0, math.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
FUSED = {4: "TANH", 5: "SIGN_BIT"}
# Dimension of [1, H, W, C] -> that of [N][C][H][W].
DIMENSIONS = (0, 2, 3, 1)


def read_operator(reader: Reader, op: Operator) -> list[str]:
    """The results of ``op``; `Refused` says what it is that cannot be read."""
    why = unreadable(op)
    if why is not None:
        raise Refused(why)
    result = _READERS[op.kind](reader, op)
    return result if isinstance(result, list) else [result]


def unreadable(op: Operator) -> str | None:
    """Why an operator cannot be read, whatever it is given; None: it may be."""
    if op.kind in _READERS:
        return op.fault or None
    if op.kind in ("SOFTMAX", "LOG_SOFTMAX"):
        return "only at the end of the network, where it is left out"
    return f"not supported; supported are: {SUPPORTED}"


# -- layers with weights -------------------------------------------------------------------------


def _conv(reader: Reader, op: Operator) -> str:
    """Weights [Cout, kh, kw, Cin / groups]."""
    x = reader.feature_map(op)
    values, scale = _weights(reader, op, 0, 4)
    groups, left = divmod(reader.shapes[x][0], values.shape[3])
    if left or len(values) % groups:
        raise Refused(f"weights {list(values.shape)} for {reader.shapes[x][0]} channels")
    return _convolved(reader, op, x, values.transpose(0, 3, 1, 2), scale, groups)


def _depthwise(reader: Reader, op: Operator) -> str:
    """Weights [1, kh, kw, Cin * multiplier]."""
    x = reader.feature_map(op)
    values, scale = _weights(reader, op, 3, 4)
    channels = reader.shapes[x][0]
    if values.shape[3] != channels * op.options["DepthMultiplier"] or len(values) != 1:
        raise Refused(
            f"weights {list(values.shape)} for {channels} channels and a multiplier of "
            f"{op.options['DepthMultiplier']}"
        )
    return _convolved(reader, op, x, values.transpose(3, 0, 1, 2), scale, channels)


def _convolved(
    reader: Reader, op: Operator, x: str, weight: np.ndarray, scale: Tensor | None, groups: int
) -> str:
    """Weights [Cout, Cin / groups, kh, kw]."""
    stride, dilation = _pair(op, "StrideH", "StrideW"), _pair(op, "DilationHFactor")
    result = reader.emit(
        op,
        FloatConv,
        x,
        weight=as_tensor(weight),
        bias=_bias(reader, op, len(weight), scale),
        stride=stride,
        padding=_padding(reader, op, x, reach(weight.shape[2:], dilation), stride),
        dilation=dilation,
        groups=groups,
        weight_scale=scale,
    )
    return _activated(reader, op, result)


def _linear(reader: Reader, op: Operator) -> str:
    """Weights [Cout, values], of a map in the order of [H, W, C]."""
    x = reader.any_tensor(op)
    if op.options["WeightsFormat"]:
        raise Refused("its weights are shuffled, as only some processors want them")
    values, scale = _weights(reader, op, 0, 2)
    channels, height, width = reader.shapes[x]
    if values.shape[1] != channels * height * width:
        raise Refused(
            f"weights {list(values.shape)} for {channels * height * width} values of one image"
        )
    weight = values.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    result = reader.emit(
        op,
        FloatLinear,
        x,
        weight=as_tensor(weight.reshape(values.shape)),
        bias=_bias(reader, op, len(values), scale),
        weight_scale=scale,
    )
    return _activated(reader, op, result)


def _weights(
    reader: Reader, op: Operator, axis: int, rank: int
) -> tuple[np.ndarray, Tensor | None]:
    """Operand 1 as real numbers in the file's order, and float64 [Cout], what a step of each
    channel is; None: the network is one of floats."""
    tensor, data = reader.constant_tensor(op, 1)
    if data.ndim != rank or not data.size:
        raise Refused(f"weights '{tensor.name}' of shape {list(data.shape)}")
    if data.dtype == np.uint8:
        raise Refused(
            f"weights '{tensor.name}' are uint8, with a zero point: convert the network to int8"
        )
    if data.dtype != np.int8:
        return finite(data.astype(np.float64), tensor.name), None
    channels = data.shape[axis]
    if tensor.scale is None:
        raise Refused(f"weights '{tensor.name}' are int8 and have no scale")
    if len(tensor.scale) not in (1, channels) or (len(tensor.scale) > 1 and tensor.axis != axis):
        raise Refused(
            f"weights '{tensor.name}' have {len(tensor.scale)} scales along dimension "
            f"{tensor.axis}: one, or one for each of {channels} channels, is supported"
        )
    if tensor.zero_point.any():
        raise Refused(f"weights '{tensor.name}' have a zero point: only 0 is supported")
    for value in (tensor.scale.min(), tensor.scale.max()):
        check_scale(float(value), tensor.name)
    scale = np.broadcast_to(tensor.scale, (channels,))
    spread = [1] * rank
    spread[axis] = channels
    return data * scale.reshape(spread), torch.from_numpy(scale.copy())


def _bias(reader: Reader, op: Operator, channels: int, scale: Tensor | None) -> Tensor:
    """float32 [Cout] of operand 2; one of integers is in steps of the sums of products."""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return torch.zeros(channels)
    tensor = reader.tensor(op, 2)
    data = reader.data(tensor)
    wanted = np.int32 if scale is not None else np.float32
    if data is None or data.dtype != wanted or data.shape != (channels,):
        raise Refused(
            f"bias '{tensor.name}' must be a constant {np.dtype(wanted).name} [{channels}]"
        )
    grid = reader.grid(op, 0)
    if scale is None or grid is None:
        return as_tensor(finite(data, tensor.name))
    return as_tensor(data * (scale.numpy() * grid[0]))


def _padding(
    reader: Reader, op: Operator, x: str, kernel: tuple[int, int], stride: tuple[int, int]
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right); with "same" the odd line is at the end."""
    if op.options["Padding"] not in (SAME, VALID):
        raise Refused(f"padding of kind {op.options['Padding']}")
    found: list[int] = []
    for size, reached, step in zip(reader.shapes[x][1:], kernel, stride, strict=True):
        total = 0
        if op.options["Padding"] == SAME:
            total = max((-(-size // step) - 1) * step + reached - size, 0)
        found += [total // 2, total - total // 2]
    top, bottom, left, right = found
    return top, bottom, left, right


def _pair(op: Operator, rows: str, columns: str = "") -> tuple[int, int]:
    """Two options of rows and columns, such as strides."""
    columns = columns or rows.replace("H", "W", 1)
    pair = op.options[rows], op.options[columns]
    if min(pair) < 1:
        raise Refused(f"{rows} and {columns} of {pair[0]} and {pair[1]}: at least 1 is needed")
    return pair


# -- activations and functions -------------------------------------------------------------------


def _activated(reader: Reader, op: Operator, x: str) -> str:
    """``x`` behind the activation that the operator has fused."""
    number = op.options["FusedActivationFunction"]
    if not number:
        return x
    if number not in BOUNDS:
        name = FUSED.get(number, f"number {number}")
        raise Refused(f"its fused activation {name}: RELU, RELU6 and RELU_N1_TO_1 are supported")
    return _clamped(reader, op, x, *BOUNDS[number])


def _clamped(reader: Reader, op: Operator, x: str, lo: float, hi: float, part: str = "") -> str:
    return reader.emit(op, FloatActivation, x, part=part, lo=lo, hi=hi)


def _bounded(lo: float, hi: float) -> Callable[[Reader, Operator], str]:
    return lambda reader, op: _clamped(reader, op, reader.any_tensor(op), lo, hi)


def _function(apply: Callable[[Tensor], Tensor], name: str) -> Callable[[Reader, Operator], str]:
    def read(reader: Reader, op: Operator) -> str:
        return reader.emit(op, FloatFunction, reader.any_tensor(op), function=name, apply=apply)

    return read


def _leaky_relu(reader: Reader, op: Operator) -> str:
    slope = float(op.options["Alpha"])
    if not math.isfinite(slope):
        raise Refused(f"its slope {slope} is not finite")
    return _function(lambda x: functional.leaky_relu(x, slope), "leaky_relu")(reader, op)


def _prelu(reader: Reader, op: Operator) -> str:
    """One slope, one for each channel (then x + (slope - 1) * min(x, 0)), or one for each value."""
    x = reader.feature_map(op)
    slopes = _by_pixel(reader, op, 1, 0)
    slope = slopes[:, 0, 0]
    if (slopes == slope[0]).all():
        number = slope[0].item()

        def apply(x: Tensor) -> Tensor:
            return torch.where(x > 0, x, number * x)

        return reader.emit(op, FloatFunction, x, function="prelu", apply=apply)
    below = _clamped(reader, op, x, -math.inf, 0.0, part="below")
    below = reader.quantise(op, below, reader.grid(op, 0), part="below")
    if not _per_channel(slopes):
        return _prelu_by_pixel(reader, op, x, below, slopes)
    # The sum in the same operator, so that nothing is rounded in between.
    weight = as_tensor((slope - 1).numpy())[:, None, None, None]
    channels = len(weight)
    bias = torch.zeros(channels)
    return reader.emit(op, FloatConv, below, x, weight=weight, bias=bias, groups=channels)


def _prelu_by_pixel(reader: Reader, op: Operator, x: str, below: str, slopes: Tensor) -> str:
    """max(x, 0) + slopes * ``below``. One of the two is 0: with the product on the result's grid
    nothing is rounded twice."""
    grid = reader.grid(op, 0)
    above = _clamped(reader, op, x, 0.0, math.inf, part="above")
    above = reader.quantise(op, above, grid, part="above")
    constant = _constant(reader, op, slopes)
    product = reader.emit(op, FloatMultiply, below, constant, part="product")
    if grid is not None:
        result = reader.scale_of(reader.model.tensors[op.outputs[0]])
        product = reader.quantise(op, product, result, part="product")
    return reader.emit(op, FloatAdd, above, product)


# -- sums, products and concatenation ------------------------------------------------------------


def _add(reader: Reader, op: Operator) -> str:
    a, b = _operands(reader, op)
    if not isinstance(b, str):
        result = _plus(reader, op, str(a), b)
    elif not isinstance(a, str):
        result = _plus(reader, op, b, a)
    else:
        result = reader.emit(op, FloatAdd, *_map_first(reader, op, a, b))
    return _activated(reader, op, result)


def _sub(reader: Reader, op: Operator) -> str:
    a, b = _operands(reader, op)
    if not isinstance(b, str):
        result = _plus(reader, op, str(a), -b, negative=True)
    elif not isinstance(a, str):
        result = _plus(reader, op, b, a, -1.0)
    else:
        negative = _scaled(reader, op, b, -1.0, 0.0, part="negative")
        grid = reader.grid(op, 1)
        if grid is not None:
            negative = reader.quantise(op, negative, _negative(grid), part="negative")
        result = reader.emit(op, FloatAdd, *_map_first(reader, op, a, negative))
    return _activated(reader, op, result)


def _mul(reader: Reader, op: Operator) -> str:
    a, b = _operands(reader, op)
    if isinstance(a, str) and isinstance(b, str):
        result = reader.emit(op, FloatMultiply, *_map_first(reader, op, a, b))
    else:
        x, constant = (a, b) if isinstance(a, str) else (b, a)
        assert isinstance(x, str) and isinstance(constant, Tensor)
        if _per_channel(constant):
            result = _scaled(reader, op, x, constant[:, 0, 0], 0.0)
        else:
            result = reader.emit(op, FloatMultiply, x, _constant(reader, op, constant))
    return _activated(reader, op, result)


def _operands(reader: Reader, op: Operator) -> tuple[str | Tensor, str | Tensor]:
    """Both operands: a tensor of the graph, or a constant as float64 [C][H][W] of the other."""
    first, second = (reader.is_map(op, index) for index in (0, 1))
    if first and second:
        _require_channels_last(reader, op)
    a = reader.any_tensor(op, 0) if first else _by_pixel(reader, op, 0, 1)
    b = reader.any_tensor(op, 1) if second else _by_pixel(reader, op, 1, 0)
    return a, b


def _require_channels_last(reader: Reader, op: Operator) -> None:
    """`Refused` where one of two maps spreads to the other along what is not its own dimension."""
    shapes = [reader.tensor(op, index).shape for index in (0, 1)]
    if shapes[0] == shapes[1]:
        return
    for index, shape in enumerate(shapes):
        channels, height, width = reader.shapes[reader.any_tensor(op, index)]
        if (1,) * (4 - len(shape)) + shape != (1, height, width, channels):
            raise Refused(
                f"{list(shapes[0])} and {list(shapes[1])}: channels must be the last dimension of "
                "both, as they spread"
            )


def _by_pixel(reader: Reader, op: Operator, index: int, other: int) -> Tensor:
    """Constant operand ``index`` as float64 [C][H][W] of operand ``other``."""
    values, like = reader.constant(op, index), reader.tensor(op, other)
    channels, height, width = reader.shapes[reader.any_tensor(op, other)]
    try:
        spread = np.broadcast_to(values, like.shape).reshape(height, width, channels)
    except ValueError as error:
        raise Refused(
            f"a constant of {list(values.shape)} for a map of {list(like.shape)}: it must have the "
            "map's shape, or one that spreads to it"
        ) from error
    return torch.from_numpy(spread.transpose(2, 0, 1).copy())


def _per_channel(value: Tensor) -> bool:
    return bool((value == value[:, :1, :1]).all())


def _plus(
    reader: Reader,
    op: Operator,
    x: str,
    constant: Tensor,
    factor: float = 1.0,
    negative: bool = False,
) -> str:
    """``factor`` * x + constant, which is ``negative`` that of the file."""
    if _per_channel(constant):
        return _scaled(reader, op, x, factor, constant[:, 0, 0])
    if factor != 1:
        raise Refused("a map less from a constant for each pixel: add its negative instead")
    return reader.emit(op, FloatAdd, x, _constant(reader, op, constant, negative))


def _constant(reader: Reader, op: Operator, value: Tensor, negative: bool = False) -> str:
    """A constant map, on the grid that the file has for it."""
    name = reader.emit(op, FloatConstant, INPUT, part="constant", value=value)
    index = next(index for index in (0, 1) if not reader.is_map(op, index))
    grid = reader.grid(op, index)
    if negative and grid is not None:
        grid = _negative(grid)
    return reader.quantise(op, name, grid, part="constant")


def _negative(grid: Scale) -> Scale:
    """The grid of exactly the negative values."""
    return grid[0], -1 - grid[1]


def _scaled(
    reader: Reader,
    op: Operator,
    x: str,
    factor: float | Tensor,
    offset: float | Tensor,
    part: str = "",
) -> str:
    """x * factor + offset, each a number or float64 [C]."""
    channels = reader.shapes[x][0]
    both = [torch.as_tensor(value, dtype=torch.float64) for value in (factor, offset)]
    factor, offset = (value.expand(channels).clone() for value in both)
    return reader.emit(op, FloatScale, x, part=part, factor=factor, offset=offset)


def _map_first(reader: Reader, op: Operator, a: str, b: str) -> tuple[str, str]:
    """A map before a value for each channel of it; of one channel, that for each."""
    a, b = _spread(reader, op, a, b), _spread(reader, op, b, a)
    return (b, a) if reader.shapes[a][1:] == (1, 1) else (a, b)


def _spread(reader: Reader, op: Operator, x: str, other: str) -> str:
    channels, wanted = reader.shapes[x][0], reader.shapes[other][0]
    if channels != 1 or wanted == 1:
        return x
    weight, bias = torch.ones(wanted, 1, 1, 1), torch.zeros(wanted)
    return reader.emit(op, FloatConv, x, part="spread", weight=weight, bias=bias)


def _concatenation(reader: Reader, op: Operator) -> str:
    inputs = [reader.any_tensor(op, index) for index in range(len(op.inputs))]
    ranks = {len(reader.tensor(op, index).shape) for index in range(len(op.inputs))}
    flat = ranks == {2} and all(reader.shapes[x][1:] == (1, 1) for x in inputs)
    (rank,) = ranks if len(ranks) == 1 else (0,)
    if not (rank == 4 or flat) or op.options["Axis"] % rank != rank - 1:
        raise Refused("only channels can be concatenated")
    return _activated(reader, op, reader.emit(op, FloatConcat, *inputs))


# -- pools ---------------------------------------------------------------------------------------


def _max_pool(reader: Reader, op: Operator) -> str:
    x, kernel, stride, padding = _windows(reader, op)
    result = reader.emit(op, FloatMaxPool, x, kernel=kernel, stride=stride, padding=padding)
    return _activated(reader, op, result)


def _windows(
    reader: Reader, op: Operator
) -> tuple[str, tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """The map, and kernel, stride and padding of a pool over it."""
    x = reader.feature_map(op)
    kernel, stride = _pair(op, "FilterHeight", "FilterWidth"), _pair(op, "StrideH", "StrideW")
    return x, kernel, stride, _padding(reader, op, x, kernel, stride)


def _average_pool(reader: Reader, op: Operator) -> str:
    """Pixels of the padding do not count: where there are such, a mean with zeros, and a product
    with a constant map that makes up for them."""
    x, kernel, stride, padding = _windows(reader, op)
    if not any(padding):
        result = reader.emit(op, FloatAvgPool, x, kernel=kernel, stride=stride)
        return _activated(reader, op, result)
    grid = reader.grid(op, 0)
    padded = reader.emit(op, FloatPad, x, part="pad", padding=padding)
    mean = reader.emit(op, FloatAvgPool, padded, part="mean", kernel=kernel, stride=stride)
    mean = reader.quantise(op, mean, grid, part="mean")
    top, bottom, left, right = padding
    channels, height, width = reader.shapes[x]
    ones = functional.pad(torch.ones(1, 1, height, width), (left, right, top, bottom))
    pixels = functional.avg_pool2d(ones.double(), kernel, stride, divisor_override=1)[0]
    area = kernel[0] * kernel[1]
    factor = (area / pixels).expand(channels, -1, -1).contiguous()
    constant = reader.emit(op, FloatConstant, INPUT, part="constant", value=factor)
    if grid is not None:
        constant = reader.quantise(op, constant, _exact_grid(pixels, area), part="constant")
    return _activated(reader, op, reader.emit(op, FloatMultiply, mean, constant))


def _exact_grid(pixels: Tensor, area: int) -> tuple[float, int]:
    """The grid of area / pixels: one that holds them exactly, if there is one."""
    counts = [int(count) for count in pixels.unique()]
    common = math.lcm(*counts)
    highest = area * common // min(counts)
    divisor = math.gcd(*(area * common // count for count in counts))
    steps = highest // divisor
    return (area / min(counts) / (255 if steps > 255 else steps * (255 // steps)), -128)


def _mean(reader: Reader, op: Operator) -> str:
    """Of the whole map, of its rows or its columns."""
    x = reader.feature_map(op)
    axes = sorted({axis % 4 for axis in reader.numbers(op, 1)})
    if axes == [1, 2]:
        return reader.emit(op, FloatGlobalAvgPool, x)
    if axes not in ([1], [2]):
        raise Refused(f"dimensions {axes}: only height, width, or both")
    _, height, width = reader.shapes[x]
    kernel = (height, 1) if axes == [1] else (1, width)
    return reader.emit(op, FloatAvgPool, x, kernel=kernel, stride=kernel)


# -- views, slices and padding -------------------------------------------------------------------


def _same(reader: Reader, op: Operator) -> str:
    """Its first operand: what differs is its shape or its scale in the file."""
    return reader.any_tensor(op)


def _pad(reader: Reader, op: Operator) -> str:
    x, amounts = reader.feature_map(op), reader.numbers(op, 1)
    images, rows, columns, channels = (amounts[i : i + 2] for i in range(0, 8, 2))
    if len(amounts) != 8 or any(images) or min(amounts) < 0:
        raise Refused(f"amounts {amounts}: height, width and channels can be padded")
    grid, value = reader.grid(op, 0), 0.0
    if op.kind == "PADV2":
        value = float(reader.constant(op, 2).reshape(-1)[0])
        # Below the lowest that there is, nothing is: a max pool then does not count it.
        lowest = torch.finfo(torch.float32).min if grid is None else grid[0] * (-128 - grid[1])
        value = -math.inf if value and value <= lowest else value
    part = "shortcut" if any(channels) else ""
    padding, added = (*rows, *columns), tuple(channels)
    result = reader.emit(op, FloatPad, x, part=part, padding=padding, channels=added, value=value)
    if grid is not None and value == -math.inf:
        reader.grids[result] = grid
    return result


def _strided_slice(reader: Reader, op: Operator) -> str:
    masks = ("EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset")
    if any(op.options[mask] for mask in masks):
        raise Refused("only [first:last:step] of each dimension is supported")
    starts, ends, steps = (reader.numbers(op, index) for index in (1, 2, 3))
    ranges = [
        slice(
            None if op.options["BeginMask"] >> axis & 1 else starts[axis],
            None if op.options["EndMask"] >> axis & 1 else ends[axis],
            steps[axis],
        )
        for axis in range(4)
    ]
    if min(steps) < 1 or not len(starts) == len(ends) == len(steps) == 4:
        raise Refused(f"steps {steps}: positive ones of four dimensions are supported")
    return _sliced(reader, op, reader.feature_map(op), ranges)


def _slice(reader: Reader, op: Operator) -> str:
    starts, sizes = reader.numbers(op, 1), reader.numbers(op, 2)
    ranges = [
        slice(start, None if size == -1 else start + size)
        for start, size in zip(starts, sizes, strict=True)
    ]
    if len(starts) != 4 or min(starts) < 0 or min(sizes) < -1:
        raise Refused(f"from {starts}, sizes {sizes}: those of four dimensions are supported")
    return _sliced(reader, op, reader.feature_map(op), ranges)


def _sliced(reader: Reader, op: Operator, x: str, ranges: list[slice], part: str = "") -> str:
    """Of each dimension of [1, H, W, C] its range."""
    for dimension, wanted in zip(DIMENSIONS, ranges, strict=True):
        size = (1, *reader.shapes[x])[dimension]
        start, end, step = wanted.indices(size)
        if (start, end, step) == (0, size, 1):
            continue
        if dimension == 0:
            raise Refused("a slice of the batch is not supported")
        fields = {"dim": dimension, "start": start, "end": end, "step": step}
        x = reader.emit(op, FloatSlice, x, part=part, **fields)
    return x


def _split(reader: Reader, op: Operator) -> list[str]:
    """Axis, map."""
    x, axis = reader.feature_map(op, 1), reader.numbers(op, 0)[0] % 4
    size = (1, *reader.shapes[x])[DIMENSIONS[axis]]
    if size % len(op.outputs):
        raise Refused(f"{size} values into {len(op.outputs)} equal parts")
    return _parts(reader, op, x, axis, [size // len(op.outputs)] * len(op.outputs))


def _split_v(reader: Reader, op: Operator) -> list[str]:
    """Map, sizes, axis."""
    x, sizes, axis = reader.feature_map(op), reader.numbers(op, 1), reader.numbers(op, 2)[0] % 4
    if sizes.count(-1) == 1:
        size = (1, *reader.shapes[x])[DIMENSIONS[axis]]
        sizes[sizes.index(-1)] = size - sum(sizes) - 1
    return _parts(reader, op, x, axis, sizes)


def _parts(reader: Reader, op: Operator, x: str, axis: int, sizes: list[int]) -> list[str]:
    parts, start = [], 0
    for number, size in enumerate(sizes):
        ranges = [slice(None)] * 4
        ranges[axis] = slice(start, start + size)
        parts.append(_sliced(reader, op, x, ranges, part=f"part{number}"))
        start += size
    return parts


def _resize(reader: Reader, op: Operator) -> str:
    x, sizes = reader.feature_map(op), reader.numbers(op, 1)
    if op.options["AlignCorners"]:
        raise Refused("with aligned corners, which are no whole factors")
    old = reader.shapes[x][1:]
    factors = [divmod(new, size) for new, size in zip(sizes, old, strict=True)]
    if any(left or factor < 1 for factor, left in factors):
        raise Refused(f"{list(old)} to {sizes} pixels: only whole factors are supported")
    rows, columns = (factor for factor, _ in factors)
    if (rows, columns) == (1, 1):
        return x
    return reader.emit(op, FloatUpsample, x, factor=(rows, columns))


_READERS: dict[str, Callable[[Reader, Operator], str | list[str]]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _linear,
    "RELU": _bounded(*BOUNDS[1]),
    "RELU_N1_TO_1": _bounded(*BOUNDS[2]),
    "RELU6": _bounded(*BOUNDS[3]),
    "LOGISTIC": _function(torch.sigmoid, "sigmoid"),
    "TANH": _function(torch.tanh, "tanh"),
    "HARD_SWISH": _function(functional.hardswish, "hardswish"),
    "ELU": _function(functional.elu, "elu"),
    "LEAKY_RELU": _leaky_relu,
    "PRELU": _prelu,
    "ADD": _add,
    "SUB": _sub,
    "MUL": _mul,
    "CONCATENATION": _concatenation,
    "MAX_POOL_2D": _max_pool,
    "AVERAGE_POOL_2D": _average_pool,
    "MEAN": _mean,
    "RESHAPE": _same,
    "SQUEEZE": _same,
    "EXPAND_DIMS": _same,
    "QUANTIZE": _same,
    "DEQUANTIZE": _same,
    "PAD": _pad,
    "PADV2": _pad,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
}
