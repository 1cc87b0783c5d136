"""Where things lie in the memory of a random program, in words."""

from dataclasses import dataclass

from ...compiler import rates
from ...spec.config import Config
from ...spec.isa import INSTRUCTION_BYTES, TABLE_BYTES

INSTRUCTIONS = 512
DATA = TARGET = 1024
CLOSING = 512
K_TILES = 128  # of weights that lie in memory


@dataclass(frozen=True)
class Places:
    """First words: the program from 0 on, the weight streams, the data that is read, the words that
    may be written; of these the last CLOSING take what nothing else does."""

    weights: int
    data: int
    target: int
    closing: int
    end: int


def places(config: Config) -> Places:
    """All are multiples of `spec.layout.ALIGNMENT` bytes."""
    weights = INSTRUCTIONS * INSTRUCTION_BYTES // config.rows
    records = config.columns * config.param_words * config.phases
    tables = 8 * (TABLE_BYTES // config.rows + records)
    data = weights + K_TILES * rates.weight_words(config, config.winograd) + tables
    return Places(
        weights,
        data,
        data + DATA,
        data + DATA + TARGET,
        data + DATA + TARGET + CLOSING,
    )
