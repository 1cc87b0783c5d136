"""Random configurations over the whole range of every field, and beyond it."""

import math
import random

from ...spec.config import ELEMENTS, LIMITS, MAX_COLUMN_BLOCKS, Config
from ...spec.errors import ResarrayError

# Values that are never right, for any field of a size.
WRONG = (-1, 0, 1, 3, 2.0, True, None, "16", 1 << 40)


def _power(rng: random.Random, lowest: int, highest: int) -> int:
    """A power of two, the ends twice as often as the others."""
    exponents = list(range(math.ceil(math.log2(lowest)), int(math.log2(highest)) + 1))
    return 1 << rng.choice([exponents[0], *exponents, exponents[-1]])


def random_fields(rng: random.Random) -> dict:
    """Fields of a configuration: nine of ten are right on their own, relations are left to luck but
    for those that would seldom be met."""
    rows = rng.choice([4, 4, 8, 8, 16])
    blocks = rng.choice([1, 1, 2, 2, 3, 4, 5, 8, MAX_COLUMN_BLOCKS, rng.randint(1, 70)])
    burst = _power(rng, 2, 256)
    fields = {
        "name": "random",
        "rows": rows,
        "columns": rows * blocks,
        "element": rng.choice(ELEMENTS),
        "burst_words": burst,
        "profile_marks": rng.choice([16, 17, 100, 256]),
        "winograd": rng.random() < 0.6,
    }
    for field, limits in LIMITS.items():
        if field in fields:
            continue
        lowest = limits.lowest
        if field in ("weight_words", "residual_words", "output_words") and rng.random() < 0.9:
            lowest = max(lowest, burst * (2 if field == "output_words" else 1))
        if field == "lanes":
            fields[field] = min(rows, 8) if rng.random() < 0.4 else _power(rng, 1, min(rows, 8))
        elif limits.none and rng.random() < 0.4:
            fields[field] = 0
        else:
            fields[field] = _power(rng, lowest, limits.highest)
    if rng.random() < 0.1:
        fields[rng.choice(list(LIMITS))] = rng.choice(WRONG)
    return fields


def random_config(rng: random.Random) -> Config | str:
    """A configuration, or the sentence with which it was refused."""
    fields = random_fields(rng)
    try:
        return Config(**fields)
    except ResarrayError as error:
        return str(error)
