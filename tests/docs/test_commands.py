"""Every command in the documentation runs as printed, or is listed here with the reason why not."""

import json
import os
import re
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resarray.cli.main import run
from resarray.fpga.host.accelerator import Accelerator
from resarray.golden.models import find_model
from resarray.golden.user_model import load_module
from resarray.hw.verilog import generate
from resarray.spec.image import load
from resarray.spec.presets import preset
from tests.report.conftest import inspected as inspected  # fixtures
from tests.report.conftest import measured as measured
from tests.report.test_report import SYNTH

from .extract import PAGES, ROOT, blocks, commands, mentions, snippets

pytestmark = pytest.mark.verifies("documentation", by="text")

QUICK = {
    "resarray doctor",
    "resarray inspect my_model.py:build --preset tiny --preset default --json net.json "
    "--html net.html",
    "resarray presets",
    "resarray presets --json presets.json",
    "resarray compile --preset small,columns=8,name=narrow --model resnet8 -o narrow.rsa",
    "resarray compile --preset mine.toml --model resnet8 -o mine.rsa",
    "resarray compile --preset mine.toml,lanes=8 --model resnet8 -o mine8.rsa",
    "resarray compile --preset 25f --model resnet8 -o resnet8.rsa",
    "resarray accuracy --model my_model.py:build --images data.npz --mean 0.5 --std 0.25",
    "resarray accuracy --model my_model.py:build --weights w.pth --images data.npz",
    "resarray train --model my_model.py:build --images pictures --weights w.pth --qat --epochs 1 "
    "-o q.pth",
    "resarray compile --model my_model.py:build --calibration pictures --input-size 24x32 -o a.rsa",
    "resarray compile --model my_model.py:build --weights w.pth --calibration pictures "
    "--preset tiny -o a.rsa",
    "resarray report a.json --out build/report",
    "resarray report a.json b.json c.json --synth synth.json --inspection net.json",
    "resarray sim --model my_model.py:build --weights w.pth --images pictures/ --preset tiny",
    "resarray sim --model network.onnx --images pictures/ --mean 0.5 --std 0.25 --preset tiny",
}
# Minutes each: with RESARRAY_SLOW=1.
SLOW = {
    "make sim",
    "make sim SIM=icarus PRESET=tiny MODEL=resnet8",
    "make sim MODEL=resnet20 WEIGHTS=resnet20.th IMAGES=pictures/ INPUT_SIZE=32",
    "make sim WAVES=1 LAYER=layer1.0.conv1",
    "make report",
    "make report MODEL=resnet20 PRESET=small INPUT_SIZE=32 COUNT=4",
    ".venv/bin/resarray sim --model my_model.py:build --images data.npz --json out.json",
    ".venv/bin/resarray sim --preset default,columns=16",
    "resarray sim --model resnet18 --input-size 224 --json a.json",
    "resarray run --port sim resnet8.rsa cat.png",
    "resarray accuracy --model my_model.py:build --images data.npz --crops 10 --json accuracy.json",
    "resarray train --model my_model.py:build --images pictures --epochs 2 --validation 0.3 "
    "-o w.safetensors --json train.json --curves train.html",
    "resarray train resnet20 -o resnet20.th",
    "resarray accuracy --model resnet18 --input-size 224 --count 64 --jobs 2 --json speed.json",
}
# What must have run before.
FIRST = {
    "resarray run --port sim resnet8.rsa cat.png": (
        "resarray compile --preset 25f --model resnet8 -o resnet8.rsa"
    ),
    "make sim MODEL=resnet20 WEIGHTS=resnet20.th IMAGES=pictures/ INPUT_SIZE=32": (
        "resarray train resnet20 -o resnet20.th"
    ),
}
NOT_RUN = {
    "make test": "is what runs this",
    "make docs": "test_site.py does the same elsewhere",
    "make examples": "takes minutes; test_examples.py runs the quickest",
    ".venv/bin/python examples/01_own_network.py": "make examples runs it",
    ".venv/bin/python examples/03_own_preset.py": "make examples runs it",
    ".venv/bin/python examples/06_broken_bit.py": "test_examples.py runs it",
    "resarray doctor --clear-cache": "would build everything again for the tests that follow",
    'make sim PIP_OPTIONS="--extra-index-url ADDRESS"': "needs an address",
    "pip install -e '.[tflite]'": "needs an index of packages",
    "resarray sim --model net.pt2 --images pictures/": "test_pt2_file.py reads such a file",
    "resarray sim --model net.tflite --images pictures/ --mean 0 --std 1": (
        "tests/golden/importers/test_tflite.py makes such a file and runs it"
    ),
    "make bitstream": "places and routes for ten minutes",
    "make bitstream BOARD=ulx3s-25f": "places and routes for six minutes",
    "make program BOARD=ulx3s-25f": "needs a board",
    "resarray run --port /dev/ttyUSB0 --board ulx3s-25f resnet8.rsa cat.png dog.png": (
        "needs a board"
    ),
    "resarray synth --preset default --device 85f --seeds 3 --json out.json": (
        "places and routes for half an hour"
    ),
}
slow = pytest.mark.skipif(not os.environ.get("RESARRAY_SLOW"), reason="set RESARRAY_SLOW=1")
PRINTED = sorted({command for page in PAGES for command in commands(page.read_text())})
# What runs on a simulated board, with inputs of the program's shape; test_api has the API's.
SNIPPETS = [
    snippet for page in PAGES if page.name != "api.md" for snippet in snippets(page.read_text())
]

