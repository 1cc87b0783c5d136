"""The simulator process with cocotb inside."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cocotb_tools.config
import find_libpython

from resarray.spec.errors import ResarrayError

from . import build, cache, children, simulators

POLL_SECONDS = 0.1
ICARUS_DUMP = "-fst"  # format of waveforms

# progress(job, cycles): the program that runs and how far its cycle counter is.
CycleProgress = Callable[[int, int], None]


def environment(simulator: simulators.Simulator, module: str, top: str) -> dict[str, str]:
    """What cocotb reads inside the simulator."""
    libraries = str(cocotb_tools.config.libs_dir)
    return {
        **children.python_environment(),
        "PATH": os.environ.get("PATH", "") + os.pathsep + libraries,
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{find_libpython.find_libpython()};{cocotb_tools.config.pygpi_entry_point()}",
        "COCOTB_TEST_MODULES": module,
        "COCOTB_TOPLEVEL": top,
        "COCOTB_RESULTS_FILE": "results.xml",
        "COCOTB_ANSI_OUTPUT": "0",
        "TOPLEVEL_LANG": "verilog",
        # Ports written by cocotb change in the simulator's own inertial phase.
        "COCOTB_TRUST_INERTIAL_WRITES": "1" if simulator.name == "verilator" else "0",
    }


def simulate(
    binary: build.Build,
    module: str,
    top: str,
    folder: Path,
    progress: CycleProgress = lambda job, cycles: None,
    waves: Sequence[str] | None = None,
) -> None:
    """Run the cocotb tests of ``module`` in ``folder``, output to sim.log there.

    waves: the plusargs of waves.v; None: no waveforms

    `ResarrayError` naming the log, which is kept, when the simulator or a test fails.
    """
    if binary.simulator.name == "icarus":
        vpi = cocotb_tools.config.lib_entry("vpi", "icarus")
        vvp = str(Path(binary.simulator.executable).with_name("vvp"))
        command = [vvp, "-m", vpi, str(binary.binary), "-none" if waves is None else ICARUS_DUMP]
    else:
        command = [str(binary.binary)]
    command += waves or ()
    log = folder / "sim.log"
    with (
        open(log, "w") as file,
        children.start(
            command,
            cwd=folder,
            env=environment(binary.simulator, module, top),
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        while True:
            try:
                process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if (folder / "progress.json").exists():
                    at = json.loads((folder / "progress.json").read_text())
                    progress(at["job"], at["cycles"])
    results = folder / "results.xml"
    text = results.read_text() if results.exists() else ""
    if process.returncode or "<testcase" not in text or "<failure" in text or "<error" in text:
        raise ResarrayError(
            f"the {binary.simulator.name} simulation failed with status {process.returncode}: see "
            f"its log '{cache.keep_log(log)}'"
        )
