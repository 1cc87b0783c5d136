"""The example of docs/api.md runs as printed."""

import shutil

import numpy as np
from PIL import Image

from .extract import ROOT, snippets


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
    assert names["logits"].shape == (2, 10)
    assert names["result"].exact