IMAGES = torch.randn(4, 3, 8, 8)


@pytest.fixture
def desk(measured, inspected, tmp_path) -> Path:
    """A copy of the repository's folder by links, with the files that the commands name."""
    for path in ROOT.iterdir():
        if path.name != "build":
            (tmp_path / path.name).symlink_to(path)
    for name in ("a.json", "b.json", "c.json"):
        shutil.copy(measured, tmp_path / name)
    shutil.copy(inspected, tmp_path / "net.json")
    config_hash = json.loads(measured.read_text())["config_hash"]
    (tmp_path / "synth.json").write_text(json.dumps(SYNTH | {"config_hash": config_hash}))
    shutil.copy(ROOT / "tests" / "cli" / "network.py", tmp_path / "my_model.py")
    page = (ROOT / "docs" / "presets.md").read_text()
    preset_file = next(lines for language, lines in blocks(page) if language == "toml")
    (tmp_path / "mine.toml").write_text("\n".join(preset_file))
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (12, 16, 16, 3)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x=pixels, y=np.arange(12) % 10)
    weights = load_module(tmp_path / "my_model.py", "build").state_dict()
    torch.save({"model_state_dict": weights}, tmp_path / "w.pth")
    classes = [f"pictures/{number}" for number in range(10)]
    for name in classes:
        (tmp_path / name).mkdir(parents=True)
    for name in ("cat.png", "dog.png", *(f"{name}/0.png" for name in classes)):
        Image.fromarray(pixels[0]).save(tmp_path / name)
    return tmp_path


def execute(command: str, folder: Path) -> None:
    """Run a command in a shell whose PATH has the project's tools; it must succeed."""
    tools = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=os.environ | {"PATH": tools},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_command_is_in_one_list():
    known = [*QUICK, *SLOW, *NOT_RUN]
    assert sorted(known) == PRINTED


@pytest.mark.parametrize(
    "command",
    [*sorted(QUICK), *(pytest.param(command, marks=slow) for command in sorted(SLOW))],
)
def test_command(desk, command):
    if ".onnx" in command:
        onnx = pytest.importorskip("onnx", reason="no onnx: install the extra [onnx]")
        from tests.golden.importers.onnx_networks import residual

        onnx.save(residual(1), desk / "network.onnx")
    if command in FIRST:
        execute(FIRST[command], desk)
    execute(command, desk)


def options_of(command: str, capsys) -> set[str]:
    """What the help of a ``resarray`` command lists."""
    assert run([command, "--help"]) == 0
    return set(re.findall(r"(?<!\S)--?[a-z][\w-]*", capsys.readouterr().out))


def test_every_mentioned_command_and_option_exists(capsys):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(" ".join(re.findall(r"^([a-z ]+):", makefile, re.M)).split())
    variables = set(re.findall(r"\$\(([A-Z_]+)\)", makefile))
    for mention in {mention for page in PAGES for mention in mentions(page.read_text())}:
        program, *words = shlex.split(mention)
        if program == "make":
            assert {word for word in words if "=" not in word} <= targets, mention
            assert {word.partition("=")[0] for word in words if "=" in word} <= variables, mention
        elif program.endswith("resarray") and words[0].isalpha():
            known = options_of(words[0], capsys)
            given = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
            assert given <= known, mention


def test_the_accelerator_as_verilog():
    """``generate(config, target="ecp5")`` in docs/fpga.md."""
    assert 'generate(config, target="ecp5")' in (ROOT / "docs" / "fpga.md").read_text()
    assert "MULT18X18D" in generate(preset("tiny"), target="ecp5")


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_python(snippet, tmp_path, monkeypatch):
    """On a simulated board, with inputs of the program's shape; a network that is quantised."""
    monkeypatch.chdir(tmp_path)
    if "convert_pt2e" in snippet:
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(snippet, "s", "exec"), globals() | {"model": model, "images": IMAGES})
        assert find_model("net.pt2").input_size == (8, 8)
        return
    model = ROOT / "tests" / "cli" / "network.py"
    options = ["--model", f"{model}:build", "--images", "digits", "--preset", "tiny"]
    assert run(["compile", *options, "-o", "resnet8.rsa"]) == 0
    layout = load(Path("resnet8.rsa")).manifest["inputs"][0]["layout"]
    shape = [layout[side] for side in ("channels", "height", "width")]
    opened = Accelerator.open
    monkeypatch.setattr(Accelerator, "open", lambda port, description: opened("sim"))
    names = {"inputs": np.zeros((1, *shape), np.int8)}
    exec(compile(snippet, "snippet", "exec"), names)
    if "build" in names:  # a model file
        assert names["build"]()(torch.zeros(2, 3, 24, 32)).shape == (2, 4)
        return
    assert names["tensors"]
    assert names["counters"]["CYCLES"] > 0
