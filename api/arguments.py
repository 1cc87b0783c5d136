"""Types of what the API is given, which Python does not check; ranges are for those who use it.

``what`` is the argument's name. Everything raises `ResarrayError` that says what was given and what
is allowed.
"""

import math
import numbers
import operator
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

Found = TypeVar("Found")

# Characters of a wrong value that are shown.
SHOWN = 60


def whole(value: Any, what: str) -> int:
    """A whole number, NumPy's too; True is none."""
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except (TypeError, ValueError, RuntimeError):  # the last two: of a tensor
            pass
    _refuse(value, what, "a whole number")


def number(value: Any, what: str) -> float:
    """A finite real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        _refuse(value, what, "a number")
    return value if isinstance(value, int) else float(value)


def flag(value: Any, what: str) -> bool:
    """True or False, NumPy's too."""
    if not isinstance(value, bool | np.bool_):
        _refuse(value, what, "True or False")
    return bool(value)


def text(value: Any, what: str) -> str:
    """Text."""
    if not isinstance(value, str):
        _refuse(value, what, "text")
    return value


def path(value: Any, what: str) -> Path:
    """A path, which is not empty."""
    if not isinstance(value, str | os.PathLike) or not str(value):
        _refuse(value, what, "a path")
    return Path(value)


def optional(check: Callable[[Any, str], Found], value: Any, what: str) -> Found | None:
    """None, or what ``check`` of the above makes of it."""
    return None if value is None else check(value, what)


def several(value: Any, what: str) -> list:
    """A list of anything iterable; one text is a list of it alone."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        _refuse(value, what, "a list")
    return list(value)


def configuration(value: Any) -> Config:
    """A `Config`, or what `resarray.spec.presets.preset` finds by the text."""
    if isinstance(value, Config):
        return value
    if not isinstance(value, str):
        _refuse(value, "preset", "the name of a preset, as 'default', or a Config")
    return preset(value)


def _refuse(value: Any, what: str, allowed: str) -> NoReturn:
    shown = " ".join(repr(value).split())
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."
    raise ResarrayError(
        f"{shown} of type {type(value).__name__} is given as {what}: give {allowed}"
    )
