"""PyTorch's operators, each by a small function that makes one operator of the float graph of it.

A function returns what the node stands for: the name of the tensor that it made, that of its
argument where it changes nothing, or None.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatBatchNorm,
    FloatConv,
    FloatGlobalAvgPool,
    FloatLinear,
    FloatMaxPool,
    FloatPad,
    FloatSlice,
)
from resarray.golden.ops.base import by
from resarray.golden.ops.select import ONLY_CHANNELS

from .reader import Reader, Refused, Value, is_vector

SUPPORTED = (
    "2-D convolution, batch norm, ReLU, ReLU6 and other clamps, addition, max pool of "
    "stride 2, global average pool, flatten and linear, strided slices and zero-padded channels of "
    "a shortcut"
)

aten = torch.ops.aten


def read_node(reader: Reader, node: Node) -> Value:
    """What ``node`` stands for; `Refused` says what it is that cannot be read."""
    target: Any = node.target
    if target in _AT_THE_END and all(user.op == "output" for user in node.users):
        raise Refused("return the logits: what follows them here does not change the class")
    if "autocast" in str(target):
        raise Refused("remove torch.autocast from forward(): it is made integers")
    if target not in _READERS:
        raise Refused(f"not supported; supported are: {SUPPORTED}")
    if str(target).split(".")[1].endswith("_") and reader.is_slice(node.args[0]):
        raise Refused("it changes a slice of another tensor in place: let it return a new one")
    try:
        return _READERS[target](reader, node)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # With operands of another kind than a network of feature maps has.
        raise Refused("its arguments are not supported in this form") from error


# -- layers with weights -------------------------------------------------------------------------


def _conv(reader: Reader, node: Node) -> str:
    _, weight, bias, stride, padding, dilation, groups = _arguments(
        node, (None, None, None, [1, 1], [0, 0], [1, 1], 1)
    )
    weight = reader.constant(weight)
    return reader.emit(
        node,
        FloatConv,
        reader.feature_map(node),
        weight=weight,
        bias=torch.zeros(len(weight)) if bias is None else reader.constant(bias),
        stride=_pair(stride),
        padding=_padding(padding, weight.shape[2:]),
        dilation=_pair(dilation),
        groups=groups,
    )


def _padding(value: object, kernel: torch.Size) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a convolution's padding: numbers, "same" or "valid"."""
    if value == "valid":
        return (0, 0, 0, 0)
    if value == "same":
        (kh, kw) = kernel
        return ((kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2)
    top, left = _pair(value)
    return (top, top, left, left)


def _linear(reader: Reader, node: Node) -> str:
    x, weight, bias = _arguments(node, (None, None, None))
    if not isinstance(reader.values.get(x), str) or not is_vector(x):
        raise Refused("only a linear layer on a flattened feature map is supported")
    weight = reader.constant(weight)
    bias = torch.zeros(len(weight)) if bias is None else reader.constant(bias)
    return reader.emit(node, FloatLinear, reader.any_tensor(node), weight=weight, bias=bias)


def _batch_norm(reader: Reader, node: Node) -> str:
    args: Any = node.args
    _, gamma, beta, mean, variance, training, _, eps, *_ = args
    if training or mean is None:
        raise Refused("a batch norm needs running statistics, in evaluation mode")
    x = reader.any_tensor(node)
    if reader.shapes[x][1:] != (1, 1):
        x = reader.feature_map(node)
    return reader.emit(
        node,
        FloatBatchNorm,
        x,
        mean=reader.constant(mean),
        variance=reader.constant(variance),
        gamma=None if gamma is None else reader.constant(gamma),
        beta=None if beta is None else reader.constant(beta),
        eps=eps,
    )


# -- activations, additions and pools ------------------------------------------------------------


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
    b = node.args[1]
    if b == 0:  # with which Python's sum() begins
        return _same(reader, node)
    if node.kwargs.get("alpha", 1) != 1 or not isinstance(b, Node):
        raise Refused("only the plain sum of two feature maps is supported")
    inputs = reader.feature_map(node, 0), reader.feature_map(node, 1)
    return reader.emit(node, FloatAdd, *inputs, part="add")


def _max_pool(reader: Reader, node: Node) -> str:
    _, kernel, stride, padding, dilation, ceil = _arguments(
        node, (None, None, [], [0, 0], [1, 1], False)
    )
    return reader.emit(
        node,
        FloatMaxPool,
        reader.feature_map(node),
        kernel=_pair(kernel),
        stride=_pair(stride or kernel),
        padding=_pair(padding),
        dilation=_pair(dilation),
        ceil=bool(ceil),
    )


def _adaptive_avg_pool(reader: Reader, node: Node) -> str:
    if _pair(node.args[1]) != (1, 1):
        raise Refused(f"output {node.args[1]}: only 1x1 (global) is supported")
    return _global_avg_pool(reader, node)


def _avg_pool(reader: Reader, node: Node) -> str:
    _, kernel, _, padding, _, _, divisor = _arguments(
        node, (None, None, [], [0, 0], False, True, None)
    )
    whole = reader.shapes[reader.feature_map(node)][1:]
    if _pair(kernel) != whole:
        raise Refused(f"kernel {by(_pair(kernel))}: only the whole map ({by(whole)}) is supported")
    if _pair(padding) != (0, 0):
        raise Refused(f"padding {by(_pair(padding))}: only 0 is supported")
    if divisor is not None:
        raise Refused(f"divisor_override = {divisor} is not supported")
    return _global_avg_pool(reader, node)


def _mean(reader: Reader, node: Node) -> str:
    dims: Any = node.args[1]
    if sorted(d % 4 for d in dims) != [2, 3]:
        raise Refused(f"dimensions {dims}: only height and width together")
    return _global_avg_pool(reader, node)


def _global_avg_pool(reader: Reader, node: Node) -> str:
    return reader.emit(node, FloatGlobalAvgPool, reader.feature_map(node))


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


def _slice(reader: Reader, node: Node) -> Value:
    x, dim, start, end, step = _arguments(node, (None, 0, None, None, 1))
    size = x.meta["val"].shape[dim]
    if not start and (end is None or end >= size) and step == 1:
        return _same(reader, node)
    return reader.emit(
        node,
        FloatSlice,
        reader.feature_map(node),
        part="shortcut",
        dim=dim,
        start=start,
        end=end,
        step=step,
    )


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
        raise Refused(f"padding mode '{mode}': only zeros are supported")
    if constant != 0:
        raise Refused(f"padding with {constant}: only zeros are supported")
    if any(images):
        raise Refused(ONLY_CHANNELS)
    return reader.emit(
        node,
        FloatPad,
        reader.feature_map(node),
        part="shortcut",
        padding=(top, bottom, left, right),
        channels=(before, after),
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
    if not _dtype(node) == _dtype(source) == torch.float32:
        raise Refused(f"not supported; supported are: {SUPPORTED}")
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
_READERS: dict[Any, Callable[[Reader, Node], Value]] = {
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
    aten.max_pool2d.default: _max_pool,
    aten.adaptive_avg_pool2d.default: _adaptive_avg_pool,
    aten.avg_pool2d.default: _avg_pool,
    aten.mean.dim: _mean,
    aten.flatten.using_ints: _reshape,
    aten.view.default: _reshape,
    aten.reshape.default: _reshape,
    aten.squeeze.default: _reshape,
    aten.squeeze.dim: _reshape,
    aten.squeeze.dims: _reshape,
    aten.unsqueeze.default: _reshape,
    aten.slice.Tensor: _slice,
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
