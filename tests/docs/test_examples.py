"""The quickest example runs; the others (``make examples``) can at least be read."""

import re
import shutil
import subprocess
import sys

import pytest

from .extract import ROOT

pytestmark = pytest.mark.verifies("documentation", by="text")

EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("iverilog"), reason="no Icarus Verilog: apt install iverilog")
def test_the_broken_bit_is_found():
    result = subprocess.run(
        [sys.executable, "examples/06_broken_bit.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "only column 2 is wrong" in result.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_cells_and_on_the_page(path):
    text = path.read_text()
    compile(text, path.name, "exec")
    assert len(re.findall(r"^# %% \S", text, re.M)) >= 3
    assert f"examples/{path.name}" in (ROOT / "docs" / "examples.md").read_text()
    assert f".venv/bin/python examples/{path.name}" in text
