"""resarray: residual networks on FPGAs, bit for bit.

::

    import resarray

    network = resarray.load("my_model.py:build")
    quantised = network.quantise("pictures/")
    program = quantised.compile(preset="default", batch=4)
    result = program.simulate("pictures/")

The source folders at the top of the repository are its subpackages: ``resarray/spec`` is a link to
``spec/``, ``resarray/golden`` to ``golden/`` and so on. Edit the folders at the top.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resarray.api.board import Board, open
    from resarray.api.inspection import Inspection
    from resarray.api.network import Network, load
    from resarray.api.program import Program
    from resarray.api.quantised import Quantised
    from resarray.api.simulation import Simulation
    from resarray.spec.errors import ResarrayError

__version__ = "0.1.0"

__all__ = [
    "Board",
    "Inspection",
    "Network",
    "Program",
    "Quantised",
    "ResarrayError",
    "Simulation",
    "load",
    "open",
]

# Imported when first asked for (PEP 562): PyTorch takes seconds.
_MODULES = {
    "Board": "resarray.api.board",
    "Inspection": "resarray.api.inspection",
    "Network": "resarray.api.network",
    "Program": "resarray.api.program",
    "Quantised": "resarray.api.quantised",
    "ResarrayError": "resarray.spec.errors",
    "Simulation": "resarray.api.simulation",
    "load": "resarray.api.network",
    "open": "resarray.api.board",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
