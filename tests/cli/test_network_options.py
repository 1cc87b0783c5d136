"""A user's network and images: options, what is said about them, and sizes from end to end."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resarray.cli.main import run
from resarray.spec.image import load

pytestmark = pytest.mark.verifies("command", by="text")

MODEL = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.conv = nn.Conv2d(channels, 5, 3, 2, 1)
        self.fc = nn.Linear(5, 4)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

def build(channels=3):
    torch.manual_seed(2)
    return Small(channels)

def seven():
    return build(7)
"""


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with a model file and images of several kinds, where the commands run."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODEL)
    rng = np.random.default_rng(8)
    x = rng.integers(0, 256, (6, 10, 14, 3)).astype(np.uint8)
    np.savez("x.npz", x=x, y=np.arange(6) % 4)
    np.save("seven.npy", rng.normal(size=(4, 7, 9, 11)).astype(np.float32))
    for name in ("a", "b"):
        Path("pictures", name).mkdir(parents=True)
        Image.fromarray(x[0]).save(Path("pictures", name, "0.png"))
    Path("names.txt").write_text("ant\nbee\ncat\ndog\n")
    return tmp_path


def compiled(*options: str) -> dict:
    """The manifest of ``resarray compile``."""
    assert run(["compile", "--preset", "tiny", "-o", "x.rsa", *options]) == 0
    return load(Path("x.rsa")).manifest


def refused(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert run([*arguments]) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not re.match(r"  [\d.]+ s$|.* \.\.\.$", line)]
    assert (out, len(lines)) == ("", 1), err
    return lines[0]


NET = ("--model", "net.py:build", "--images", "x.npz")


def test_options_reach_the_program(desk, capsys):
    manifest = compiled(*NET)
    layout = manifest["inputs"][0]["layout"]
    assert (layout["height"], layout["width"]) == (10, 14)
    assert manifest["model"] == "Small"
    assert manifest["pixels"]["mean"] == [0.485, 0.456, 0.406]
    manifest = compiled(
        *NET,
        "--input-size",
        "9x20",
        "--mean",
        "0.5",
        "--std",
        "0.1,0.2,0.3",
        "--classes",
        "names.txt",
        "--name",
        "mine",
    )
    layout = manifest["inputs"][0]["layout"]
    assert (layout["height"], layout["width"]) == (9, 20)
    assert manifest["model"] == "mine"
    assert manifest["pixels"] == {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.1, 0.2, 0.3],
        "classes": ["ant", "bee", "cat", "dog"],
    }
    assert compiled(*NET, "--classes", "w, x,y,z")["pixels"]["classes"] == ["w", "x", "y", "z"]
    assert compiled(*NET, "--input-size", "12")["inputs"][0]["layout"]["width"] == 12


def test_an_assumed_normalisation_is_said_once(desk, capsys):
    compiled(*NET)
    warnings = [w for w in capsys.readouterr().err.splitlines() if w.startswith("warning: ")]
    assert len(warnings) == 1
    assert "model 'Small' was trained with: ImageNet's are assumed" in warnings[0]
    compiled(*NET, "--mean", "0.5", "--std", "0.5")
    assert "warning" not in capsys.readouterr().err
    compiled("--model", "resnet8")
    assert "warning" not in capsys.readouterr().err


def test_calibration_of_a_users_network(desk, capsys):
    sentence = refused(capsys, "compile", "--model", "net.py:build", "-o", "x.rsa")
    assert "give --calibration IMAGES" in sentence
    only = compiled("--model", "net.py:build", "--calibration", "x.npz")
    both = compiled(*NET, "--calibration", "x.npz")
    assert only["tensors"] == both["tensors"]
    assert compiled(*NET, "--calibration", "pictures")["tensors"] != both["tensors"]
    digits = compiled("--model", "net.py:build", "--calibration", "digits", "--input-size", "8")
    assert digits["tensors"] != both["tensors"]


