"""Data from files: JSON that is taken, and the types and ranges of its fields."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# What a value is checked against: its kind; an object's fields by name; a list of the items' one.
Schema: TypeAlias = "Kind | Maybe | Each | Sized | Mapping[str, Schema] | Sequence[Schema]"

# Numbers beyond this are no measurements; sums and ratios of smaller ones stay finite.
LARGEST = 10**18


class SchemaError(Exception):
    """Which field is wrong, what it is and what it must be; ``field`` is empty where it is not a
    single one."""

    def __init__(self, what: str, field: str = ""):
        super().__init__(what)
        self.field = field


@dataclass(frozen=True)
class Kind:
    """A field's allowed values: ``test`` and how to say it."""

    test: Callable[[Any], bool]
    what: str

    def or_none(self) -> "Kind":
        """The same, or null."""
        return Kind(lambda value: value is None or self.test(value), f"{self.what}, or null")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    known = _whole(value) or isinstance(value, float)
    return known and math.isfinite(value) and abs(value) <= LARGEST


def _base64(value: object) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _png(value: Any) -> bool:
    return _base64(value) and base64.b64decode(value).startswith(b"\x89PNG\r\n\x1a\n")


COUNT = Kind(lambda v: _whole(v) and v >= 0, "a whole number of 0 or more")
SIZE = Kind(lambda v: _whole(v) and v >= 1, "a whole number of 1 or more")
INT8 = Kind(lambda v: _whole(v) and -128 <= v <= 127, "a whole number from -128 to 127")
NUMBER = Kind(_number, "a finite number")
POSITIVE = Kind(lambda v: _number(v) and v > 1 / LARGEST, "a number above 0")
AMOUNT = Kind(lambda v: _number(v) and v >= 0, "a number of 0 or more")
RATIO = Kind(lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1")
TEXT = Kind(lambda v: isinstance(v, str), "text")
FLAG = Kind(lambda v: isinstance(v, bool), "true or false")
DIGEST = Kind(
    lambda v: isinstance(v, str) and re.fullmatch("[0-9a-f]{64}", v) is not None, "64 hex digits"
)
BYTES = Kind(_base64, "base64")
PNG = Kind(_png, "a PNG picture in base64")
ANY = Kind(lambda v: True, "anything")


@dataclass(frozen=True)
class Maybe:
    """``schema``, or null."""

    schema: Schema


@dataclass(frozen=True)
class Each:
    """An object of any names, whose values have one ``schema``."""

    schema: Schema


@dataclass(frozen=True)
class Sized:
    """A list of ``length`` items."""

    schema: Schema
    length: int


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. `ValueError` for what is none, and for numbers that are not finite
    or beyond `LARGEST`, half characters and nesting too deep to read."""
    try:
        found = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded
        )
        json.dumps(found, ensure_ascii=False).encode()  # half a character cannot be shown
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    if abs(float(text)) > LARGEST:
        raise ValueError(f"{text[:40]} is too large a number")
    return float(text)


def _bounded(text: str) -> int:
    if len(text) > 19 or abs(int(text)) > LARGEST:
        raise ValueError(f"{text[:40]} is too large a number")
    return int(text)


def check(value: Any, schema: Schema, where: str = "") -> None:
    """`SchemaError` for the first field of ``value`` that is missing or not as in ``schema``; other
    fields are allowed."""
    if isinstance(schema, Maybe):
        if value is not None:
            check(value, schema.schema, where)
    elif isinstance(schema, Mapping | Each):
        _require(value, isinstance(value, dict), "an object", where)
        names = dict.fromkeys(value, schema.schema) if isinstance(schema, Each) else schema
        for name, inner in names.items():
            path = f"{where}.{name}" if where else name
            if name not in value:
                raise SchemaError(f"has no field '{path}'", path)
            check(value[name], inner, path)
    elif isinstance(schema, Sequence | Sized):
        _require(value, isinstance(value, list), "a list", where)
        inner = schema.schema if isinstance(schema, Sized) else schema[0]
        if isinstance(schema, Sized):
            _require(value, len(value) == schema.length, f"a list of {schema.length}", where)
        for index, item in enumerate(value):
            check(item, inner, f"{where}[{index}]")
    else:
        _require(value, schema.test(value), schema.what, where)


def _require(value: object, good: bool, what: str, where: str) -> None:
    if not good:
        shown = repr(value)
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        raise SchemaError(f"has {shown} in field '{where}', which must be {what}", where)
