"""No output destroys an input, another output or what is evidently something else; closed outputs
change nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resarray.cli.main import run
from resarray.golden import train as golden_train
from tests.report.conftest import measured as measured  # a fixture

pytestmark = pytest.mark.verifies("command", by="text")

NETWORK = Path(__file__).parent / "network.py"
MODEL = ["--model", "net.py:build", "--images", "digits", "--preset", "tiny"]
PRESET = [*MODEL[:-1], "mine.toml"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A program."""
    path = tmp_path_factory.mktemp("compiled") / "x.rsa"
    options = ["--model", f"{NETWORK}:build", *MODEL[2:]]
    assert run(["compile", *options, "-o", str(path)]) == 0
    return path


@pytest.fixture
def desk(tmp_path, monkeypatch, compiled, measured):
    """A folder with one input of each kind."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(NETWORK, "net.py")
    shutil.copy(compiled, "x.rsa")
    shutil.copy(measured, "result.json")
    Path("mine.toml").write_text('base = "tiny"\n')
    Path("w.pth").write_bytes(b"PK weights")
    Path("synth.json").write_text("{}\n")
    Path("soc.json").write_text("{}\n")
    Path("pictures/cat").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("pictures/cat/a.png")
    np.savez("data.npz", x=np.zeros((2, 8, 8, 3), np.uint8), y=np.zeros(2, np.int64))
    Path("soft.pth").symlink_to("w.pth")
    Path("hard.json").hardlink_to("w.pth")
    return tmp_path


def state() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def refused(capsys, arguments: list[str]) -> str:
    """The sentence; at once, with everything as it was."""
    before = state()
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert state() == before
    return err


@pytest.mark.parametrize(
    ("arguments", "option", "reader"),
    [
        (["compile", *MODEL, "--weights", "w.pth", "-o", "w.pth"], "--output", "--weights"),
        (["compile", *MODEL, "--weights", "w.pth", "-o", "soft.pth"], "--output", "--weights"),
        (["compile", *MODEL, "--weights", "soft.pth", "-o", "w.pth"], "--output", "--weights"),
        (
            ["compile", *MODEL, "--weights", "w.pth", "-o", "./pictures/../w.pth"],
            "--output",
            "--weights",
        ),
        (["compile", *MODEL, "-o", "net.py"], "--output", "--model"),
        (["compile", *PRESET, "-o", "mine.toml"], "--output", "--preset"),
        (
            ["compile", *PRESET[:-1], "mine.toml,columns=8", "-o", "mine.toml"],
            "--output",
            "--preset",
        ),
        (["sim", *MODEL, "--weights", "w.pth", "--json", "hard.json"], "--json", "--weights"),
        (["sim", *MODEL, "--json", "net.py"], "--json", "--model"),
        (["sim", *MODEL, "--images", "data.npz", "--json", "data.npz"], "--json", "--images"),
        (["sim", *MODEL, "--image", "x.rsa", "--json", "x.rsa"], "--json", "--image"),
        (["accuracy", *MODEL[:2], "--json", "net.py"], "--json", "--model"),
        (["disasm", "x.rsa", "--json", "x.rsa"], "--json", "IMAGE"),
        (["report", "result.json", "--json", "result.json"], "--json", "RESULTS"),
        (
            ["report", "result.json", "--synth", "synth.json", "--json", "synth.json"],
            "--json",
            "--synth",
        ),
        (["run", "--port", "sim", "x.rsa", "a.png", "--json", "x.rsa"], "--json", "PROGRAM"),
        (
            ["run", "x.rsa", "pictures/cat/a.png", "--json", "pictures/cat/a.png"],
            "--json",
            "PICTURES",
        ),
        (
            ["run", "x.rsa", "a.png", "--description", "soc.json", "--json", "soc.json"],
            "--json",
            "--description",
        ),
    ],
    ids=lambda value: " ".join(value).replace("/", "|") if isinstance(value, list) else value,
)
def test_an_output_that_is_an_input(desk, capsys, arguments, option, reader):
    err = refused(capsys, arguments)
    assert f"error: {option} would write over '" in err
    assert f"which {reader} reads" in err


def test_a_folder_whose_file_is_an_input(desk, capsys):
    Path("report.md").write_bytes(Path("result.json").read_bytes())
    assert "--out would write over 'report.md', which RESULTS reads" in refused(
        capsys, ["report", "report.md", "--out", "."]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", *MODEL, "-o", "new.rsa", "--json", "new.rsa"], "both write 'new.rsa'"),
        (["compile", *MODEL, "-o", "new.rsa", "--json", "NEW.rsa"], "both write 'NEW.rsa'"),
        (["train", "resnet8", "-o", "new.pth", "--json", "./new.pth"], "both write 'new.pth'"),
        (["report", "result.json", "--out", "o", "--json", "o/report.md"], "both write 'o/repor"),
        (["bench", "-o", "b", "--json", "b/bench.json"], "both write 'b/bench.json'"),
        (["sim", *MODEL, "--waves", "a.fst", "--layer", "0", "--json", "a.gtkw"], "both write"),
    ],
)
def test_two_outputs_that_are_one_file(desk, capsys, arguments, message):
    assert message in refused(capsys, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", *MODEL, "-o", "w.pth"], "'w.pth' is there already and is no compiled image"),
        (["doctor", "--json", "net.py"], "'net.py' is there already and is no JSON: remove it fir"),
        (["doctor", "--json", "no/such/x.json"], "there is no folder 'no/such'; make it first"),
        (["compile", *MODEL, "-o", "no/x.rsa"], "there is no folder 'no'; make it first"),
        (["report", "result.json", "--out", "no/such"], "there is no folder 'no'; make it first"),
        (
            ["train", "resnet8", "-o", "r8.txt"],
            "the name must end in .pth, .pt, .th, .ckpt, .bin or .safetensors",
        ),
    ],
)
def test_what_is_not_replaced_or_made(desk, capsys, arguments, message):
    assert message in refused(capsys, arguments)


def test_what_is_replaced(desk, capsys):
    for name, content in (("a.json", b"cut off {"), ("a.txt", b' {"a": 1}\n'), ("empty", b"")):
        Path(name).write_bytes(content)
        assert run(["disasm", "x.rsa", "--json", name]) == 0
        assert Path(name).read_bytes().startswith(b'{\n  "model"')
    for name, content in (("a.rsa", b"cut"), ("old", Path("x.rsa").read_bytes())):
        Path(name).write_bytes(content)
        assert run(["compile", *MODEL, "-o", name]) == 0
        assert Path(name).read_bytes().startswith(b"RESARRAY")
    assert run(["disasm", "x.rsa", "--json", "build/made/x.json"]) == 0
    assert run(["report", "result.json", "--out", "made"]) == 0
    assert Path("made/report.html").exists()


def test_a_full_disk_leaves_both_pages_or_none(desk, capsys):
    assert run(["report", "result.json", "--out", "o"]) == 0
    before = state()
    capsys.readouterr()
    assert run(["report", "result.json", "--out", "o", "--json", "/dev/full"]) == 2
    assert "cannot write '/dev/full'" in capsys.readouterr().err
    assert state() == before
    assert run(["compile", *MODEL, "-o", "new.rsa", "--json", "/dev/full"]) == 2
    assert not Path("new.rsa").exists()


def test_weights_and_their_json_are_written_together(desk, capsys, monkeypatch):
    class Trained:
        def state_dict(self):
            return {}

    monkeypatch.setattr(golden_train, "train", lambda model, progress: Trained())
    assert run(["train", "resnet8", "-o", "new.pth", "--json", "/dev/full"]) == 2
    assert not Path("new.pth").exists()
    assert run(["train", "resnet8", "-o", "new.pth", "--json", "new.json"]) == 0
    assert Path("new.pth").exists() and Path("new.json").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "| head -n 0"])
@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("disasm x.rsa --json out.json", 0),
        ("disasm none.rsa", 2),
        ("disasm --help", 0),
        ("--version", 0),
        ("fly", 2),
    ],
)
def test_closed_outputs(desk, closed, command, status):
    tool = Path(sys.executable).with_name("resarray")
    # A reader that goes at once, and writing that begins after it went.
    line = f"(sleep 0.5; {tool} {command}; echo $? > status) {closed}"
    if not closed.startswith("|"):
        line = f"{tool} {command} {closed}; echo $? > status"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert int(Path("status").read_text()) == status
    assert "Traceback" not in result.stderr
    if status == 0:
        assert result.stderr == ""
    if "out.json" in command:
        assert Path("out.json").read_text().endswith("}\n")
