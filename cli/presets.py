"""Behind ``resarray presets``: the configurations that come along, and the fields of one's own."""

import dataclasses
import inspect
import re
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from resarray.spec import config as spec_config
from resarray.spec.config import PRESETS, Config
from resarray.spec.registers import PROFILE_RECORD_BYTES

from .output import write_json

OWN = (
    "One's own: --preset default,columns=16,name=mine, or --preset mine.toml with lines like "
    "'columns = 16' and, for the others, base = \"default\"."
)
_ACCUMULATOR_BYTES = 4


def presets(json_path: Path | None, console: Console) -> None:
    """Print the presets' sizes and what a configuration's fields mean, and write both to
    ``json_path``."""
    found = [sizes(config) for config in PRESETS.values()]
    fields = describe_fields()
    write_json(json_path, {"presets": found, "fields": fields})
    _print(
        console,
        ["", *(preset["name"] for preset in found)],
        [
            [what, *(f"{preset[what]:,}" for preset in found)]
            for what in ("rows", "columns", "multipliers", "macs_per_cycle")
        ]
        + [
            [f"{what} bytes", *(f"{preset['bytes'][what]:,}" for preset in found)]
            for what in found[0]["bytes"]
        ],
        right=len(found),
    )
    _print(
        console,
        ["field", "default", "range", "meaning"],
        [[f["name"], _as_written(f["default"]), f["range"], f["meaning"]] for f in fields],
    )
    console.print(OWN, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def sizes(config: Config) -> dict:
    """A configuration's fields, what follows from them, and the bytes of its memories."""
    return dataclasses.asdict(config) | {
        "multipliers": config.multipliers,
        "macs_per_cycle": config.macs_per_cycle,
        "config_hash": f"{config.hash:016x}",
        "bytes": {
            "input": config.rows * config.input_words,
            "weight": config.rows * config.weight_words,
            "residual": config.rows * config.residual_words,
            "output": config.rows * config.output_words,
            "pool": config.rows * config.pool_words,
            "scratch": config.rows * config.scratch_words,
            "accumulator": 2 * config.columns * config.acc_depth * _ACCUMULATOR_BYTES,
            "profile": config.profile_marks * PROFILE_RECORD_BYTES,
        },
    }


def describe_fields() -> list[dict]:
    """name, default, range and meaning of each field, as `Config` documents them."""
    documented = inspect.getdoc(Config)
    assert documented is not None
    text = documented.partition("----------\n")[2].partition("\n\n")[0]
    parts = re.split(r"^(\w+): +", text, flags=re.M)[1:]
    meanings = {
        name: " ".join(meaning.split())
        for name, meaning in zip(parts[::2], parts[1::2], strict=True)
    }
    limits = spec_config.LIMITS
    ranges = {"name": "text", "element": " or ".join(spec_config.ELEMENTS)}
    ranges |= {
        f.name: "true or false" for f in dataclasses.fields(Config) if isinstance(f.default, bool)
    }
    return [
        {
            "name": field.name,
            "default": field.default,
            "range": ranges.get(field.name) or str(limits.get(field.name, "a number")),
            "meaning": meanings[field.name],
        }
        for field in dataclasses.fields(Config)
    ]


def _as_written(value: object) -> str:
    """A default as a preset's file and ``--preset`` have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print(console: Console, headings: list[str], rows: list[list[str]], right: int = 0) -> None:
    """A table; the last ``right`` columns are numbers."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for number, heading in enumerate(headings):
        last = number >= len(headings) - right
        wide = number == len(headings) - 1 and not right
        table.add_column(
            heading, justify="right" if last else "left", no_wrap=not wide, overflow="fold"
        )
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False, highlight=False)
