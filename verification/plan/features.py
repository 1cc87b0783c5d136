"""What is verified: ``features.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...spec.errors import ResarrayError

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).parent / "features.toml"
# How a test verifies, in the order of the page.
KINDS = {
    "unit": "a piece by itself against its specification, random data, stalls",
    "program": "whole programs on the RTL, every stored tensor compared",
    "random": "drawn networks, programs, configurations, memories",
    "netlist": "with the FPGA's own blocks, or as synthesised",
    "fault": "what goes wrong outside, and hostile files",
    "text": "what is printed, written and documented",
}


@dataclass(frozen=True)
class Feature:
    """A feature of the plan.

    name:  as tests' marks call it
    title: what it is
    files: its modules, paths from the repository's root
    """

    name: str
    title: str
    files: tuple[str, ...]


@cache
def features() -> dict[str, Feature]:
    """All features by name, in the plan's order. `ResarrayError` for a pattern without a file."""
    found = {}
    for name, entry in tomllib.loads(FILE.read_text()).items():
        files: list[str] = []
        for pattern in entry["files"]:
            matches = sorted(ROOT.glob(pattern))
            if not matches:
                raise ResarrayError(f"{FILE.name}: no file '{pattern}' (feature '{name}')")
            files += [path.relative_to(ROOT).as_posix() for path in matches]
        found[name] = Feature(name, entry["title"], tuple(files))
    return found


def feature_of(path: str) -> Feature | None:
    """The feature that a module belongs to; None for what is in no feature."""
    return next((f for f in features().values() if path in f.files), None)
