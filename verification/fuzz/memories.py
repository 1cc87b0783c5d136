"""Random memories: latency, bandwidth, and stalls of each channel."""

import math
import random

from ...sim.memory_model import CHANNELS, MemoryModel
from ...spec.config import Config

LONGEST_LATENCY = 500
# A pause of WATCHDOG_CYCLES is a hang: what is drawn must be unlikely to pause as long.
WATCHDOG_CYCLES = 50_000
_HARMLESS = 1e-12


def memory(rng: random.Random, config: Config) -> MemoryModel:
    """Any that the accelerator must bear."""
    latency = rng.choice([1, 2, rng.randint(1, 20), round(math.exp(rng.uniform(0, 6.2146)))])
    stalls = _stalls(rng)
    hold = rng.choice([0, 0, 0, *range(1, 8)])
    while max(stalls) ** (WATCHDOG_CYCLES / 2**hold) > _HARMLESS:
        hold -= 1
    return MemoryModel(
        latency=min(latency, LONGEST_LATENCY),
        bytes_per_cycle=rng.choice([None, round(rng.uniform(0.25, config.rows), 2)]),
        seed=rng.randrange(1 << 30),
        stalls=stalls,
        hold=hold,
        early=rng.random() < 0.5,
        late=rng.random() < 0.3,
        jitter=rng.random() < 0.4,
    )


def _stalls(rng: random.Random) -> tuple[float, ...]:
    """Of each channel: none, all alike, each by itself, or one that is nearly closed."""
    kind = rng.choice(["none", "alike", "each", "each", "one"])
    if kind == "alike":
        return (round(rng.uniform(0, 0.8), 2),) * len(CHANNELS)
    if kind == "each":
        return tuple(rng.choice([0.0, round(rng.uniform(0, 0.9), 2)]) for _ in CHANNELS)
    closed = rng.randrange(len(CHANNELS)) if kind == "one" else -1
    return tuple(0.95 * (number == closed) for number in range(len(CHANNELS)))
