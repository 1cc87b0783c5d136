"""``verification/waivers.toml``: what coverage does not ask for, and why."""

import fnmatch
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from ...spec.config import Config
from ...spec.errors import ResarrayError

PATH = Path(__file__).parents[1] / "waivers.toml"
# Of each kind: what its patterns are called.
KINDS = {"toggle": "signals", "line": "lines", "bin": "bins"}
LIMITS = ("below", "at_most", "multiple_of")
KEYS = {"reason", "presets", "bits", *LIMITS, *KINDS.values()}


@dataclass
class Waiver:
    """One entry of the file.

    waived, reached: points it matched that were missed, and that were reached all the same
    """

    kind: str
    patterns: tuple[str, ...]
    reason: str
    presets: tuple[str, ...] = ()
    bits: tuple[int, int] | None = None
    limit: tuple[str, str] | None = None
    waived: int = 0
    reached: int = 0
    _matched: dict[str, bool] = field(default_factory=dict, repr=False)

    def matches(self, config: Config, name: str, bit: int = 0) -> bool:
        if self.presets and config.name not in self.presets:
            return False
        if name not in self._matched:
            self._matched[name] = any(_like(name, pattern) for pattern in self.patterns)
        return self._matched[name] and self._takes(config, bit)

    def _takes(self, config: Config, bit: int) -> bool:
        if self.bits is not None:
            return self.bits[0] <= bit <= self.bits[1]
        if self.limit is None:
            return True
        key, text = self.limit
        parts = text.split("*")
        value = math.prod(int(p) if p.isdigit() else int(getattr(config, p)) for p in parts)
        if key == "multiple_of":
            return bit < (value & -value).bit_length() - 1
        return bit >= (value - (key == "below")).bit_length()


def _like(name: str, pattern: str) -> bool:
    # Brackets and the like are part of a name.
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def read(path: Path = PATH) -> list[Waiver]:
    """All waivers; `ResarrayError` says what is wrong with one."""
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResarrayError(f"cannot read the waivers '{path}': {error}") from error
    waivers = []
    for kind, entries in found.items():
        if kind not in KINDS or not isinstance(entries, list):
            raise ResarrayError(f"'{path}': [[{kind}]] is none of {', '.join(KINDS)}")
        waivers += [
            _waiver(kind, entry, f"'{path}', [[{kind}]] {n}") for n, entry in enumerate(entries, 1)
        ]
    return waivers


def _waiver(kind: str, entry: dict, what: str) -> Waiver:
    if unknown := set(entry) - KEYS:
        raise ResarrayError(f"{what}: there is no key '{min(unknown)}'")
    patterns, reason = entry.get(KINDS[kind]), entry.get("reason")
    if not patterns or not isinstance(patterns, list) or not isinstance(reason, str) or not reason:
        raise ResarrayError(f"{what} needs a list '{KINDS[kind]}' and a reason")
    limits = [(key, str(entry[key])) for key in LIMITS if key in entry]
    if len(limits) + ("bits" in entry) > 1:
        raise ResarrayError(f"{what}: give one of bits, {', '.join(LIMITS)}")
    for _, text in limits:
        for part in text.split("*"):
            if not part.isdigit() and part not in Config.__dataclass_fields__:
                raise ResarrayError(
                    f"{what}: '{part}' is no number and no field of a configuration"
                )
    return Waiver(
        kind,
        tuple(patterns),
        reason,
        tuple(entry.get("presets", ())),
        tuple(entry["bits"]) if "bits" in entry else None,
        limits[0] if limits else None,
    )


def require_used(waivers: list[Waiver], presets: list[str]) -> None:
    """`ResarrayError` for the first that matched nothing on ``presets``, which it is for."""
    for waiver in waivers:
        meant = not waiver.presets or set(waiver.presets) & set(presets)
        if meant and not waiver.waived and not waiver.reached:
            raise ResarrayError(
                f"the waiver of {', '.join(waiver.patterns)} matches nothing: take it out of "
                f"'{PATH.name}'"
            )
