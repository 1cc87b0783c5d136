"""``resarray inspect``: table, JSON, page, exit status."""

import json
from collections import OrderedDict
from pathlib import Path

import pytest
from torch import nn

from resarray.cli.main import run
from resarray.spec.config import PRESETS

pytestmark = pytest.mark.verifies("command", by="text")

NETWORK = Path(__file__).parent / "network.py"


def deep() -> nn.Module:
    """More layers than 16."""
    model = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(17)))
    model.input_size = 4
    return model


def test_a_network_that_runs(tmp_path, capsys):
    found, page = tmp_path / "net.json", tmp_path / "net.html"
    model = f"{NETWORK}:build"
    assert run(["inspect", model, "--json", str(found), "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "All 4 operators can run." in out
    result = json.loads(found.read_text())
    assert [each["preset"] for each in result["presets"]] == [*PRESETS]
    assert result["runs"] and not result["reasons"]
    for each in result["presets"]:
        assert f"{each['cycles']:,}" in out
        assert each["images_per_second"] == pytest.approx(each["clock_hz"] / each["cycles"])
    # Those of a program with the network's own weights, calibrated on real images.
    program = tmp_path / "program.json"
    options = ["--model", model, "--images", "digits", "--preset", "tiny"]
    assert run(["compile", *options, "-o", str(tmp_path / "x.rsa"), "--json", str(program)]) == 0
    compiled = json.loads(program.read_text())
    (tiny,) = (each for each in result["presets"] if each["preset"] == "tiny")
    for ours, theirs in (("cycles", "predicted_cycles"), ("memory_bytes", "memory_bytes")):
        assert tiny[ours] == compiled[theirs]
    html = page.read_text()
    assert html.startswith("<!DOCTYPE html>")
    assert html.endswith("</html>")
    assert html.count("<svg") == len(PRESETS)


def test_a_network_that_does_not(tmp_path, capsys):
    found, page = tmp_path / "net.json", tmp_path / "net.html"
    model = f"{NETWORK}:unsupported"
    assert run(["inspect", model, "--json", str(found), "--html", str(page)]) == 2
    out = capsys.readouterr().out
    assert "1 of 3 operators cannot run." in out
    result = json.loads(found.read_text())
    (reason,) = result["reasons"]
    assert reason.startswith("1 (aten.pixel_shuffle.default")
    assert reason in out
    assert [op["refusal"] is None for op in result["operators"]] == [True, False, True]
    assert result["presets"] == []
    assert "Does not run" in page.read_text()


class Nothing(nn.Module):
    channels, input_size = 3, 4

    def forward(self, x):
        return x


def test_a_network_that_computes_nothing(capsys):
    assert run(["inspect", f"{__file__}:Nothing"]) == 2
    assert "\noutput: returns its input: it must" in capsys.readouterr().out


def burning() -> nn.Module:
    layers = {"stem:fire:": nn.Conv2d(3, 4, 3), "[red]": nn.PixelShuffle(2)}
    model = nn.Sequential(OrderedDict(layers))
    model.input_size = 4
    return model


def test_names_are_shown_as_they_are(capsys):
    assert run(["inspect", f"{__file__}:burning"]) == 2
    out = capsys.readouterr().out
    assert "stem:fire:" in out
    assert "[red]" in out


class Tokens(nn.Module):
    channels, input_size = 3, 4

    def forward(self, x):
        return x.flatten(2).mT.relu().cumsum(1)


def test_where_reading_ends(capsys):
    """It is not told how many operators the network has, since those behind it are not read."""
    assert run(["inspect", f"{__file__}:Tokens"]) == 2
    assert "\n2 operators cannot run; reading ended at 'm_t', so" in capsys.readouterr().out


def test_a_preset_that_cannot_leaves_the_others(tmp_path, capsys):
    found = tmp_path / "net.json"
    presets = ["--preset", "tiny,profile_marks=16", "--preset", "default"]
    assert run(["inspect", f"{__file__}:deep", *presets, "--json", str(found)]) == 0
    tiny, default = json.loads(found.read_text())["presets"]
    assert "has 17 layers" in tiny["error"]
    assert tiny["cycles"] is None
    assert default["error"] is None
    assert default["cycles"] > 0
    said = capsys.readouterr().out.splitlines()
    # On one line of its own, however narrow the terminal.
    assert sum("' cannot run it: " in line and "has 17 layers" in line for line in said) == 1


def test_the_memory_counts(tmp_path):
    cycles = []
    for limit in ([], ["--bytes-per-cycle", "1"]):
        found = tmp_path / "net.json"
        options = ["--preset", "default", "--json", str(found), *limit]
        assert run(["inspect", f"{NETWORK}:build", *options]) == 0
        cycles.append(json.loads(found.read_text())["presets"][0]["cycles"])
    assert cycles[0] < cycles[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no_such"], "unknown model"),
        ([f"{NETWORK}:build", "--preset", "huge"], "unknown preset"),
        ([f"{NETWORK}:build", "--input-size", "0"], "input size"),
        ([f"{NETWORK}:build", "--bytes-per-cycle", "0"], "bandwidth"),
        ([f"{NETWORK}:build", "--html", "nowhere/a.html"], "nowhere"),
    ],
)
def test_mistakes(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert run(["inspect", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    assert sentence in err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
