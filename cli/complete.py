"""Values that a shell completes; nothing slow is imported, for each press of the tab key."""

import dataclasses
from collections.abc import Iterable

from resarray.golden.networks.names import NAMES
from resarray.spec.config import PRESETS, Config


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def presets(incomplete: str) -> list[str]:
    """Of ``--preset``: presets, and fields after a comma; a shell completes files itself."""
    before, comma, field = incomplete.rpartition(",")
    if not comma:
        return _starting(PRESETS, incomplete)
    given = {change.partition("=")[0] for change in before.split(",")}
    fields = [f.name for f in dataclasses.fields(Config) if f.name not in given]
    return [f"{before},{name}=" for name in _starting(fields, field)]


def models(incomplete: str) -> list[str]:
    """Of ``--model``: the zoo's; a shell completes files itself."""
    return _starting(NAMES, incomplete)


def boards(incomplete: str) -> list[str]:
    """Of ``--board``."""
    from resarray.fpga.boards import BOARDS

    return _starting(BOARDS, incomplete)


def devices(incomplete: str) -> list[str]:
    """Of ``--device``."""
    from resarray.fpga.devices import DEVICES

    return _starting(DEVICES, incomplete)


def cases(incomplete: str) -> list[str]:
    """Of ``bench --only``."""
    from resarray.bench.cases import CASES

    from .bench import LAYERS, SCALING

    return _starting([*(case.name for case in CASES), SCALING, LAYERS], incomplete)


def simulators(incomplete: str) -> list[str]:
    """Of ``--sim``."""
    from resarray.sim.simulators import SIMULATORS

    return _starting(SIMULATORS, incomplete)
