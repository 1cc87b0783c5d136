"""Functions of each value by itself, and bounds."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from resarray.golden.ops import FloatActivation, FloatAdd, FloatFunction

from ..refused import Refused
from .arithmetic import affine
from .reader import Reader
from .values import Constant, Map, Node, Value, finite

Function = Callable[[Tensor], Tensor]


def _gelu(a: dict[str, Any]) -> Function:
    return lambda x: functional.gelu(x, approximate=a["approximate"])


def _hard_sigmoid(a: dict[str, Any]) -> Function:
    return lambda x: (a["alpha"] * x + a["beta"]).clamp(0, 1)


def _celu(a: dict[str, Any]) -> Function:
    return lambda x: x.clamp(min=0) + (a["alpha"] * torch.expm1(x / a["alpha"])).clamp(max=0)


def _selu(a: dict[str, Any]) -> Function:
    return lambda x: a["gamma"] * torch.where(x > 0, x, a["alpha"] * torch.expm1(x))


def _shrink(a: dict[str, Any]) -> Function:
    def apply(x: Tensor) -> Tensor:
        lower = torch.where(x < -a["lambd"], x + a["bias"], torch.zeros_like(x))
        return torch.where(x > a["lambd"], x - a["bias"], lower)

    return apply


# Operator -> its attributes with their defaults, and the function for their values.
_FUNCTIONS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], Function]]] = {
    "Abs": ({}, lambda a: torch.abs),
    "Acos": ({}, lambda a: torch.acos),
    "Acosh": ({}, lambda a: torch.acosh),
    "Asin": ({}, lambda a: torch.asin),
    "Asinh": ({}, lambda a: torch.asinh),
    "Atan": ({}, lambda a: torch.atan),
    "Atanh": ({}, lambda a: torch.atanh),
    "Ceil": ({}, lambda a: torch.ceil),
    "Celu": ({"alpha": 1.0}, _celu),
    "Cos": ({}, lambda a: torch.cos),
    "Cosh": ({}, lambda a: torch.cosh),
    "Elu": (
        {"alpha": 1.0},
        lambda a: lambda x: torch.where(x > 0, x, a["alpha"] * torch.expm1(x)),
    ),
    "Erf": ({}, lambda a: torch.erf),
    "Exp": ({}, lambda a: torch.exp),
    "Floor": ({}, lambda a: torch.floor),
    "Gelu": ({"approximate": "none"}, _gelu),
    "HardSigmoid": ({"alpha": 0.2, "beta": 0.5}, _hard_sigmoid),
    "HardSwish": ({}, lambda a: functional.hardswish),
    "LeakyRelu": (
        {"alpha": 0.01},
        lambda a: lambda x: torch.where(x >= 0, x, a["alpha"] * x),
    ),
    "Log": ({}, lambda a: torch.log),
    "Mish": ({}, lambda a: functional.mish),
    "Reciprocal": ({}, lambda a: torch.reciprocal),
    "Round": ({}, lambda a: torch.round),
    "Selu": ({"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}, _selu),
    "Shrink": ({"bias": 0.0, "lambd": 0.5}, _shrink),
    "Sigmoid": ({}, lambda a: torch.sigmoid),
    "Sign": ({}, lambda a: torch.sign),
    "Sin": ({}, lambda a: torch.sin),
    "Sinh": ({}, lambda a: torch.sinh),
    "Softplus": ({}, lambda a: functional.softplus),
    "Softsign": ({}, lambda a: functional.softsign),
    "Sqrt": ({}, lambda a: torch.sqrt),
    "Swish": ({"alpha": 1.0}, lambda a: lambda x: x * torch.sigmoid(a["alpha"] * x)),
    "Tan": ({}, lambda a: torch.tan),
    "Tanh": ({}, lambda a: torch.tanh),
    "ThresholdedRelu": (
        {"alpha": 1.0},
        lambda a: lambda x: torch.where(x > a["alpha"], x, torch.zeros_like(x)),
    ),
}
FUNCTIONS = tuple(_FUNCTIONS)


def function(reader: Reader, node: Node) -> Value:
    defaults, make = _FUNCTIONS[node.op]
    attributes = {name: node.attribute(name, value) for name, value in defaults.items()}
    for name, value in attributes.items():
        if not isinstance(value, str) and not math.isfinite(value):
            raise Refused(f"its {name} is not finite")
    if attributes.get("approximate", "none") not in ("none", "tanh"):
        raise Refused(f"approximate '{attributes['approximate']}' is not known")
    return applied(reader, node, node.map(), node.op.lower(), make(attributes))


def applied(reader: Reader, node: Node, x: Map, name: str, apply: Function, part: str = "") -> Map:
    """``apply`` of every value."""
    made = reader.emit(node, FloatFunction, x.name, part=part, function=name, apply=apply)
    return Map(made, x.dims)


def power(reader: Reader, node: Node) -> Value:
    """A map to the power of a number, or a number to that of a map."""
    for x, other, apply in (
        (node.input(0), node.input(1), torch.pow),
        (node.input(1), node.input(0), lambda x, base: torch.pow(base, x)),
    ):
        if isinstance(x, Map) and isinstance(other, Constant):
            value = finite(other.value)
            if value.size != 1 or value.ndim > len(x.dims):
                raise Refused("its other input must be one number")
            number = float(value.reshape(()))

            def of_number(x: Tensor, apply: Any = apply, number: float = number) -> Tensor:
                return apply(x, number)

            node.map(0 if x is node.input(0) else 1)
            return applied(reader, node, x, "pow", of_number)
    raise Refused("two maps: one of its inputs must be a number")


def prelu(reader: Reader, node: Node) -> Value:
    """max(x, 0) + slope * min(x, 0), with one slope or several."""
    x = node.map()
    slope = finite(node.constant(1, "slope"))
    if np.broadcast_shapes(slope.shape, x.dims) != x.dims:
        raise Refused(f"slopes {list(slope.shape)} of a map {list(x.dims)}")
    if slope.size == 1:
        number = float(slope.reshape(()))

        def apply(x: Tensor) -> Tensor:
            return torch.where(x > 0, x, number * x)

        return applied(reader, node, x, "prelu", apply)
    above, below = (
        reader.emit(node, FloatActivation, x.name, part=part, lo=lo, hi=hi)
        for part, lo, hi in (("above", 0.0, math.inf), ("below", -math.inf, 0.0))
    )
    scaled = affine(reader, node, Map(below, x.dims), slope, np.array(0.0), "scale")
    return Map(reader.emit(node, FloatAdd, above, scaled.name), x.dims)


def relu(reader: Reader, node: Node) -> Value:
    return _bounded(reader, node, node.map(), 0.0, math.inf)


def clip(reader: Reader, node: Node) -> Value:
    lo, hi = node.number(1, "min"), node.number(2, "max")
    return _bounded(
        reader, node, node.map(), -math.inf if lo is None else lo, math.inf if hi is None else hi
    )


def extreme(reader: Reader, node: Node) -> Value:
    """The maximum, or the minimum, of a map and numbers."""
    maps = [value for value in node.inputs if isinstance(value, Map)]
    numbers = [value.value for value in node.inputs if isinstance(value, Constant)]
    if len(maps) != 1 or any(n.size != 1 or n.ndim > len(maps[0].dims) for n in numbers):
        raise Refused("of a map and numbers alone it is supported")
    x = node.map(node.inputs.index(maps[0]))
    bounds = [float(finite(n).reshape(())) for n in numbers]
    if not bounds:
        return x
    if node.op == "Max":
        return _bounded(reader, node, x, max(bounds), math.inf)
    return _bounded(reader, node, x, -math.inf, min(bounds))


def _bounded(reader: Reader, node: Node, x: Map, lo: float, hi: float) -> Map:
    if math.isnan(lo) or math.isnan(hi):
        raise Refused(f"bounds {lo} and {hi}: numbers are needed")
    largest = float(np.finfo(np.float32).max)
    # What is the largest of all floats to its author.
    lo, hi = (math.copysign(math.inf, b) if abs(b) >= largest else b for b in (lo, hi))
    # Where they cross, the upper one is the result.
    return Map(reader.emit(node, FloatActivation, x.name, lo=min(lo, hi), hi=hi), x.dims)
