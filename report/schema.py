"""Types and ranges of the fields of a result file."""

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass

from resarray.spec.registers import COUNTERS, PROFILE_FIELDS

WAITS = tuple(name for name in PROFILE_FIELDS if name.startswith("WAIT_"))
# What the recorder counts, see `resarray.sim.activity.Activity`.
ENGINES = ("fetch", "load", "weights", "residual", "compute", "drain", "store")
EVENTS = (*ENGINES, *(name.lower() for name in WAITS))


# Numbers beyond this are no measurements; sums and ratios of smaller ones stay finite.
LARGEST = 10**18


class SchemaError(Exception):
    """Which field is wrong, what it is and what it must be."""


@dataclass(frozen=True)
class Kind:
    """A field's allowed values: ``test`` and how to say it."""

    test: Callable[[object], bool]
    what: str

    def or_none(self) -> "Kind":
        """The same, or null."""
        return Kind(lambda value: value is None or self.test(value), f"{self.what}, or null")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    known = _whole(value) or isinstance(value, float)
    return known and math.isfinite(value) and abs(value) <= LARGEST


def _base64(value: object) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _png(value: object) -> bool:
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
BYTES = Kind(_base64, "base64")
PNG = Kind(_png, "a PNG picture in base64")
ANY = Kind(lambda v: True, "anything")


@dataclass(frozen=True)
class Maybe:
    """``schema``, or null."""

    schema: object


@dataclass(frozen=True)
class Each:
    """An object of any names, whose values have one ``schema``."""

    schema: object


@dataclass(frozen=True)
class Sized:
    """A list of ``length`` items."""

    schema: object
    length: int


_NAMED_CLASSES = {"float": COUNT, "int8": COUNT, "rtl": COUNT}
_TOP1 = dict.fromkeys(_NAMED_CLASSES, RATIO.or_none())

RESULT = {
    "format": SIZE, "model": TEXT, "weights": TEXT.or_none(), "input_size": Sized(SIZE, 2),
    "images": SIZE, "batch": SIZE, "image_source": TEXT, "simulator": TEXT, "preset": TEXT,
    "config": Each(ANY), "config_hash": TEXT, "bit_exact": FLAG, "tensors_compared": COUNT,
    "values_compared": COUNT, "mismatches": COUNT, "macs": COUNT, "cycles": SIZE,
    "utilization": RATIO, "macs_per_cycle": SIZE, "multipliers": SIZE,
    "macs_per_multiplier_cycle": AMOUNT, "sim_seconds": AMOUNT, "cycles_per_second": AMOUNT,
    "memory": {
        "latency": SIZE, "bytes_per_cycle": POSITIVE.or_none(), "stall_probability": RATIO,
        "seed": COUNT,
    },
    "counters": dict.fromkeys(COUNTERS, COUNT),
    "top1": _TOP1,
    "predictions": [{"image": COUNT, "label": COUNT.or_none(), **_NAMED_CLASSES}],
    "layers": [{
        "name": TEXT, "op": TEXT, "shape": Sized(SIZE, 3), "macs": COUNT, "cycles": COUNT,
        "predicted_cycles": COUNT, "utilization": RATIO, "bytes_read": COUNT,
        "bytes_written": COUNT, "waits": dict.fromkeys(WAITS, COUNT), "mismatches": COUNT,
    }],
    "differences": [TEXT],
    "tensors": [{
        "name": TEXT, "layer": TEXT, "shape": Sized(SIZE, 3), "scale": POSITIVE,
        "zero_point": INT8, "values": SIZE, "mismatches": COUNT,
        "first": Maybe({"position": Sized(COUNT, 4), "expected": INT8, "got": INT8}),
        "error": {
            "images": SIZE, "sqnr_db": NUMBER.or_none(), "mean_steps": NUMBER,
            "rms_steps": AMOUNT, "max_steps": AMOUNT, "span_steps": POSITIVE, "histogram": [COUNT],
        },
        "saturation": dict.fromkeys(
            ("at_lowest", "at_highest", "clipped_low", "clipped_high"), COUNT
        ),
        "maps": {
            "image": COUNT, "channels": [COUNT], "thinning": SIZE, "size": Sized(SIZE, 2),
            "offset": Sized(COUNT, 2), "fraction": SIZE, "rtl": BYTES, "golden": BYTES,
            "float": BYTES.or_none(),
        },
    }],
    "class_names": [TEXT],
    "pictures": [{"image": COUNT, "png": PNG}],
    "timeline": Maybe({
        "window": SIZE, "cycles": SIZE, "layer_ends": [COUNT],
        "counts": {name: [COUNT] for name in EVENTS},
    }),
    "provenance": {"command": TEXT, "date": TEXT, "versions": Each(TEXT)},
    "digest": TEXT,
}  # fmt: skip


def check(value: object, schema: object, where: str = "") -> None:
    """`SchemaError` for the first field of ``value`` that is missing or not as in ``schema``; other
    fields are allowed."""
    if isinstance(schema, Maybe):
        if value is not None:
            check(value, schema.schema, where)
    elif isinstance(schema, dict | Each):
        _require(value, isinstance(value, dict), "an object", where)
        names = dict.fromkeys(value, schema.schema) if isinstance(schema, Each) else schema
        for name, inner in names.items():
            path = f"{where}.{name}" if where else name
            if name not in value:
                raise SchemaError(f"has no field '{path}'")
            check(value[name], inner, path)
    elif isinstance(schema, list | Sized):
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
        raise SchemaError(f"has {shown} in field '{where}', which must be {what}")
