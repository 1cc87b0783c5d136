"""Slices and padding: a shortcut without weights takes every second pixel and adds channels of
zeros. Together they are a convolution that selects."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from .base import FloatOp, Operand, Shape

ONLY_CHANNELS = (
    "padding of height and width by itself is not supported: give it to the convolution behind it "
    "(only channels may be padded so)"
)


@dataclass(frozen=True, eq=False)
class FloatSlice(FloatOp):
    """[start:end:step] of dimension ``dim`` of [N][C][H][W], as Python means it; None: from the
    first, to the last."""

    dim: int
    start: int | None
    end: int | None
    step: int

    @property
    def _slice(self) -> slice:
        return slice(self.start, self.end, self.step)

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[0][(slice(None),) * self.dim + (self._slice,)]

    def shape(self, *shapes: Shape) -> Shape:
        sizes = [1, *shapes[0]]
        sizes[self.dim] = len(range(sizes[self.dim])[self._slice])
        return sizes[1], sizes[2], sizes[3]

    def every_second(self, shape: Shape) -> bool:
        """Whether it is [::2] of the height or width of a map of ``shape``."""
        whole = self.dim >= 2 and (self.end is None or self.end >= shape[self.dim - 1])
        return whole and not self.start and self.step == 2

    def refusal(self, *operands: Operand) -> str | None:
        return (
            f"slice [{self.start}:{self.end}:{self.step}] of dimension {self.dim}: only [::2] of "
            "height or width"
        )


@dataclass(frozen=True, eq=False)
class FloatPad(FloatOp):
    """Zeros around a map: ``padding`` (top, bottom, left, right) pixels, and so many ``channels``
    (before, after) it; negative numbers cut off."""

    padding: tuple[int, int, int, int]
    channels: tuple[int, int]

    def compute(self, *inputs: Tensor) -> Tensor:
        top, bottom, left, right = self.padding
        return functional.pad(inputs[0], (left, right, top, bottom, *self.channels))

    def shape(self, *shapes: Shape) -> Shape:
        channels, height, width = shapes[0]
        top, bottom, left, right = self.padding
        return channels + sum(self.channels), height + top + bottom, width + left + right

    def refusal(self, *operands: Operand) -> str | None:
        return ONLY_CHANNELS if any(self.padding) else "negative padding is not supported"
