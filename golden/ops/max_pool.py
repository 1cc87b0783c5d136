"""Maximum pool."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .base import QOp, QTensor


@dataclass(frozen=True)
class QMaxPool(QOp):
    """Exact maximum, kernel 2 or 3, stride 2, ``padding`` on all sides (0, or 1 with kernel 3).

    Output size floor((size + 2 * padding - kernel) / 2) + 1; scale and zero point of its input.
    """

    name: str
    input: str
    output: str
    kernel: int
    padding: int
    op: str = "max_pool"

    def reference(self, tensors: Mapping[str, QTensor], *inputs: np.ndarray) -> np.ndarray:
        """Pixels outside the map do not count."""
        (x,) = inputs
        _, height, width = x.shape
        y = np.empty(tensors[self.output].shape, np.int8)
        for c, row, column in np.ndindex(y.shape):
            top, left = 2 * row - self.padding, 2 * column - self.padding
            y[c, row, column] = max(
                int(x[c, r, k])
                for r in range(max(0, top), min(height, top + self.kernel))
                for k in range(max(0, left), min(width, left + self.kernel))
            )
        return y

    def fast(self, tensors: Mapping[str, QTensor], *inputs: Tensor) -> Tensor:
        # Padding with the smallest value; float32 holds int8 exactly.
        return functional.max_pool2d(inputs[0].float(), self.kernel, 2, self.padding).to(torch.int8)
