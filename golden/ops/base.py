"""What every operator is: a float record, which passes and the quantiser work on, and an integer
record, which the references compute and the compiler lowers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

Shape = tuple[int, int, int]


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
