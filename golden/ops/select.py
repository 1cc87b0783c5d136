"""Slices and padding: what selects pixels and channels. A chain of them is a convolution, as in a
shortcut that takes every second pixel and adds channels of zeros."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional

from .base import FloatOp, Operand, QOp, QTensor, Shape


@dataclass(frozen=True, eq=False)
class FloatSlice(FloatOp):
    """[start:end:step] of dimension ``dim`` of [N][C][H][W], as Python means it; None: from the
    first, to the last."""

    dim: int
    start: int | None
    end: int | None
    step: int

    @property
    def range(self) -> slice:
        return slice(self.start, self.end, self.step)

    @property
    def of_channels(self) -> bool:
        """Whether it takes channels that lie side by side."""
        return self.dim == 1 and self.step == 1

    @property
    def keeps_scale(self) -> bool:
        return True

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[0][(slice(None),) * self.dim + (self.range,)]

    def shape(self, *shapes: Shape) -> Shape:
        sizes = [1, *shapes[0]]
        sizes[self.dim] = len(range(sizes[self.dim])[self.range])
        return sizes[1], sizes[2], sizes[3]

    def refusal(self, *operands: Operand) -> str | None:
        if self.of_channels:
            return None
        size = (1, *operands[0].shape)[self.dim]
        if self.dim and not range(size)[self.range]:
            return None  # It is refused as an empty map.
        end = "" if self.end is None or (self.dim and self.end >= size) else self.end
        what = f"slice [{self.start or 0}:{end}:{self.step}] of dimension {self.dim}"
        if not self.dim:
            return f"{what}: it takes images out of the batch; give it single images"
        return f"{what}: of height and width, at most every 16th pixel can be taken"

    def quantise(self, y: QTensor, *inputs: QTensor) -> QOp:
        (x,) = inputs
        return QSlice(self.name, x.name, y.name, range(x.shape[0])[self.range].start)


@dataclass(frozen=True, eq=False)
class FloatPad(FloatOp):
    """``value`` around a map: ``padding`` (top, bottom, left, right) pixels, and so many
    ``channels`` (before, after) it; negative numbers cut off."""

    padding: tuple[int, int, int, int]
    channels: tuple[int, int] = (0, 0)
    value: float = 0.0

    def compute(self, *inputs: Tensor) -> Tensor:
        top, bottom, left, right = self.padding
        amounts = (left, right, top, bottom, *self.channels)
        return functional.pad(inputs[0], amounts, value=self.value)

    def shape(self, *shapes: Shape) -> Shape:
        channels, height, width = shapes[0]
        top, bottom, left, right = self.padding
        return channels + sum(self.channels), height + top + bottom, width + left + right

    def refusal(self, *operands: Operand) -> str | None:
        where = ", or minus infinity in front of a max pool, less than its kernel"
        return f"padding with {self.value}: zeros are supported{where}"


@dataclass(frozen=True)
class QSlice(QOp):
    """Channels ``first`` to first + C of the input, all rows and columns, for an output of C
    channels. Scale and zero point are its input's."""

    name: str
    input: str
    output: str
    first: int
    op: str = "slice"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        return inputs[0][self.first : self.first + tensors[self.output].shape[0]]

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        return inputs[0][:, self.first : self.first + tensors[self.output].shape[0]]
