"""What every operator is: a float record, which passes and the quantiser work on, and an integer
record, which the references compute and the compiler lowers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

Shape = tuple[int, int, int]
Range = tuple[float, float]


# -- floats ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """Where a front end found an operator, for messages: the node, the path of its module ("" for
    the network itself), the operator as the front end calls it, its line in the user's source
    ("file.py:12"; "" where that is not known), and its number in a file where nodes may share a
    name."""

    node: str
    scope: str
    operator: str
    source: str = ""
    number: int = 0

    def __str__(self) -> str:
        module = f" of module '{self.scope}'" if self.scope else ""
        source = f" ({self.source})" if self.source else ""
        return f"node '{self.node}'{module}{source}, operator {self.operator}"


@dataclass(frozen=True, eq=False)
class Operand:
    """An input as an operator finds it: its [C, H, W], and what makes it (None: the network's
    input)."""

    shape: Shape
    maker: FloatOp | None


@dataclass(frozen=True, eq=False)
class FloatOp(ABC):
    """An operator of the float graph: a layer's name, its operands and its output by name.

    A front end makes one for each of its own; passes remove those that have no integer record.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    origin: Origin | None = field(default=None, kw_only=True)

    @property
    def place(self) -> str:
        """Where it is in the user's network, for messages."""
        return f"layer '{self.name}'" if self.origin is None else str(self.origin)

    @abstractmethod
    def compute(self, *inputs: Tensor) -> Tensor:
        """The output [N][C][H][W] for float inputs [N][C][H][W]."""

    @abstractmethod
    def shape(self, *shapes: Shape) -> Shape:
        """The output's [C, H, W] for those of the inputs."""

    def refusal(self, *operands: Operand) -> str | None:
        """Why it cannot be quantised and run with these inputs: what was given, and what is
        supported. None: it can."""
        return None

    @property
    def keeps_scale(self) -> bool:
        """Whether its inputs and its output have one scale and zero point, as where it only moves
        data."""
        return False

    def min_scale(self, *inputs: QTensor) -> float:
        """The smallest scale of its output for its quantised inputs: with less, a factor would be
        too large."""
        return 0.0

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        """The integer operator that makes ``y`` of its quantised inputs. Only of those that passes
        leave."""
        raise NotImplementedError(f"{type(self).__name__} has no integer operator")


@dataclass(frozen=True, eq=False)
class ClampedOp(FloatOp):
    """An operator that limits its result to [lo, hi] at no cost: an activation behind it fuses."""

    lo: float = field(default=-math.inf, kw_only=True)
    hi: float = field(default=math.inf, kw_only=True)

    @property
    def clamps(self) -> bool:
        return (self.lo, self.hi) != (-math.inf, math.inf)

    def clamp(self, y: Tensor) -> Tensor:
        return y.clamp(self.lo, self.hi) if self.clamps else y


# -- integers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class QTensor:
    """A quantised tensor: shape [C, H, W] of one image; real = scale * (q - zero_point)."""

    name: str
    shape: Shape
    scale: float
    zero_point: int


class QOp(ABC):
    """An operator of the integer graph: frozen, with its operands by name and one output.

    Its arithmetic is defined by `resarray.spec.numerics`. Every field counts in `graph.digest`.
    """

    name: str
    input: str
    output: str
    op: str  # its kind, for reports

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensors it reads, in the order in which `reference` and `fast` take them."""
        return (self.input,)

    @abstractmethod
    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """The output int8 [C][H][W] of one image for its inputs int8 [C][H][W], as the loops that
        define it, in Python's unbounded integers."""

    @abstractmethod
    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        """The same integers for int8 [N][C][H][W], vectorised."""

    def macs(self, tensors: Mapping[str, QTensor]) -> int:
        """Useful multiply-accumulates for one image; 0 for what only pools or adds."""
        return 0


def pooled_size(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """Windows along an axis, as PyTorch counts them; ``padding`` on both sides."""
    last = size + 2 * padding - kernel
    if ceil:
        last = min(last + stride - 1, size + padding - 1)
    return last // stride + 1


def broadcast_refusal(*operands: Operand) -> str | None:
    """Why two operands go not together: the second has the first one's shape, or a value for each
    of its channels."""
    a, b = (operand.shape for operand in operands)
    if b in (a, (a[0], 1, 1)):
        return None
    return (
        f"shapes {list(a)} and {list(b)} differ: they must be equal, or one of them "
        f"{[a[0], 1, 1]}, a value for each channel"
    )


def padding_after(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """Lines of padding at the end of a pooled axis: as many as before it, or more where the last
    window ends outside."""
    last = (pooled_size(size, kernel, stride, padding, ceil) - 1) * stride + kernel
    return max(padding, last - padding - size)


def by(pair: tuple[int, ...]) -> str:
    """Height and width for messages: 3x3."""
    return "x".join(map(str, pair))
