"""Random weight streams: weights, channel parameters and a table, by a number."""

import numpy as np

from ...compiler.winograd import biases
from ...spec import numerics as n
from ...spec import winograd
from ...spec.config import Config
from ...spec.isa import PARAMS, TABLE_BYTES, pack

# Largest weight of each kind.
KINDS = {"full": 127, "small": 3, "ends": 127, "sparse": 127}
TOP_MULT = (1 << n.MULT_BITS) - 1


def stream(config: Config, fields: dict[str, int], seed: int) -> np.ndarray:
    """int8 [words][rows] that a COMPUTE with ``fields`` takes."""
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(KINDS)))
    tiled = bool(fields["winograd"])
    taps = winograd.TAPS if tiled else 1
    shape = (fields["k_tiles"], config.columns, taps, config.rows)
    weights = rng.integers(-KINDS[kind], KINDS[kind] + 1, shape).astype(np.int8)
    if kind == "ends":
        weights = np.where(weights < 0, -127, 127).astype(np.int8)
    elif kind == "sparse":
        weights[rng.random(shape) < 0.9] = 0
    if tiled and not fields["params"] and config.element == "pair":
        # Added to other sums, whose parameters do not know of them: no products of weights.
        weights[..., 1::2] = 0
    words = weights.reshape(len(weights), -1, config.rows)
    parts = [words[0]]
    if fields["params"]:
        parts.append(_parameters(config, weights, tiled, rng))
        if fields["table"]:
            parts.append(rng.integers(-128, 128, (TABLE_BYTES // config.rows, config.rows)))
    parts.append(words[1:].reshape(-1, config.rows))
    return np.concatenate(parts).astype(np.int8)


def _parameters(
    config: Config, weights: np.ndarray, tiled: bool, rng: np.random.Generator
) -> np.ndarray:
    """Records of all columns, or of all outputs of a tile of each; most factors bring the sums into
    the range of the outputs."""
    wide = weights.astype(np.int64)
    spread = np.sqrt((wide**2).sum(axis=(0, 2, 3))) * 74 + 1
    bias = rng.normal(0, 1, config.columns) * spread
    pair = config.element == "pair"
    if pair and not tiled and rng.random() < 0.8:
        bias = bias - (wide[..., 0::2] * wide[..., 1::2]).sum(axis=(0, 2, 3))
    if rng.random() < 0.05:
        reach = int(spread.max()) * config.rows * len(weights)
        if tiled:
            reach = (1 << 31) - (1 << (winograd.SUM_BITS - 2))
        bias = rng.choice([-1, 1], config.columns) * float((1 << 31) - 1 - 16 * reach)
    factors = np.minimum(1.9, np.exp(rng.normal(0, 1, config.columns)) * 60 / spread)
    whole = bias.astype(np.int64)[:, None]
    if tiled:
        whole = biases(whole[:, 0], weights, pair)
    raw = bytearray()
    for column, phase in np.ndindex(whole.shape):
        if not phase:
            mult, shift = n.quantise_factor(float(factors[column]))
            if rng.random() < 0.05:
                mult, shift = int(rng.choice([0, 1, 1 << 16, TOP_MULT])), int(rng.integers(64))
        fields = {"bias": int(whole[column, phase]), "mult": mult, "shift": shift}
        raw += (
            pack(PARAMS, fields)
            .to_bytes(8, "little")
            .ljust(config.param_words * config.rows, b"\0")
        )
    return np.frombuffer(bytes(raw), np.int8).reshape(-1, config.rows)
