"""Commands that succeed, and the exit status of a mismatch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resarray.cli.main import run
from resarray.golden import pipeline
from resarray.sim import run as sim_run
from resarray.spec.registers import COUNTERS, PROFILE_FIELDS

pytestmark = pytest.mark.verifies("command", by="text")

MODEL = f"{Path(__file__).parent / 'network.py'}:build"
RESULT_FIELDS = {
    "format",
    "digest",
    "model",
    "input_size",
    "images",
    "simulator",
    "preset",
    "bit_exact",
    "tensors_compared",
    "mismatches",
    "macs",
    "cycles",
    "utilization",
    "multipliers",
    "macs_per_multiplier_cycle",
    "sim_seconds",
    "cycles_per_second",
    "top1",
    "layers",
}
LAYER_FIELDS = {
    "name",
    "op",
    "macs",
    "cycles",
    "utilization",
    "bytes_read",
    "bytes_written",
    "mismatches",
}


@pytest.fixture
def rtl(monkeypatch):
    """Replaces the simulation by the golden tensors; returns how many values to falsify."""
    prepared, wrong = [], {"values": 0}
    original = pipeline.prepare

    def remember(**arguments):
        prepared.append(original(**arguments))
        return prepared[-1]

    def run_many(programs, progress, **_):
        results = []
        for job, (image, _inputs) in enumerate(programs):
            expected = prepared[-1].expected
            tensors = {
                tensor["name"]: expected[tensor["name"]][job : job + 1].copy()
                for tensor in image.manifest["tensors"]
            }
            next(iter(tensors.values())).reshape(-1)[: wrong["values"]] ^= 1
            layers = len(image.manifest["layers"])
            results.append(
                sim_run.RunResult(
                    tensors=tensors,
                    counters=dict.fromkeys(COUNTERS, 100 * layers),
                    layers=[dict.fromkeys(PROFILE_FIELDS, 100)] * layers,
                    sim_seconds=0.5,
                )
            )
            progress(job, 100 * layers)
        return results

    monkeypatch.setattr(pipeline, "prepare", remember)
    monkeypatch.setattr(sim_run, "run_many", run_many)
    return wrong


def simulate(tmp_path: Path, *options: str) -> tuple[int, dict]:
    path = tmp_path / "out.json"
    status = run(["sim", "--model", MODEL, "--preset", "tiny", "--json", str(path), *options])
    return status, json.loads(path.read_text())


def test_result_and_table(rtl, tmp_path, capsys):
    status, result = simulate(tmp_path, "--count", "2")
    assert status == 0
    assert result.keys() >= RESULT_FIELDS
    assert all(layer.keys() >= LAYER_FIELDS for layer in result["layers"])
    assert result["bit_exact"] is True
    assert result["images"] == 2
    assert result["input_size"] == [8, 8]
    assert set(result["top1"]) == {"float", "int8", "rtl"}
    # 4x4 outputs of 3x3x3x4 weights, and 4x10, twice
    assert result["macs"] == 2 * (4 * 4 * 27 * 4 + 40)
    assert result["cycles"] == 200 * len(result["layers"])
    assert result["utilization"] == pytest.approx(result["macs"] / (16 * result["cycles"]))
    assert result["multipliers"] == 10
    assert result["macs_per_multiplier_cycle"] == pytest.approx(
        result["macs"] / (10 * result["cycles"])
    )
    out = capsys.readouterr().out
    assert "BIT-EXACT" in out
    assert "utilisation" in out
    assert "image 1: label" in out


def test_mismatch_is_status_1_and_still_written(rtl, tmp_path, capsys):
    rtl["values"] = 3
    status, result = simulate(tmp_path)
    assert status == 1
    assert result["bit_exact"] is False
    assert result["mismatches"] == 3
    assert sum(layer["mismatches"] for layer in result["layers"]) == 3
    first = result["tensors"][0]["first"]
    assert first["position"] == [0, 0, 0, 0]
    assert first["got"] == first["expected"] ^ 1
    out = capsys.readouterr().out
    assert "MISMATCH: 3 values differ" in out
    assert "first at [image, c, h, w] = [0, 0, 0, 0]" in out


def test_compile_then_disassemble_and_run_the_image(rtl, tmp_path, capsys):
    path, json_path = tmp_path / "net.rsa", tmp_path / "net.json"
    options = ["--model", MODEL, "--images", "digits", "--preset", "tiny"]
    options += ["--json", str(json_path)]
    assert run(["compile", *options, "-o", str(path)]) == 0
    facts = json.loads(json_path.read_text())
    assert f"{facts['instructions']:,} instructions" in capsys.readouterr().out
    assert facts["predicted_cycles"] == sum(row["predicted_cycles"] for row in facts["layers"])
    assert run(["disasm", str(path), "--json", str(json_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(json_path.read_text())["instructions"]
    assert len(found) == len(lines) == facts["instructions"]
    for line, instruction in zip(lines, found, strict=True):
        assert f" {instruction['engine'].lower()}#{instruction['place']} " in line
    assert any("compute#1" in line for line in lines)
    for count in (1, 2):
        status, result = simulate(tmp_path, "--image", str(path), "--count", str(count))
        assert status == 0
        assert result["bit_exact"]
        assert result["images"] == count
    status, result = simulate(tmp_path, "--image", str(path), "--preset", "tiny,name=mine")
    assert status == 0
    assert result["preset"] == result["config"]["name"] == "mine"


def test_accuracy(tmp_path, capsys):
    path = tmp_path / "accuracy.json"
    assert run(["accuracy", "--model", MODEL, "--count", "40", "--json", str(path)]) == 0
    assert "on 40 images of digits" in capsys.readouterr().out
    assert json.loads(path.read_text())["count"] == 40


def test_simulation_end_to_end(tmp_path):
    """The installed command, the real RTL: bit-exact."""
    path = tmp_path / "out.json"
    command = [str(Path(sys.executable).with_name("resarray")), "sim", "--model", MODEL]
    command += ["--preset", "tiny", "--stalls", "0.2", "--seed", "5", "--json", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(path.read_text())
    assert found["bit_exact"]
    assert found["cycles"] == sum(layer["cycles"] for layer in found["layers"])
    assert found["cycles"] > 0
    assert sum(found["timeline"]["counts"]["compute"]) == found["counters"]["BUSY"]
    assert np.isfinite(found["cycles_per_second"])


def test_exit_status_of_the_command():
    command = [str(Path(sys.executable).with_name("resarray")), "sim", "--preset", "huge"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: unknown preset 'huge'")
    assert "Traceback" not in result.stderr
