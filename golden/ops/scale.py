"""What is done to each channel by itself: a factor and an offset, as a batch norm with running
statistics does."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from .base import FloatOp, Shape


@dataclass(frozen=True, eq=False)
class FloatAffine(FloatOp):
    """x * factor + offset, each float64 [C]."""

    @property
    @abstractmethod
    def factors(self) -> tuple[Tensor, Tensor]:
        """factor and offset."""

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


@dataclass(frozen=True, eq=False)
class FloatScale(FloatAffine):
    """x * factor + offset."""

    factor: Tensor
    offset: Tensor

    @property
    def factors(self) -> tuple[Tensor, Tensor]:
        return self.factor, self.offset

    def compute(self, *inputs: Tensor) -> Tensor:
        factor, offset = (value.float().view(1, -1, 1, 1) for value in self.factors)
        return inputs[0] * factor + offset


@dataclass(frozen=True, eq=False)
class FloatBatchNorm(FloatAffine):
    """(x - mean) * gamma / sqrt(variance + eps) + beta, each float [C]; ``gamma`` and ``beta``
    None: 1 and 0."""

    mean: Tensor
    variance: Tensor
    gamma: Tensor | None
    beta: Tensor | None
    eps: float

    @property
    def factors(self) -> tuple[Tensor, Tensor]:
        factor = (self.variance.double() + self.eps).rsqrt()
        factor = factor if self.gamma is None else factor * self.gamma
        offset = -self.mean.double() * factor
        return factor, offset if self.beta is None else offset + self.beta

    def compute(self, *inputs: Tensor) -> Tensor:
        return functional.batch_norm(
            inputs[0], self.mean, self.variance, self.gamma, self.beta, False, 0.0, self.eps
        )
