"""What the names in an ONNX graph stand for, and a node as its reader sees it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from ..refused import Refused

# Of a constant, and of a map of one image.
MAX_VALUES = 1 << 26
# Of all constants together that nodes make of others.
MAX_MADE = 1 << 28
MAX_CHANNELS = 1 << 16
MAX_SIDE = 1023


@dataclass(frozen=True, eq=False)
class Grid:
    """The numbers that something quantised can hold: scale * (q - zero_point), float64 and int64 []
    or [values along ``axis``]; ``kind`` is the type of q."""

    scale: np.ndarray
    zero_point: np.ndarray
    kind: np.dtype
    axis: int = 0

    def same(self, other: "Grid") -> bool:
        """Whether both are of a tensor and hold the same numbers."""
        return (self.scale, self.zero_point, self.kind) == (
            other.scale,
            other.zero_point,
            other.kind,
        )


@dataclass(frozen=True, eq=False)
class Map:
    """A tensor that the network computes: ``name`` in the float graph, where it is [C][H][W];
    ``dims`` are as the file has it for one image, [1, ...]. ``grid``: of integers, which
    QuantizeLinear made."""

    name: str
    dims: tuple[int, ...]
    grid: Grid | None = None


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant; ``grid``: it was dequantised from that."""

    value: np.ndarray
    grid: Grid | None = None


# What a name stands for; None: an input or output that is left out.
Value = Map | Constant | None


@dataclass(frozen=True, eq=False)
class Node:
    """A node, its name fit for a message, the values that it reads, and its number in the graph."""

    proto: onnx.NodeProto
    name: str
    inputs: list[Value]
    index: int

    @property
    def op(self) -> str:
        return self.proto.op_type

    @cached_property
    def attributes(self) -> dict[str, Any]:
        return {a.name: onnx.helper.get_attribute_value(a) for a in self.proto.attribute}

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, text as such."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def input(self, index: int) -> Value:
        return self.inputs[index] if index < len(self.inputs) else None

    def map(self, index: int = 0) -> Map:
        """Input ``index``, which the network computes, as real numbers."""
        value = self.input(index)
        if not isinstance(value, Map):
            raise Refused(f"its input {index} must be a feature map of the network")
        if value.grid is not None:
            raise Refused(f"its input {index} is integers: put DequantizeLinear in front of it")
        return value

    def constant(self, index: int, what: str = "") -> np.ndarray:
        """Input ``index``, which must be a constant."""
        value = self.input(index)
        if not isinstance(value, Constant):
            raise Refused(f"its {what or f'input {index}'} must be a constant in the file")
        return value.value

    def numbers(self, index: int, name: str) -> list[int] | None:
        """Integers that are input ``index`` or, in older files, attribute ``name``; None: neither
        is there."""
        if self.input(index) is not None:
            return [int(number) for number in self.constant(index, name).flatten()]
        found = self.attribute(name)
        return None if found is None else [int(number) for number in found]

    def number(self, index: int, name: str, default: float | None = None) -> float | None:
        """A number that is input ``index`` or, in older files, attribute ``name``."""
        if self.input(index) is None:
            return self.attribute(name, default)
        value = self.constant(index, name)
        if value.size != 1:
            raise Refused(f"its {name} must be one number")
        return float(value.reshape(()))


def finite(value: np.ndarray, what: str = "a constant") -> np.ndarray:
    """``value`` as float64, which must be finite."""
    if not np.issubdtype(value.dtype, np.number) and not _is_small_float(value.dtype):
        raise Refused(f"{what} is of type {value.dtype}: numbers are needed")
    result = value.astype(np.float64)
    if not np.isfinite(result).all():
        raise Refused(f"{what} is not finite")
    return result


def _is_small_float(kind: np.dtype) -> bool:
    return "float" in kind.name
