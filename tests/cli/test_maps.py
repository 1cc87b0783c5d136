"""Networks that return maps, or several tensors, through every command."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resarray.cli.main import run
from resarray.golden.pipeline import prepare

pytestmark = pytest.mark.verifies("command", by="text")

NETWORK = Path(__file__).parent / "network.py"
OPTIONS = ["--images", "digits", "--preset", "tiny"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Results of a network that returns a map first, and a vector first."""
    folder = tmp_path_factory.mktemp("maps")
    for name in ("Maps", "VectorFirst"):
        options = ["--model", f"{NETWORK}:{name}", "--json", f"{folder}/{name}.json"]
        assert run(["sim", *options, *OPTIONS, "--count", "2"]) == 0
    return folder


def test_a_map_has_an_error_in_place_of_classes(simulated, tmp_path, capsys):
    found = json.loads((simulated / "Maps.json").read_text())
    assert found["bit_exact"] and found["images"] == 2
    assert found["predictions"] == [] and set(found["top1"].values()) == {None}
    assert [output["shape"] for output in found["outputs"]] == [[10, 4, 4], [10, 1, 1]]
    prepared = prepare(f"{NETWORK}:Maps", images="digits", count=2)
    for output in found["outputs"]:
        name = output["tensor"]
        y, real = prepared.graph.tensors[name], prepared.float_outputs[name].astype(float)
        error = y.scale * (prepared.expected[name].astype(float) - y.zero_point) - real
        decibels = 10 * np.log10(np.square(real).sum() / np.square(error).sum())
        assert output["sqnr_db"] == pytest.approx(decibels)
    assert run(["report", str(simulated / "Maps.json"), "--out", str(tmp_path)]) == 0
    sentence = f"output conv, 10×4×4, has an SQNR of {found['outputs'][0]['sqnr_db']:.1f} dB"
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text()
        assert sentence in text and "same class" not in text


def test_a_vector_has_classes(simulated, tmp_path):
    found = json.loads((simulated / "VectorFirst.json").read_text())
    assert len(found["predictions"]) == 2 and len(found["outputs"]) == 2
    assert run(["report", str(simulated / "VectorFirst.json"), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "report.md").read_text()
    assert "choose the same class" in text and "output conv, 10×4×4" in text


def test_the_terminal_says_it(capsys):
    options = ["--model", f"{NETWORK}:Maps", "--count", "1", *OPTIONS]
    assert run(["sim", *options]) == 0
    out = capsys.readouterr().out
    assert "output conv, 10x4x4: SQNR" in out and "output mean, 10x1x1: SQNR" in out
    assert "label" not in out


def test_accuracy_needs_classes(capsys):
    assert run(["accuracy", "--model", f"{NETWORK}:Maps", "--images", "digits"]) == 2
    err = capsys.readouterr().err
    assert "returns [10, 4, 4], a map without classes, and the accuracy counts those of" in err


@pytest.mark.parametrize("name", ["Maps", "VectorFirst"])
def test_run_writes_every_output(tmp_path, capsys, name):
    program, picture, result = tmp_path / "x.rsa", tmp_path / "a.png", tmp_path / "run.json"
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(picture)
    model = ["--model", f"{NETWORK}:{name}", "--images", str(picture)]
    assert run(["compile", *model, "--preset", "tiny", "-o", str(program)]) == 0
    assert run(["run", "--port", "sim", "--json", str(result), str(program), str(picture)]) == 0
    assert ("no classes" in capsys.readouterr().out) == (name == "Maps")
    (row,) = json.loads(result.read_text())["pictures"]
    prepared = prepare(f"{NETWORK}:{name}", images=str(picture))
    values = {n: prepared.expected[n][0] for n in prepared.graph.outputs}
    if name == "VectorFirst":
        assert row["logits"] == values.pop(prepared.graph.output).flatten().tolist()
    assert row["outputs"] == {n: v.tolist() for n, v in values.items()}
