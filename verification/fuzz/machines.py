"""The accelerators that the campaign runs on: presets with both elements, and small random ones."""

import functools
import itertools
import random
import re

from ...spec.config import ELEMENTS, PRESETS, Config
from ...spec.errors import ResarrayError
from ...spec.presets import preset
from .configs import random_config

RANDOM_CONFIGURATIONS = 20
# MACs a cycle, and words: what is small enough to be built and simulated hundreds of times.
LARGEST_ARRAY = 64
LARGEST_BUFFER = 1 << 13
_NUMBERED = re.compile(r"random(\d{1,9})")

# Names of all of them, in the order in which seeds are dealt out: the largest, which take longest
# to build, last.
_SMALLEST, *_OTHERS = (
    tuple(f"{name}{change}" for change in ("", ",element=mac")) for name in PRESETS
)
MACHINES = (
    *_SMALLEST,
    *(f"random{number}" for number in range(RANDOM_CONFIGURATIONS)),
    *itertools.chain(*_OTHERS),
)


def machine(name: str) -> Config:
    """The configuration called ``name``: what ``--preset`` takes, or ``random7``, the seventh of
    those drawn; `ResarrayError` says what is wrong with the name."""
    match = _NUMBERED.fullmatch(name)
    return preset(name) if match is None else _drawn(int(match[1]))


def machines(names: str | None) -> list[str]:
    """Names separated by semicolons, None for all; `ResarrayError` for one that is none. A preset
    by its name alone stands for both elements, ``random`` for all that are drawn."""
    if names is None:
        return list(MACHINES)
    found: list[str] = []
    for name in names.split(";"):
        if name in PRESETS or name == "random":
            found += [m for m in MACHINES if m.partition(",")[0] == name or _of(m) == name]
        else:
            require_machine(name)
            found.append(name)
    return list(dict.fromkeys(found))


def _of(name: str) -> str:
    return "random" if _NUMBERED.fullmatch(name) else name


def _drawn(number: int) -> Config:
    """The first that is small enough, with each element in turn."""
    rng = random.Random(f"configuration {number}")
    while True:
        config = random_config(rng)
        if (
            isinstance(config, Config)
            and config.element == ELEMENTS[number % 2]
            and config.macs_per_cycle <= LARGEST_ARRAY
            and config.input_words <= LARGEST_BUFFER
        ):
            return config


def require_machine(name: str) -> None:
    """`ResarrayError` where ``name`` is no machine."""
    try:
        machine(name)
    except ResarrayError as error:
        raise ResarrayError(f"{error}; or random0 to random{RANDOM_CONFIGURATIONS - 1}") from error


@functools.cache
def is_machine(name: str) -> bool:
    """Whether ``name`` is one."""
    try:
        machine(name)
    except ResarrayError:
        return False
    return True
