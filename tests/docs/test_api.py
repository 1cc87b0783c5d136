"""The example of docs/api.md runs as printed."""

from .extract import ROOT, snippets
from .test_commands import desk as desk  # a fixture
from .test_commands import measured as measured  # another, of which that is made


def test_the_example(desk, monkeypatch):
    (snippet,) = snippets((ROOT / "docs" / "api.md").read_text())
    monkeypatch.chdir(desk)
    names = {}
    exec(compile(snippet, "docs/api.md", "exec"), names)
    assert names["logits"].shape == (2, 10)
    assert names["result"].exact
