"""``resarray run``: pictures in, classes out; here on the simulator."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resarray.cli.main import run
from resarray.fpga.host.accelerator import Accelerator
from resarray.golden.pipeline import prepare
from resarray.spec.image import load, save
from tests.fpga.test_accelerator import DESCRIPTION

pytestmark = pytest.mark.verifies("command", by="text")

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


class Board:
    """Stands in for a board: class number 1 + how often the program ran."""

    def __init__(self, batch: int):
        self.batch, self.runs = batch, []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return

    def load(self, image):
        self.image = image

    def write_inputs(self, inputs):
        assert len(inputs) == self.batch
        self.inputs = inputs

    def run(self, timeout):
        self.runs.append(self.inputs)

    def tensors(self, names):
        logits = np.zeros((self.batch, 10, 1, 1), np.int8)
        logits[:, len(self.runs)] = 1
        return dict.fromkeys(names, logits)

    def counters(self):
        return {"CYCLES": 1234}


def test_a_batch_is_filled_up_on_a_board_only(tmp_path, capsys, monkeypatch):
    program, result = tmp_path / "x.rsa", tmp_path / "out.json"
    options = ["--model", MODEL, "--images", "digits", "--preset", "tiny", "--batch", "4"]
    assert run(["compile", *options, "-o", str(program)]) == 0
    pictures = [str(tmp_path / f"{number}.png") for number in range(5)]
    for number, path in enumerate(pictures):
        Image.fromarray(np.full((8, 8, 3), 50 * number, np.uint8)).save(path)
    capsys.readouterr()
    assert run(["run", "--port", "sim", str(program), *pictures]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: the program runs batches of 4 pictures, 5 given: the simulation would" in err
    assert "give a multiple of 4" in err

    board = Board(4)
    monkeypatch.setattr(Accelerator, "open", lambda *arguments, **options: board)
    assert run(["run", "--port", "x", "--json", str(result), str(program), *pictures]) == 0
    out, err = capsys.readouterr()
    assert f"the last batch of 4 is filled up with 3 copies of '{pictures[-1]}'" in err
    assert out.splitlines() == [
        f"{path}: {1 if number < 4 else 2} (1,234 cycles for 4 pictures)"
        for number, path in enumerate(pictures)
    ]
    assert len(board.runs) == 2
    assert all((image == board.runs[1][0]).all() for image in board.runs[1])
    found = json.loads(result.read_text())
    assert (found["batch"], found["filled_up"], len(found["pictures"])) == (4, 3, 5)


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
