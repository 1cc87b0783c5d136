"""The example of docs/api.md runs as printed."""

import shutil

import numpy as np
import pytest
from PIL import Image

from .extract import ROOT, snippets

pytestmark = pytest.mark.verifies("documentation", by="text")


def test_the_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "cli" / "network.py", "my_model.py")
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(5)
    for name in ("cat.png", "dog.png", "pictures/bird.png", "pictures/fish.png"):
        Image.fromarray(rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)).save(name)
    (snippet,) = snippets((ROOT / "docs" / "api.md").read_text())
    names = {}
    exec(compile(snippet, "docs/api.md", "exec"), names)
    result, logits = names["result"], names["logits"]
    (values,) = result.outputs.values()
    tensor = names["quantised"].graph.tensors[names["quantised"].graph.output]
    assert result.exact
    assert result.cycles == names["board"].cycles
    steps = values[:, :, 0, 0].astype(np.float32) - tensor.zero_point
    assert (logits == steps * np.float32(tensor.scale)).all()
    floats = names["quantised"].golden(["cat.png", "dog.png"]).float_logits
    assert np.abs(logits - floats).max() < 3 * tensor.scale
