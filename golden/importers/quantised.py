"""PyTorch networks that `convert_pt2e` (torchao) has quantised: their scales, as they stand there.

The operators are called by name: they are PyTorch's only once torchao, or a file that holds them,
has been loaded.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from resarray.golden.ops import FloatActivation, FloatQuantise
from resarray.spec.numerics import INT8_MAX, INT8_MIN

from .reader import Reader
from .refused import Refused

_NAMESPACE = "quantized_decomposed."
QUANTISE = (f"{_NAMESPACE}quantize_per_tensor.default", f"{_NAMESPACE}quantize_per_tensor.tensor")
DEQUANTISE = (
    f"{_NAMESPACE}dequantize_per_tensor.default",
    f"{_NAMESPACE}dequantize_per_tensor.tensor",
)
PER_CHANNEL = f"{_NAMESPACE}dequantize_per_channel.default"


def quantise(reader: Reader, node: Node) -> str:
    """A map rounded to int8 or uint8, of all its values or of a part of them."""
    args: Any = node.args
    _, scale, zero_point, lowest, highest, dtype = args
    if dtype not in (torch.int8, torch.uint8):
        raise Refused(f"{_text(dtype)} values: int8 and uint8 are supported")
    scale, zero_point = _number(reader, scale), int(_number(reader, zero_point))
    offset = 128 if dtype == torch.uint8 else 0
    zero_point, lowest, highest = zero_point - offset, lowest - offset, highest - offset
    x = reader.any_tensor(node)
    why = FloatQuantise(node.name, (x,), node.name, scale, zero_point).refusal()
    if why is not None:
        raise Refused(why)
    if (lowest, highest) != (INT8_MIN, INT8_MAX):
        lo, hi = (scale * (bound - zero_point) for bound in (lowest, highest))
        output = f"{node.name}.range"
        x = reader.emit(node, FloatActivation, x, part="range", output=output, lo=lo, hi=hi)
    return reader.emit(node, FloatQuantise, x, part="quantise", scale=scale, zero_point=zero_point)


def dequantise(reader: Reader, node: Node) -> str:
    """What was rounded already: `quantise` gives real numbers."""
    (read,) = node.all_input_nodes[:1]
    if str(read.target) not in QUANTISE or read.args[1:5] != node.args[1:5]:
        raise Refused("it must read what is quantised with the same scale and zero point")
    return reader.any_tensor(node)


def weight_scale(reader: Reader, argument: Any) -> Tensor | None:
    """float64 [Cout]: the scales of a weight [Cout, ...] that is quantised already; None: it is
    not."""
    target = str(argument.target) if isinstance(argument, Node) else ""
    if target != PER_CHANNEL and target not in DEQUANTISE:
        return None
    args: Any = argument.args
    stored, scale, zero_point = (_tensor(reader, each) for each in args[:3])
    if stored.dtype != torch.int8:
        raise Refused(f"its weights are {_text(stored.dtype)}: int8 ones are supported")
    if zero_point is not None and zero_point.any():
        raise Refused("its weights have zero points: symmetric ones, without, are supported")
    if target == PER_CHANNEL and args[3] != 0:
        raise Refused(f"its weights have scales along axis {args[3]}: axis 0 is supported")
    scale = scale.double().flatten()
    if not (torch.isfinite(scale).all() and (scale > 0).all()):
        raise Refused("its weights have a scale that is not positive")
    return scale.expand(len(stored)).clone()


def _tensor(reader: Reader, value: Any) -> Tensor:
    if isinstance(value, Node):
        found = reader.values.get(value)
        if not isinstance(found, Tensor):
            raise Refused("its scales must be parameters or buffers of the model")
        return found
    return torch.tensor(value)


def _number(reader: Reader, value: Any) -> float:
    found = _tensor(reader, value)
    if found.numel() != 1:
        raise Refused(f"{found.numel()} scales or zero points: one for the tensor is supported")
    number = found.item()
    if not math.isfinite(number):
        raise Refused(f"its scale or zero point is {number}")
    return number


def _text(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
