"""The SoC's parts that no simulated board has, and its description."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from resarray.fpga.boards import BOARDS, board
from resarray.spec.presets import preset

if importlib.util.find_spec("litex") is None:
    pytest.skip("LiteX is not installed: make bitstream installs it", allow_module_level=True)

from resarray.fpga.soc.elaborate import elaborate

pytestmark = pytest.mark.verifies("board", by="unit")


def test_narrow_bursts_on_a_wide_memory():
    result = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("widen.py"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_elaborates(name, tmp_path, monkeypatch):
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path))
    config = preset("tiny")
    folder = elaborate(board(name), config, "ecp5")
    verilog = (folder / "soc.v").read_text()
    assert verilog.count("\nresarray resarray(") == 1
    # The memory's data pins go both ways.
    assert any("inout" in line and "_dq" in line for line in verilog.splitlines())
    description = json.loads((folder / "soc.json").read_text())
    assert description["board"] == name
    assert description["config_hash"] == f"{config.hash:016x}"
    assert description["memory"]["init"]
    assert description["memory"]["leveling"] == (name == "ecpix5-85f")
    # Made once.
    assert elaborate(board(name), config, "ecp5") == folder
