"""Configurations by name, from a file, or as changes to another: what ``--preset`` takes.

::

    small                            one of the presets
    default,columns=16,name=mine     changes to a preset, or to a file
    mine.toml                        a file: keys are fields of `Config`, and optionally
                                     base = "small" for those that it leaves out
"""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from .config import PRESETS, Config
from .errors import ResarrayError

SUFFIX = ".toml"
BASE = "base"
DEFAULT = "default"
# Bytes of a file and characters of a name; more is a mistake.
MAX_FILE = 1 << 16
MAX_NAME = 100
_DEFAULTS = dataclasses.asdict(PRESETS[DEFAULT])
_TRUTHS = {"true": True, "false": False}
_KINDS = {int: "a whole number", str: "text", bool: "true or false"}


def preset(text: str) -> Config:
    """The configuration that ``--preset text`` names; `ResarrayError` says what is wrong in it.

    It is called as the text says with ``name``; else after the preset, after the file without its
    suffix, or, where there are changes, by the whole text.
    """
    start, *changes = text.split(",")
    base = _read_file(Path(start)) if start.endswith(SUFFIX) else _by_name(start)
    if not changes:
        return base
    fields: dict[str, bool | int | str] = {}
    for name, value in (_change(change, f"preset '{text}'") for change in changes):
        if name in fields:
            raise ResarrayError(f"preset '{text}': {name} is given twice: leave one")
        fields[name] = value
    return _changed(base, {"name": text} | fields, f"preset '{text}'")


def make_config(fields: object, what: str = "a configuration") -> Config:
    """`Config` of exactly its fields, each of its type; `ResarrayError` names ``what``."""
    if not isinstance(fields, dict):
        raise ResarrayError(f"{what} is no table of fields")
    _require_known(fields, _DEFAULTS, what)
    missing = [name for name in _DEFAULTS if name not in fields]
    if missing:
        raise ResarrayError(f"{what} has no field '{missing[0]}'")
    for name, value in fields.items():
        _require_kind(name, value, what)
    return Config(**fields)


def _by_name(name: str) -> Config:
    if name not in PRESETS:
        raise ResarrayError(
            f"unknown preset '{name}': choose one of {', '.join(PRESETS)}, a file '*{SUFFIX}', or "
            f"changes as in '{DEFAULT},columns=16'{_meant(name, PRESETS)}"
        )
    return PRESETS[name]


def _read_file(path: Path) -> Config:
    what = f"preset file '{path}'"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise ResarrayError(f"{what} is longer than {MAX_FILE:,} bytes: it is no preset")
        found = tomllib.loads(data.decode())
    except OSError as error:
        raise ResarrayError(
            f"cannot read {what}: {error.strerror}; give a file with lines like 'columns = 16'"
        ) from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeError among them
        reason = str(error).rstrip(".")
        raise ResarrayError(
            f"{what} is not TOML ({reason}): give lines like 'columns = 16'"
        ) from error
    base = found.pop(BASE, DEFAULT)
    if not isinstance(base, str):
        raise ResarrayError(f"{what}: {BASE} must be the name of a preset in quotes, not {base!r}")
    if base not in PRESETS:
        raise ResarrayError(
            f"{what}: unknown {BASE} '{base}': choose one of {', '.join(PRESETS)}"
            f"{_meant(base, PRESETS)}"
        )
    _require_known(found, [*_DEFAULTS, BASE], what)
    return _changed(PRESETS[base], {"name": path.stem} | found, what)


def _changed(base: Config, fields: dict, what: str) -> Config:
    name = fields["name"]
    _require_kind("name", name, what)
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise ResarrayError(
            f"{what}: name {name!r} is not possible: give 1 to {MAX_NAME} printable characters"
        )
    found = make_config(dataclasses.asdict(base) | fields, what)
    if name in PRESETS and found != PRESETS[name]:
        raise ResarrayError(
            f"{what} would be called '{name}' as a preset that comes along, but differs from it: "
            'give another name, as in name = "mine"'
        )
    return found


def _change(text: str, what: str) -> tuple[str, bool | int | str]:
    """Field and value of ``field=value``."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ResarrayError(f"{what}: '{text}' is no change: write field=value, as in columns=16")
    _require_known([name], _DEFAULTS, what)
    if type(_DEFAULTS[name]) is int and re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII):
        return name, int(value)
    if type(_DEFAULTS[name]) is bool and value in _TRUTHS:
        return name, _TRUTHS[value]
    _require_kind(name, value, what)
    return name, value


def _require_known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise ResarrayError(
                f"{what}: there is no field '{name}': choose from {', '.join(known)}"
                f"{_meant(name, known)}"
            )


def _require_kind(name: str, value: object, what: str) -> None:
    kind = type(_DEFAULTS[name])
    if type(value) is not kind:
        shown = repr(value)
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        raise ResarrayError(f"{what}: {name} must be {_KINDS[kind]}, not {shown}")


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean '{close[0]}'?" if close else ""
