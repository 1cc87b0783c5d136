"""A measured result of a small network, and what is done to it."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from resarray.cli.main import run
from resarray.sim.format import to_json
from tests.cli.test_commands import MODEL


@pytest.fixture(scope="session")
def measured(tmp_path_factory) -> Path:
    """Result file of a tiny network on the RTL, two pictures."""
    path = tmp_path_factory.mktemp("measured") / "result.json"
    simulator = "verilator" if shutil.which("iverilog") is None else "icarus"
    options = ["--model", MODEL, "--preset", "tiny", "--sim", simulator, "--count", "2"]
    assert run(["sim", *options, "--json", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def inspected(tmp_path_factory) -> Path:
    """What ``resarray inspect`` found of that network."""
    path = tmp_path_factory.mktemp("inspected") / "network.json"
    assert run(["inspect", MODEL, "--preset", "tiny", "--json", str(path)]) == 0
    return path


@pytest.fixture
def result(measured) -> dict:
    """Its content, to be changed."""
    return json.loads(measured.read_text())


@pytest.fixture
def altered(result, tmp_path) -> Callable[[Callable[[dict], object]], Path]:
    """Writes the result after a change, with a digest that fits."""

    def write(change: Callable[[dict], object], name: str = "altered.json") -> Path:
        content = copy.deepcopy(result)
        change(content)
        path = tmp_path / name
        path.write_bytes(to_json(content))
        return path

    return write


def falsify(result: dict) -> None:
    """Make it a result with three wrong values in its first tensor."""
    wrong = {"mismatches": 3, "first": {"position": [1, 2, 0, 3], "expected": 5, "got": -7}}
    result["tensors"][0] |= wrong
    result["layers"][0]["mismatches"] = 3
    result |= {"mismatches": 3, "bit_exact": False}
