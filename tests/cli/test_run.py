"""``resarray run``: pictures in, classes out; here on the simulator."""

import json
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from resarray.cli.main import run
from resarray.golden.pipeline import prepare
from resarray.spec.image import load, save
from tests.fpga.test_accelerator import DESCRIPTION

TINY = ["--preset", "tiny"]
MODEL = f"{Path(__file__).parent / 'network.py'}:build"


def test_pictures_on_the_simulator(tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(4)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)).save(pictures / name)
    options = ["--model", MODEL, "--images", str(pictures)]
    program = str(tmp_path / "x.rsa")
    assert run(["compile", *options, "--preset", "tiny", "-o", program]) == 0
    capsys.readouterr()
    files = sorted(map(str, pictures.iterdir()))
    result = tmp_path / "run.json"
    assert run(["run", "--port", "sim", "--json", str(result), program, *files]) == 0
    prepared = prepare(MODEL, images=str(pictures), count=2)
    expected = prepared.expected[prepared.graph.output].reshape(2, -1).argmax(axis=1)
    lines = capsys.readouterr().out.splitlines()
    found = [re.fullmatch(r"(.*): (\d+) \([\d,]+ cycles\)", line) for line in lines]
    assert [match[1] for match in found] == files
    assert [int(match[2]) for match in found] == expected.tolist()
    rows = json.loads(result.read_text())["pictures"]
    assert [row["picture"] for row in rows] == files
    assert [row["class"] for row in rows] == expected.tolist()
    assert [int(np.argmax(row["logits"])) for row in rows] == expected.tolist()


def test_what_cannot_be_run(tmp_path, capsys, monkeypatch):
    program = tmp_path / "x.rsa"
    assert run(["compile", "--model", MODEL, "--images", "digits", *TINY, "-o", str(program)]) == 0
    picture = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)

    def refused(*arguments: str) -> str:
        capsys.readouterr()
        assert run(["run", *map(str, arguments)]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    description = tmp_path / "soc.json"
    assert "cannot read" in refused(program, picture, "--description", description)
    description.write_text('{"baud": 1000000}')
    assert "(field 'board')" in refused(program, picture, "--description", description)
    description.write_text(json.dumps(DESCRIPTION))
    options = ("--description", description, "--port", "/dev/ttyNONE")
    assert "cannot open port '/dev/ttyNONE'" in refused(program, picture, *options)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "serial", None)
        assert "the Python package 'pyserial' is missing" in refused(program, picture, *options)
    assert "none.png" in refused(program, tmp_path / "none.png")
    old = load(program)
    del old.manifest["pixels"]
    save(old, program)
    assert "compile it again" in refused(program, picture, "--port", "sim")
