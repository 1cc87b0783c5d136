"""Requantisation of whole tensors: `numerics.requantise` and `residual_term`, vectorised."""

import torch
from torch import Tensor

from resarray.spec.numerics import GUARD_BITS, RESIDUAL_HEADROOM

from .base import QTensor


def requantise_tensor(
    t: Tensor,
    mult: Tensor | int,
    shift: Tensor | int,
    tensor_y: QTensor,
    lo: int,
    hi: int,
    residual: Tensor | None = None,
) -> Tensor:
    """int8 of int64 ``t`` = acc + bias, which is overwritten; ``residual`` is a
    `residual_tensor`."""
    t *= mult
    t >>= shift
    if residual is not None:
        t += residual
    t += 1 << (GUARD_BITS - 1)
    t >>= GUARD_BITS
    t += tensor_y.zero_point
    return t.clamp_(lo, hi).to(torch.int8)


def residual_tensor(r: Tensor, tensor_r: QTensor, mult: int, shift: int) -> Tensor:
    """int64 terms of an int8 residual operand, in fixed point of GUARD_BITS."""
    return (r.long() - tensor_r.zero_point) * (mult << RESIDUAL_HEADROOM) >> shift
