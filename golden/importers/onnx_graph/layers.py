"""Convolutions, fully connected layers and batch norms."""

import math
from typing import Any

import numpy as np
import torch

from resarray.golden.ops import FloatBatchNorm, FloatConv, FloatLinear

from ..refused import Refused
from .arithmetic import affine
from .quantised import weight_scale
from .reader import Reader
from .values import Constant, Map, Node, Value, finite
from .windows import pair, windows


def _weight(node: Node, index: int) -> Constant:
    value = node.input(index)
    if not isinstance(value, Constant):
        raise Refused("its weights must be constants in the file")
    return value


def _floats(value: np.ndarray, what: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(finite(value, what), np.float32))


def conv(reader: Reader, node: Node) -> Value:
    x, weight = reader.feature_map(node), _weight(node, 1)
    shape = weight.value.shape
    if len(shape) != 4:
        raise Refused(f"weights {list(shape)}: only a 2-D convolution is supported")
    groups = int(node.attribute("group", 1))
    channels = reader.shapes[x.name][0]
    if groups < 1 or channels != shape[1] * groups or shape[0] % groups:
        raise Refused(
            f"weights {list(shape)} in {groups} groups do not fit a map of {channels} channels"
        )
    if list(node.attribute("kernel_shape", shape[2:])) != list(shape[2:]):
        raise Refused(f"its kernel_shape is not that of its weights {list(shape)}")
    found = windows(node, reader.shapes[x.name][1:], pair(shape[2:], "kernel_shape"))
    made = reader.emit(
        node,
        FloatConv,
        x.name,
        weight=_floats(weight.value, "its weight"),
        bias=_bias(node, 2, len(weight.value)),
        stride=found.stride,
        padding=found.padding,
        dilation=found.dilation,
        groups=groups,
        weight_scale=weight_scale(weight, 0),
    )
    return reader.result(made)


def _bias(node: Node, index: int, outputs: int, factor: float = 1.0) -> torch.Tensor:
    """float [outputs]."""
    if node.input(index) is None:
        return torch.zeros(outputs)
    value = node.constant(index, "bias")
    if value.size not in (1, outputs) or value.shape[-1:] not in ((), (1,), (outputs,)):
        raise Refused(f"a bias {list(value.shape)} does not fit {outputs} outputs")
    return _floats(np.broadcast_to(value.flatten() * factor, outputs), "its bias")


def gemm(reader: Reader, node: Node) -> Value:
    if node.attribute("transA", 0):
        raise Refused("transA: its first input must be [N, values]")
    weight = _weight(node, 1)
    axis = 0 if node.attribute("transB", 0) else 1
    bias = float(node.attribute("beta", 1.0))
    return _linear(reader, node, weight, axis, float(node.attribute("alpha", 1.0)), bias)


def matmul(reader: Reader, node: Node) -> Value:
    return _linear(reader, node, _weight(node, 1), 1)


def _linear(
    reader: Reader, node: Node, weight: Constant, axis: int, alpha: float = 1.0, beta: float = 1.0
) -> Value:
    """``axis``: of the weight's, that of the outputs."""
    x = node.map()
    if weight.value.ndim != 2 or len(x.dims) != 2:
        raise Refused("only a linear layer on a flattened feature map [N, values] is supported")
    scale = weight_scale(weight, axis)
    value = weight.value if axis == 0 else weight.value.T
    values = math.prod(reader.shapes[x.name])
    if value.shape[1] != values:
        raise Refused(f"weights of {value.shape[1]} inputs do not fit a vector of {values} values")
    if scale is not None and alpha <= 0:
        raise Refused(f"alpha {alpha:g} of quantised weights: a positive number is supported")
    made = reader.emit(
        node,
        FloatLinear,
        x.name,
        weight=_floats(value.astype(np.float32) * np.float32(alpha), "its weight"),
        bias=_bias(node, 2, len(value), beta),
        weight_scale=None if scale is None else scale * alpha,
    )
    return Map(made, (1, len(value)))


def batch_norm(reader: Reader, node: Node) -> Value:
    if node.attribute("training_mode", 0) or not node.attribute("spatial", 1):
        raise Refused("a batch norm needs statistics for each channel, in evaluation mode")
    x = node.map()
    gamma, beta, mean, variance = (finite(node.constant(i), "its weight") for i in range(1, 5))
    eps = float(node.attribute("epsilon", 1e-5))
    channels = x.dims[1] if len(x.dims) > 1 else 0
    if any(each.shape != (channels,) for each in (gamma, beta, mean, variance)):
        raise Refused(f"its weights must be {channels} values each")
    if not (variance + eps > 0).all():
        raise Refused("its variance must be positive")
    if x.dims[1] == reader.shapes[x.name][0]:
        fields: dict[str, Any] = {
            "gamma": _floats(gamma, "its weight"),
            "beta": _floats(beta, "its weight"),
            "mean": _floats(mean, "its weight"),
            "variance": _floats(variance, "its weight"),
        }
        return Map(reader.emit(node, FloatBatchNorm, x.name, eps=eps, **fields), x.dims)
    # Of a flattened map each value has its own factor and offset.
    factor = gamma / np.sqrt(variance + eps)
    shape = (-1, *[1] * (len(x.dims) - 2))
    offset = beta - mean * factor
    return affine(reader, node, x, factor.reshape(shape), offset.reshape(shape))
