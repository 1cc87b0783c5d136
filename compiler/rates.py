"""How fast the units are: the formulas that the tiling's estimate and the simulated prediction
share. All in cycles; memory is `timing`."""

from resarray.spec import winograd
from resarray.spec.config import WEIGHT_SLOTS, Config
from resarray.spec.isa import TABLE_BYTES

# Cycles from a drain's last accumulator to its last word, besides a hop for each lane group; not
# overlapped.
DRAIN_LATENCY = 31
# More where there are Winograd's transforms: a register and the quotient; and of a tile's outputs.
WINOGRAD_LATENCY = 5
TILE_LATENCY = 3
# From the input buffer to the array, through the transform.
INPUT_LATENCY = 9
# From a k-tile's last vector to the first word that takes its slot, and from the last one to the
# k-tile's beginning.
RELEASE = 14
# Cycles from word to word of a max pool, and the pixels of a row below which it takes so many.
LINE_CYCLES = 6
# More with a product, with a table.
MULTIPLY_LATENCY = 3
TABLE_LATENCY = 2


def k_tile(accumulators: int, config: Config, tiles: bool = False) -> int:
    """One k-tile: an accumulator of each column a cycle, and no less than its weights take to be
    shifted in. ``tiles``: a kernel row's, of Winograd; there are slots for two of them, so that a
    third is shifted in when the first one is through, and each pair takes that long at least."""
    shift = weights(config, tiles)
    pair = accumulators + shift + RELEASE if tiles else 0
    return max(accumulators, shift, pair // 2)


def weights(config: Config, tiles: bool) -> int:
    """Cycles in which a k-tile's weights are shifted in."""
    return config.columns * (winograd.POSITIONS if tiles else 1)


def weight_words(config: Config, tiles: bool) -> int:
    """Words of a k-tile."""
    return config.columns * (winograd.TAPS if tiles else 1)


def parameters(config: Config, tiles: bool) -> int:
    """The parameter records of an output-channel tile, words and cycles."""
    return config.columns * config.param_words * (winograd.TILE if tiles else 1)


def table() -> int:
    """Cycles of a table, an entry each."""
    return TABLE_BYTES


def lead(tiles: bool) -> int:
    """K-tiles whose weights can be there before the array needs them."""
    return WEIGHT_SLOTS // (winograd.POSITIONS if tiles else 1) - 1


def compute(
    k_tiles: int, accumulators: int, params: int, ahead: float, config: Config, tiles: bool
) -> float:
    """Cycles of a COMPUTE in the array, where the words of its weights could be shifted in from
    ``ahead`` cycles before its beginning on; ``params`` cycles of parameters and table come behind
    the first k-tile, and an only k-tile waits for them."""
    stream, shift = k_tile(accumulators, config, tiles), weights(config, tiles)
    if k_tiles == 1:
        return max(stream, shift + params + stream - ahead)
    first = shift - ahead
    second = first + params + shift
    last = first + params + (k_tiles - 1) * shift
    return k_tiles * stream + max(0, first, second - stream, last - (k_tiles - 1) * stream)


def drain(accumulators: int, blocks: int, config: Config) -> int:
    """A DRAIN's accumulators through the lanes, without its latency."""
    return accumulators * blocks * config.block_groups


def max_pool(fields: dict[str, int]) -> int:
    """Positions of a DRAIN's max pool, padding behind its rows and below them included, a cycle
    each: a narrow map's wait for the line buffer."""
    positions = (fields["width"] + fields.get("pool_right", 0)) * fields["n_blocks"]
    positions *= fields["height"] + fields.get("pool_bottom", 0)
    return positions * (LINE_CYCLES if fields["width"] < LINE_CYCLES else 1)
