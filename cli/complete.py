"""Values that a shell completes; nothing slow is imported, for each press of the tab key."""

from collections.abc import Iterable

from resarray.golden.zoo import NAMES
from resarray.spec.config import PRESETS


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def presets(incomplete: str) -> list[str]:
    """Of ``--preset``."""
    return _starting(PRESETS, incomplete)


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
