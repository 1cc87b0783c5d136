"""``resarray train`` with options: what it writes, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from resarray.cli.main import run

pytestmark = pytest.mark.verifies("command", by="text")

MODEL = ["--model", f"{Path(__file__).parent / 'network.py'}:build"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    np.savez("x.npz", x=pixels, y=np.arange(40) % 4)
    return tmp_path


def test_all_that_is_written(desk, capsys):
    options = [*MODEL, "--images", "x.npz", "--epochs", "2", "--validation", "0.25", "--flip"]
    written = ["--checkpoint", "c.pth", "--json", "t.json", "--curves", "t.html"]
    assert run(["train", *options, "-o", "w.safetensors", *written]) == 0
    out, err = capsys.readouterr()
    assert "weights of Sequential: w.safetensors, top-1" in out and "epoch 2 of 2: loss" in err
    found = json.loads(Path("t.json").read_text())
    assert [row["epoch"] for row in found["epochs"]] == [1, 2]
    assert found["images"] == 30 and found["settings"]["augment"]["flip"]
    page = Path("t.html").read_text()
    assert "Plotly.newPlot" in page and "<script src" not in page and len(page) > 1_000_000
    weights = ["--weights", "w.safetensors"]
    assert run(["accuracy", *MODEL, *weights, "--images", "x.npz", "--json", "a.json"]) == 0
    options += ["--resume", "c.pth", "-o", "again.safetensors"]
    assert run(["train", *options]) == 0
    assert Path("again.safetensors").read_bytes() == Path("w.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["resnet8", *MODEL], "two models are given"),
        ([*MODEL, "--images", "x.npz"], "nothing says where the trained weights go: give -o FILE"),
        ([*MODEL, "--epochs", "0", "-o", "w.pth"], "--epochs 0: 1 to 100000 is allowed"),
        ([*MODEL, "--qat", "--device", "cuda", "-o", "w.pth"], "--device cuda"),
        ([*MODEL, "--images", "none", "-o", "w.pth"], "images 'none' not found"),
        ([*MODEL, "--images", "x.npz", "-o", "w.onnx"], "the name must end in .pth"),
        ([*MODEL, "--resume", "x.npz", "-o", "w.pth"], "(it is none, or damaged): give a file"),
        ([*MODEL, "--seed", "99999999999999999999999", "-o", "w.pth"], "--seed"),
        ([*MODEL, "--seed", "-1", "-o", "w.pth"], "--seed"),
        ([*MODEL, "--validation", "1", "-o", "w.pth"], "--validation 1: give a fraction"),
        ([*MODEL, "--validation", "nan", "-o", "w.pth"], "--validation nan: give a fraction"),
        ([*MODEL, "--images", "x.npz", "--crop", "8", "-o", "w.pth"], "0 to 7 is allowed"),
    ],
)
def test_what_is_refused(desk, capsys, options, sentence):
    assert run(["train", *options]) == 2
    err = capsys.readouterr().err
    assert sentence in err and "Traceback" not in err
    assert sorted(path.name for path in Path().iterdir()) == ["x.npz"]
