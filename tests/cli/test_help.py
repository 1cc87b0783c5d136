"""Help that teaches, and what a shell completes."""

import re

import pytest

from resarray.cli.main import app, run
from resarray.golden.models import ZOO
from resarray.golden.networks.names import NAMES
from resarray.spec.cache import BUILD, CACHE, LIMIT

pytestmark = pytest.mark.verifies("command", by="text")

ORDER = (
    "doctor",
    "presets",
    "inspect",
    "sim",
    "report",
    "train",
    "accuracy",
    "compile",
    "disasm",
    "bench",
    "zoo",
    "synth",
    "bitstream",
    "program",
    "run",
)


def test_help_lists_the_commands_in_order_and_shows_examples(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    commands = out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^  (\w+)", commands, re.M)) == ORDER
    assert "..." not in commands, "a sentence is cut"
    assert out.count("\n    resarray ") == 2
    assert "\x1b" not in out


def test_help_names_the_environment_variables(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out.partition("Environment:")[2]
    assert all(re.search(rf"^ +{name}  ", out, re.M) for name in (CACHE, BUILD, LIMIT))


@pytest.mark.parametrize("command", ORDER)
def test_every_command_has_help(capsys, command):
    assert run([command, "--help"]) == 0
    assert f"Usage: resarray {command}" in capsys.readouterr().out


def test_the_zoo_has_the_names_that_are_completed():
    assert tuple(ZOO) == NAMES


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("resarray sim --preset ", ["tiny", "25f", "small", "default"]),
        ("resarray compile --preset small,columns=8,wei", ["small,columns=8,weight_words="]),
        ("resarray sim --model resnet3", ["resnet34", "resnet32"]),
        ("resarray sim --sim i", ["icarus"]),
        ("resarray bitstream --board ulx3s", ["ulx3s-85f", "ulx3s-25f"]),
        ("resarray bitstream --preset d", ["default"]),
        ("resarray synth --device 2", ["25f"]),
        ("resarray train resnet8", ["resnet8"]),
        ("resarray comp", ["compile"]),
    ],
)
def test_completion(monkeypatch, capsys, line, values):
    monkeypatch.setenv("_RESARRAY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    with pytest.raises(SystemExit) as ended:
        app([], standalone_mode=False, prog_name="resarray")
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == values
