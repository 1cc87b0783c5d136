"""Requantisation of whole tensors: `numerics.requantise` and `residual_term`, vectorised.

In float64, which is vectorised by processors that have no 64-bit integer multiplication and shift,
and exact here: a factor is a 17-bit integer times a power of two, so that its product with an
integer below 2**36 has at most 53 bits. Two roundings down in a row are one, where an integer is
added between them; and a half is added without loss, or to so little that the result is 0 anyway.
"""

import itertools

import numpy as np
import torch
from torch import Tensor

from resarray.spec.numerics import GUARD_BITS, RESIDUAL_HEADROOM

from .base import QTensor

# Values that are requantised at once: 8 bytes each, a part of a processor's cache.
BLOCK = 1 << 16


def requantise_tensor(
    t: Tensor,
    mult: np.ndarray | int,
    shift: np.ndarray | int,
    tensor_y: QTensor,
    lo: int,
    hi: int,
    residual: Tensor | None = None,
    bias: np.ndarray | int = 0,
) -> Tensor:
    """int8 [N][C][H][W] of t + ``bias``, integers of any type [N][C][H][W]; ``residual`` is a
    `residual_tensor`. ``mult``, ``shift`` and ``bias`` are of the tensor, or of each channel:
    int [C]."""
    t = t.contiguous()
    channels, pixels = t.shape[1], t[0, 0].numel()
    factor, offset = (
        torch.from_numpy(np.broadcast_to(value, channels).astype(np.float64))[:, None]
        for value in (np.ldexp(np.float64(mult), np.negative(shift)), bias)
    )
    rest = None if residual is None else residual.expand(t.shape).flatten(2)
    y = torch.empty(t.shape, dtype=torch.int8)
    source, target = t.flatten(2), y.flatten(2)
    some = max(1, BLOCK // pixels)  # channels at once, or as many of several images
    images = max(1, some // channels)
    for n, c in itertools.product(range(0, len(t), images), range(0, channels, some)):
        part, of_channels = (slice(n, n + images), slice(c, c + some)), slice(c, c + some)
        block = source[part].double()
        block += offset[of_channels]
        block *= factor[of_channels]
        if rest is not None:
            block.floor_()
            block += rest[part]
        block += 1 << (GUARD_BITS - 1)
        block *= 2.0**-GUARD_BITS
        block.floor_()
        block += tensor_y.zero_point
        target[part] = block.clamp_(lo, hi)
    return y


def residual_tensor(r: Tensor, tensor_r: QTensor, mult: int, shift: int) -> Tensor:
    """float64 terms of an int8 residual operand, in fixed point of GUARD_BITS."""
    return (
        (r.double() - tensor_r.zero_point) * (mult * 2.0 ** (RESIDUAL_HEADROOM - shift))
    ).floor()
