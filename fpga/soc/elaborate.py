"""From a board and a configuration to the SoC's files, through LiteX in a process of its own."""

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from resarray.sim import build
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError

from ..boards import Board

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
    folder = build.build_dir() / "soc" / build.digest(*parts)
    if folder.exists():
        return folder
    note(f"elaborating the SoC for '{board.name}'")
    with build.writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent))
        (fresh / "settings.json").write_text(json.dumps(settings))
        (fresh / "resarray.v").write_text(accelerator)
    log = fresh / "litex.log"
    with open(log, "w") as file:
        # LiteX imports what looks like a processor in the current folder.
        result = subprocess.run(
            [sys.executable, "-m", "resarray.fpga.soc.generate", "settings.json"],
            cwd=fresh,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise ResarrayError(
            f"LiteX could not elaborate the SoC: {''.join(last)}; the whole output is in '{log}'"
        )
    try:
        fresh.rename(folder)
    except OSError:  # another process was first
        if not folder.exists():
            raise
    return folder
