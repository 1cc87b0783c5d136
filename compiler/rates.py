"""How fast the units are: the formulas that the tiling's estimate and the simulated prediction
share. All in cycles; memory is `timing`."""

from resarray.spec.config import Config
from resarray.spec.isa import TABLE_BYTES

# Cycles from a drain's last accumulator to its last word, besides a hop for each lane group; not
# overlapped.
DRAIN_LATENCY = 31
# More with a product, with a table.
MULTIPLY_LATENCY = 3
TABLE_LATENCY = 2


def k_tile(pixels: int, config: Config) -> int:
    """One k-tile: a pixel a cycle, and no less than its weights take to be shifted in."""
    return max(pixels, config.columns)


def parameters(config: Config) -> int:
    """The parameter records of an output-channel tile, words and cycles."""
    return config.columns * config.param_words


def table() -> int:
    """Cycles of a table, an entry each."""
    return TABLE_BYTES


def waiting_for_weights(k_tiles: int, pixels: int, params: int, shadow: int, config: Config) -> int:
    """Cycles that a COMPUTE's array waits for weights: the first k-tile's are shifted in while the
    COMPUTE before streams its last one, of ``shadow`` cycles; ``params`` cycles of parameters
    and the second k-tile's while the first one streams. An only k-tile waits for its parameters."""
    if k_tiles == 1:
        return max(0, params + config.columns - shadow)
    stream = k_tile(pixels, config)
    return max(0, config.columns - shadow) + max(0, params + config.columns - stream)


def drain(pixels: int, blocks: int, config: Config) -> int:
    """A DRAIN's pixels through the lanes, without its latency."""
    return pixels * blocks * config.block_groups