def test_tensors_that_are_ready_have_no_pixels(desk, capsys):
    assert "pixels" not in compiled("--model", "net.py:seven", "--calibration", "seven.npy")
    compiled(*NET)
    options = ("--images", "seven.npy", "--mean", "0.5", "--std", "1")
    manifest = compiled("--model", "net.py:seven", *options)
    assert manifest["pixels"]["mean"] == [0.5] * 7
    assert "used as they are" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--input-size", "wide"), "input size 'wide' is no size"),
        (("--input-size", "8x8x8"), "is no size: give the pixels of a square, as 48, or height"),
        (("--input-size", "8x1024"), "input size 8x1024: model 'Small' takes 1 to 1023 pixels"),
        (("--input-size", "0"), "input size 0"),
        (("--mean", "dark"), "--mean 'dark' is not one number"),
        (("--mean", "0.1,0.2"), "mean has 2 values, model 'Small' takes 3 channels"),
        (("--mean", "120"), "not of pixels scaled to 0..1"),
        (("--std", "0"), "std 0: it must be above 0"),
        (("--std", "nan"), "std nan: it must be a finite number"),
        (("--classes", "none.txt"), "--classes 'none.txt' is no file"),
        (("--classes", "x.npz"), "--classes 'x.npz' cannot be read"),
        (("--classes", "a,,b,c"), "has an empty name"),
        (("--classes", "a,b"), "2 class names are given, model 'Small' has 4 classes"),
        (("--name", ""), "1 to 80 characters"),
        (("--calibration", "none"), "images 'none' not found"),
        (("--calibration", "seven.npy"), "are of two kinds, pixels and float tensors"),
    ],
)
def test_refused(desk, capsys, options, message):
    """By each of the commands in turn: they share the options."""
    command = ("sim", "accuracy", "compile")[sum(map(len, options)) % 3]
    output = {"sim": ["--preset", "tiny"], "accuracy": [], "compile": ["-o", "x.rsa"]}[command]
    assert message in refused(capsys, command, *NET, *options, *output)
    assert not Path("x.rsa").exists()


def test_pictures_of_several_sizes_need_one(desk, capsys):
    Image.new("L", (5, 5)).save("pictures/a/1.png")
    options = ("--model", "net.py:build", "--images", "pictures", "-o", "x.rsa")
    sentence = refused(capsys, "compile", *options)
    assert "are of several: give --input-size 48 or 48x80 (height x width)" in sentence


def test_accuracy_of_a_users_network(desk, capsys):
    assert run(["accuracy", *NET, "--name", "mine", "--json", "a.json"]) == 0
    assert "mine at 10x14 on 6 images of x.npz" in capsys.readouterr().out
    found = json.loads(Path("a.json").read_text())
    assert found["input_size"] == [10, 14]
    assert "ImageNet's are assumed" in found["warnings"][0]


@pytest.mark.parametrize("options", [NET, ("--model", "net.py:seven", "--images", "seven.npy")])
def test_not_square_on_the_rtl(desk, capsys, options):
    assert run(["sim", "--preset", "tiny", *options, "--count", "2", "--json", "o.json"]) == 0
    size = json.loads(Path("o.json").read_text())["input_size"]
    assert f"Small at {size[0]}x{size[1]}" in capsys.readouterr().out
    assert run(["report", "o.json", "--out", "page"]) == 0
    assert f"Small at {size[0]}×{size[1]}, preset tiny" in Path("page/report.md").read_text()


def test_pictures_of_a_board_need_not_be_square(desk, capsys):
    compiled(*NET, "--mean", "0.5", "--std", "0.5")
    assert run(["run", "--port", "sim", "x.rsa", "pictures/a/0.png", "--json", "r.json"]) == 0
    assert (
        run(["sim", "--preset", "tiny", *NET, "--mean", "0.5", "--std", "0.5", "--json", "o.json"])
        == 0
    )
    (row,) = json.loads(Path("r.json").read_text())["pictures"]
    result = json.loads(Path("o.json").read_text())
    assert row["class"] == result["predictions"][0]["rtl"]
    manifest = compiled(
        "--model", "net.py:seven", "--images", "seven.npy", "--mean", "0", "--std", "1"
    )
    assert manifest["pixels"]
    sentence = refused(capsys, "run", "--port", "sim", "x.rsa", "pictures/a/0.png")
    assert "takes 7 channels, pictures have 1 or 3" in sentence
