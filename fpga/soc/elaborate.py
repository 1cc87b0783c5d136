"""From a board and a configuration to the SoC's files, through LiteX in a process of its own."""

import dataclasses
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from resarray.sim import build, cache, children
from resarray.spec.cache import build_folder
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError

from ..boards import Board

MADE = ("soc.v", "soc.lpf", "soc.json", "resarray.v")
PACKAGES = ("litex", "litedram", "litex_boards", "migen")


def require_litex() -> None:
    """`ResarrayError` where a package of LiteX is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ResarrayError(
            f"the Python package '{missing[0]}' is missing, which builds the SoC: run "
            "'make bitstream', which installs it (or pip install 'resarray[fpga]')"
        )


def elaborate(
    board: Board,
    config: Config,
    target: str,
    gap_cycles: int | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Path:
    """A folder with ``soc.v``, ``soc.lpf``, ``soc.json`` and ``resarray.v``; made once.

    target:     of the accelerator's Verilog, see `resarray.hw.verilog`
    gap_cycles: see `SerialBridge`; None: what the protocol says
    """
    require_litex()
    settings = {
        "board": dataclasses.asdict(board),
        "config": dataclasses.asdict(config),
        "gap_cycles": gap_cycles,
    }
    accelerator = build.verilog(config, note, target, models=False)
    versions = [importlib.metadata.version(name.replace("_", "-")) for name in PACKAGES]
    parts = [json.dumps(settings, sort_keys=True), accelerator, *versions]
    parts += [path.read_text() for path in sorted(Path(__file__).parent.glob("*.py"))]
    parts.append(Path(__file__).parents[1].joinpath("protocol.py").read_text())
    folder = build_folder() / "soc" / cache.digest(*parts)

    def make(folder: Path) -> None:
        note(f"elaborating the SoC for '{board.name}'")
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "resarray.v").write_text(accelerator)
        log = folder / "litex.log"
        with open(log, "w") as file:
            # LiteX imports what looks like a processor in the current folder.
            result = children.run(
                [sys.executable, "-m", "resarray.fpga.soc.generate", "settings.json"],
                cwd=folder,
                env={**children.python_environment(), "PYTHONWARNINGS": "ignore"},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if result.returncode:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise ResarrayError(
                f"LiteX could not elaborate the SoC: {''.join(last)}; the whole output is in "
                f"'{cache.keep_log(log)}'"
            )

    return cache.made(folder, MADE, make, note)
