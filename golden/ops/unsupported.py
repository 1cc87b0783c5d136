"""What a front end could not read."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import FloatOp, Operand, Shape


@dataclass(frozen=True, eq=False)
class FloatUnsupported(FloatOp):
    """An operator that nothing can be made of, and ``why``. Where its ``result`` is None, no map or
    vector, the graph ends with it, but for others of this kind, and its inputs are all that it and
    what follows it in the network read. Without an origin: the answer of the network as a whole."""

    why: str
    result: Shape | None = None

    @property
    def place(self) -> str:
        return "" if self.origin is None else super().place

    def compute(self, *inputs: Tensor) -> Tensor:
        raise NotImplementedError(self.why)

    def shape(self, *shapes: Shape) -> Shape:
        return self.result or (1, 1, 1)

    def refusal(self, *operands: Operand) -> str | None:
        return self.why
