"""Batch norm with running statistics, of maps and of vectors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from .base import FloatOp, Shape


@dataclass(frozen=True, eq=False)
class FloatBatchNorm(FloatOp):
    """(x - mean) * factor + beta, each float [C]; ``gamma`` and ``beta`` None: 1 and 0."""

    mean: Tensor
    variance: Tensor
    gamma: Tensor | None
    beta: Tensor | None
    eps: float

    @property
    def factor(self) -> Tensor:
        """gamma / sqrt(variance + eps), float64 [C]."""
        factor = (self.variance.double() + self.eps).rsqrt()
        return factor if self.gamma is None else factor * self.gamma

    def compute(self, *inputs: Tensor) -> Tensor:
        return functional.batch_norm(
            inputs[0], self.mean, self.variance, self.gamma, self.beta, False, 0.0, self.eps
        )

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]
