"""The fast integer reference: the integers of `reference`, vectorised with torch.

Convolutions run in float32 over groups of input channels small enough that every partial sum is an
integer below 2**24 and so exact in any order; the groups are added as int32.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from resarray.spec.numerics import GUARD_BITS, INT8_MAX, INT8_MIN, RESIDUAL_HEADROOM

from .graph import QAdd, QConv, QGlobalAvgPool, QGraph, QMaxPool, QOp, QTensor

# Integers up to 2**24 are exact in float32.
EXACT = 1 << 24
# |x - zero_point| of int8 values.
MAX_DIFFERENCE = 255


@torch.inference_mode()
def run(graph: QGraph, inputs: np.ndarray, keep_all: bool = True) -> dict[str, np.ndarray]:
    """Every tensor, int8 [N][C][H][W], for int8 ``inputs`` [N][C][H][W]; only the output where
    ``keep_all`` is false."""
    values = {graph.input: torch.from_numpy(np.ascontiguousarray(inputs))}
    last_read = {name: op for op in graph.ops for name in _inputs(op)}
    for op in graph.ops:
        values[op.output] = _compute(graph, op, values)
        if not keep_all:
            for name in _inputs(op):
                if last_read[name] is op and name != graph.output:
                    values.pop(name, None)
    if not keep_all:
        values = {graph.output: values[graph.output]}
    return {name: value.numpy() for name, value in values.items()}


def _inputs(op: QOp) -> list[str]:
    return [name for name in (op.input, getattr(op, "residual", None)) if name is not None]


def _compute(graph: QGraph, op: QOp, values: dict[str, Tensor]) -> Tensor:
    x, tensor_x = values[op.input], graph.tensors[op.input]
    tensor_y = graph.tensors[op.output]
    if isinstance(op, QMaxPool):
        # Padding with the smallest value; float32 holds int8 exactly.
        return functional.max_pool2d(x.float(), op.kernel, 2, op.padding).to(torch.int8)
    if isinstance(op, QGlobalAvgPool):
        pixels = x.shape[2] * x.shape[3]
        total = x.sum((2, 3), keepdim=True, dtype=torch.int64) - pixels * tensor_x.zero_point
        return requantise(total, op.mult, op.shift, tensor_y, INT8_MIN, INT8_MAX)
    if isinstance(op, QConv):
        acc = _accumulate(op, x, tensor_x)
        mult = torch.from_numpy(op.mult.astype(np.int64)).view(1, -1, 1, 1)
        shift = torch.from_numpy(op.shift.astype(np.int64)).view(1, -1, 1, 1)
    else:
        assert isinstance(op, QAdd)
        acc = x.long() - tensor_x.zero_point
        mult, shift = op.mult, op.shift
    residual = None
    if op.residual is not None:
        zero_point = graph.tensors[op.residual].zero_point
        residual = (values[op.residual].long() - zero_point) * (op.res_mult << RESIDUAL_HEADROOM)
        residual >>= op.res_shift
    return requantise(acc, mult, shift, tensor_y, op.lo, op.hi, residual)


def requantise(
    t: Tensor,
    mult: Tensor | int,
    shift: Tensor | int,
    tensor_y: QTensor,
    lo: int,
    hi: int,
    residual: Tensor | None = None,
) -> Tensor:
    """`numerics.requantise` of int64 ``t`` = acc + bias, which it overwrites."""
    t *= mult
    t >>= shift
    if residual is not None:
        t += residual
    t += 1 << (GUARD_BITS - 1)
    t >>= GUARD_BITS
    t += tensor_y.zero_point
    return t.clamp_(lo, hi).to(torch.int8)


def _accumulate(op: QConv, x: Tensor, tensor_x: QTensor) -> Tensor:
    """int64 sums of products plus bias."""
    top, bottom, left, right = op.padding
    x = x.float() - tensor_x.zero_point
    if top == bottom and left == right:
        padding = (top, left)
    else:
        x = functional.pad(x, (left, right, top, bottom))
        padding = (0, 0)
    weight = torch.from_numpy(op.weight.astype(np.float32))
    acc = torch.from_numpy(op.bias.astype(np.int64)).view(1, -1, 1, 1)
    for first, last in exact_groups(op.weight):
        part = weight[:, first:last]
        if _bound(op.weight[:, first:last]) < EXACT:
            product = functional.conv2d(x[:, first:last], part, None, op.stride, padding)
        else:  # one channel with a very large kernel
            product = functional.conv2d(
                x[:, first:last].double(), part.double(), None, op.stride, padding
            )
        acc = acc + product.long()
    return acc


def exact_groups(weight: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of input channels of int8 ``weight`` [Cout][Cin][kh][kw], as long as every sum of
    products with differences up to 255 stays below 2**24 in magnitude (or one channel long)."""
    groups, first = [], 0
    channels = weight.shape[1]
    # Largest sum of magnitudes that any output channel adds up to, input channel by channel.
    sums = np.abs(weight.astype(np.int64)).sum((2, 3))
    while first < channels:
        totals = np.cumsum(sums[:, first:], axis=1).max(0) * MAX_DIFFERENCE
        length = max(1, int(np.searchsorted(totals, EXACT)))
        groups.append((first, first + length))
        first += length
    return groups


def _bound(weight: np.ndarray) -> int:
    return int(np.abs(weight.astype(np.int64)).sum((1, 2, 3)).max()) * MAX_DIFFERENCE
