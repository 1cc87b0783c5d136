"""Which layers can be Winograd's, and the parameters of those that are."""

import numpy as np

from resarray.spec import winograd
from resarray.spec.numerics import ACC_BITS, INT8_MAX, INT8_MIN

from .ir import Layer, MaxPool


def has_tiles(layer: Layer) -> bool:
    """Whether the layer's kernel is three wide, at stride 1."""
    return (layer.kernel[1], layer.stride[1], layer.dilation[1]) == (winograd.TAPS, 1, 1)


def refusal(layer: Layer) -> str | None:
    """Why a layer that `has_tiles` cannot be computed by them, or None where it can."""
    if layer.packed:
        return "its input's words are not pixels"
    if isinstance(layer.pool, MaxPool) and layer.depthwise:
        return "its pool cuts its rows"
    lowest, highest = sums(layer)
    limit = 1 << (winograd.SUM_BITS - 1)
    if lowest < -limit or highest >= limit:
        return f"sums to {highest if highest >= limit else lowest} exceed {winograd.SUM_BITS} bits"
    return None


def sums(layer: Layer) -> tuple[int, int]:
    """The least and the largest accumulator plus bias that any input can give."""
    weight = layer.weight.astype(np.int64).reshape(len(layer.weight), -1)
    up, down = np.maximum(weight, 0).sum(1), np.minimum(weight, 0).sum(1)
    most, least = INT8_MAX - layer.pad_value, INT8_MIN - layer.pad_value
    bias = layer.requantise.bias
    highest = bias + (up * most + down * least)
    lowest = bias + (up * least + down * most)
    return int(lowest.min()), int(highest.max())


def biases(bias: np.ndarray, vectors: np.ndarray, pair: bool) -> np.ndarray:
    """int64 [columns][TILE]: what minus 24 times the sum of output j is, less the accumulators'
    share. ``bias``: int64 [columns], to which the sums are added; ``vectors``: int8
    [k-tile][columns][TAPS][rows]."""
    folded = np.repeat(-winograd.FACTOR * bias[:, None], winograd.TILE, axis=1)
    if pair:
        # The element adds the product of each pair's transformed weights, at each position.
        weights = np.einsum("pt,kctr->kcpr", winograd.WEIGHT, vectors.astype(np.int64))
        products = (weights[..., 0::2] * weights[..., 1::2]).sum(axis=(0, 3))
        folded = folded + products @ winograd.OUTPUT.T
    return wrapped(folded)


def wrapped(values: np.ndarray) -> np.ndarray:
    """``values`` modulo 2**ACC_BITS, as the accumulators hold them."""
    half = 1 << (ACC_BITS - 1)
    return (values + half) % (1 << ACC_BITS) - half
