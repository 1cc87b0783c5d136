"""What a front end could not read."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import FloatOp, Operand, Shape


@dataclass(frozen=True, eq=False)
class FloatUnsupported(FloatOp):
    """An operator that nothing can be made of, and ``why``. Its inputs are all that it and what
    follows it in the network read; the graph ends with it. Without an origin: the answer of the
    network as a whole."""

    why: str

    @property
    def place(self) -> str:
        return "" if self.origin is None else super().place

    def compute(self, *inputs: Tensor) -> Tensor:
        raise NotImplementedError(self.why)

    def shape(self, *shapes: Shape) -> Shape:
        return 1, 1, 1

    def refusal(self, *operands: Operand) -> str | None:
        return self.why
