"""``--preset``: presets, changes, files."""

import dataclasses
import re
from pathlib import Path

import pytest

from resarray.cli import presets as presets_command
from resarray.cli.main import run
from resarray.spec import config as spec_config
from resarray.spec.config import PRESETS, Config
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import make_config, preset

pytestmark = pytest.mark.verifies("contract", by="unit")

PAGE = Path(__file__).parents[2] / "docs" / "presets.md"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names():
    for name, config in PRESETS.items():
        assert preset(name) is config


def test_changes():
    found = preset("small,columns=8")
    assert found == dataclasses.replace(PRESETS["small"], columns=8, name="small,columns=8")
    found = preset("default, columns = 16 ,element=mac,name=mine")
    assert found == Config(name="mine", columns=16, element="mac")
    # Under another name it is the same configuration.
    assert preset("default,name=mine").hash == PRESETS["default"].hash


def test_files():
    Path("mine.toml").write_text('# narrow\nbase = "small"\ncolumns = 24\n')
    small = PRESETS["small"]
    assert preset("mine.toml") == dataclasses.replace(small, name="mine", columns=24)
    assert preset("mine.toml,columns=8,name=x") == dataclasses.replace(small, name="x", columns=8)
    Path("named.toml").write_text('name = "my own"\nlanes = 8\n')
    assert preset("named.toml") == Config(name="my own", lanes=8)
    Path("small.toml").write_text('base = "small"\n')
    assert preset("small.toml") == small


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smal", "unknown preset 'smal': choose one of tiny, .* did you mean 'small'"),
        ("", "unknown preset '': choose one of tiny"),
        ("mine", "a file '\\*.toml', or changes as in 'default,columns=16'"),
        ("default,colums=16", "there is no field 'colums': .* did you mean 'columns'"),
        ("default,columns", "'columns' is no change: write field=value"),
        ("default,", "'' is no change: write field=value"),
        ("default,columns=16.0", "columns must be a whole number, not '16.0'"),
        ("default,columns=", "columns must be a whole number, not ''"),
        ("default,columns=1_6", "columns must be a whole number, not '1_6'"),
        ("default,columns=" + "9" * 5000, "columns must be a whole number, not '999"),
        ("default,columns=7", "columns must be a multiple of rows"),
        ("default,element=both", "element must be one of pair, mac"),
        ("default,name=", "name '' is not possible"),
        ("default,columns=16,name=small", "would be called 'small' as a preset that comes along"),
        ("none.toml", "cannot read preset file 'none.toml': No such file"),
        (".toml", "cannot read preset file '.toml': No such file"),
    ],
)
def test_refused_text(text, message):
    with pytest.raises(ResarrayError, match=message):
        preset(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"columns 16", "is not TOML .*: give lines like 'columns = 16'"),
        (b"\xff\xfe", "is not TOML"),
        (b"a = " + b"[" * 10000, "is not TOML"),
        (b"columns = 99999999999999999999999", "columns must be"),
        (b"columns = 16.0", "columns must be a whole number, not 16.0"),
        (b"columns = true", "columns must be a whole number, not True"),
        (b'columns = "16"', "columns must be a whole number, not '16'"),
        (b"columns = [16]", r"columns must be a whole number, not \[16\]"),
        (b"element = 1", "element must be text, not 1"),
        (b"[config]\ncolumns = 16", "there is no field 'config'"),
        (b"colums = 16", "there is no field 'colums': .*, base; did you mean 'columns'"),
        (b"base = 1", "base must be the name of a preset in quotes, not 1"),
        (b'base = "smal"', "unknown base 'smal': .* did you mean 'small'"),
        (b"columns = 7", "columns must be a multiple of rows"),
        (b"name = ''", "name '' is not possible"),
        (b"name = 1", "name must be text, not 1"),
        (b'name = "a\\nb"', "name 'a\\\\nb' is not possible"),
        (b'name = "tiny"', "would be called 'tiny' as a preset that comes along"),
        (b"#" * 70000, "is longer than 65,536 bytes"),
    ],
)
def test_refused_file(content, message):
    Path("mine.toml").write_bytes(content)
    with pytest.raises(ResarrayError, match=message) as error:
        preset("mine.toml")
    assert "mine" in str(error.value)


def test_a_folder_is_no_file():
    Path("mine.toml").mkdir()
    with pytest.raises(ResarrayError, match=r"cannot read preset file 'mine.toml': Is a directory"):
        preset("mine.toml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": "8"}, "its configuration: rows must be a whole number"),
        ({"rows": None}, "rows must be a whole number, not None"),
        ({"more": 1}, "there is no field 'more'"),
        ({"scratch_words": 0.5}, "scratch_words must be a whole number"),
    ],
)
def test_fields_from_a_file(change, message):
    fields = dataclasses.asdict(Config())
    assert make_config(fields) == Config()
    with pytest.raises(ResarrayError, match=message):
        make_config(fields | change, "its configuration")
    del fields["rows"]
    with pytest.raises(ResarrayError, match="has no field 'rows'"):
        make_config(fields)
    with pytest.raises(ResarrayError, match="is no table of fields"):
        make_config([])


@pytest.mark.parametrize("command", ["sim", "compile", "synth", "bitstream"])
def test_every_command_takes_them(command, capsys):
    Path("mine.toml").write_text("columns = 7\n")
    options = ["-o", "x.rsa"] if command == "compile" else []
    for text in ("mine.toml", "small,columns=7"):
        assert run([command, "--preset", text, *options]) == 2
        err = capsys.readouterr().err.splitlines()
        assert len(err) == 1
        assert "columns must be a multiple of rows (8)" in err[0]


def written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_list(capsys):
    assert run(["presets", "--json", "out.json"]) == 0
    out = capsys.readouterr().out
    for name in PRESETS:
        assert name in out
    for field in dataclasses.fields(Config):
        assert re.search(rf"^ {field.name} +{written(field.default)} ", out, re.M), field.name
    found = presets_command.sizes(PRESETS["default"])
    assert found["multipliers"] == 132
    assert found["bytes"]["input"] == 131072
    assert all(field["meaning"] for field in presets_command.describe_fields())
    (switch,) = (f for f in presets_command.describe_fields() if f["name"] == "winograd")
    assert (switch["default"], switch["range"]) == (True, "true or false")
    assert preset(f"small,winograd={written(switch['default'])}").winograd


def test_the_page_has_the_fields_and_their_ranges():
    text = PAGE.read_text().partition("## Fields")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| `?(\w+)`? \| .* \|$", text, re.M)
    known = dataclasses.fields(Config)
    assert [(name, default) for name, _, default in rows] == [
        (field.name, written(field.default)) for field in known
    ]
    limits = spec_config.LIMITS
    ranges = {name: span for name, span, _ in rows}
    assert {name: ranges[name] for name in limits} == {n: str(v) for n, v in limits.items()}


def test_the_page_has_the_presets():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) × (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(), re.M)
    assert [(name, *map(int, sizes)) for name, *sizes in rows] == [
        (c.name, c.rows, c.columns, c.multipliers, c.macs_per_cycle) for c in PRESETS.values()
    ]
