"""The flow to a bitstream, with stand-ins for the tools."""

import importlib.util
import json
from pathlib import Path

import pytest

from resarray.cli.main import run
from resarray.fpga.bitstream import build_bitstream, results_dir, summarise
from resarray.fpga.boards import BOARDS, board
from resarray.fpga.devices import DEVICES
from resarray.fpga.projection import describe
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

from . import tools

pytestmark = pytest.mark.verifies("board", by="unit")

BOARD, TINY = board("ulx3s-25f"), preset("tiny")
needs_litex = pytest.mark.skipif(
    importlib.util.find_spec("litex") is None,
    reason="LiteX is not installed: make bitstream installs it",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty build folder."""
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path / "build"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    """The real SoC's files, made once, with the real tools."""
    from resarray.fpga.soc.elaborate import elaborate

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESARRAY_BUILD", str(tmp_path_factory.mktemp("soc")))
        return elaborate(BOARD, TINY, "ecp5")


@pytest.fixture
def flow(soc, folder, monkeypatch):
    """The build folder, with the SoC at hand."""
    monkeypatch.setattr("resarray.fpga.bitstream.elaborate", lambda *_, **__: soc)
    return folder


def build(told: list[tuple[float | None, str]] | None = None) -> dict:
    told = [] if told is None else told
    return build_bitstream(BOARD, TINY, lambda fraction, text: told.append((fraction, text)))


@needs_litex
def test_results(flow, monkeypatch):
    tools.install(flow, monkeypatch)
    told = []
    summary = build(told)
    results = flow / "build" / "ulx3s-25f"
    assert sorted(path.name for path in results.iterdir()) == [
        "soc.json",
        "summary.json",
        "ulx3s-25f.bit",
        "work",
    ]
    assert (results / "ulx3s-25f.bit").read_bytes() == b"bits"
    assert json.loads((results / "summary.json").read_text()) == summary
    description = json.loads((results / "soc.json").read_text())
    assert description["config_hash"] == summary["config_hash"] == f"{TINY.hash:016x}"
    assert summary["clocks"] == [
        {"name": "sys", "wanted_mhz": 60.0, "achieved_mhz": 61.5, "met": True}
    ]
    assert told[-5:] == [
        (0, "synthesising"),
        (2 / 53, "synthesising: SYNTH pass"),
        (0, "placing and routing"),
        (0.125, "placing and routing: placing, overlap 50.0 %"),
        (0, "packing the bitstream"),
    ]


@needs_litex
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report": tools.slower(48.04)}, "reaches 48.0 MHz of the 60.0 MHz"),
        ({"cells": tools.CELLS | {"DP16KD": 60}}, r"60 DP16KD where there are 56 \(4 too many\)"),
        ({"cells": tools.CELLS | {"LUT4": 24_000}}, "LUT4"),
        ({"report": tools.REPORT | {"fmax": {}}}, "reports no clock of 'ulx3s-25f'"),
        ({"fails": "yosys"}, "yosys failed with status 1: ERROR: something"),
        ({"fails": "nextpnr-ecp5"}, "ERROR: something is wrong"),
        ({"fails": "ecppack"}, "ERROR: something is wrong"),
    ],
    ids=["timing", "memories", "luts", "no clock", "yosys", "nextpnr", "ecppack"],
)
def test_failure_leaves_the_last_results(flow, monkeypatch, capsys, options, message):
    results = flow / "build" / "ulx3s-25f"
    tools.install(flow, monkeypatch)
    build()
    before = {path.name: path.read_bytes() for path in results.iterdir() if path.is_file()}
    tools.install(flow, monkeypatch, **options)
    with pytest.raises(ResarrayError, match=message):
        build()
    assert {p.name: p.read_bytes() for p in results.iterdir() if p.is_file()} == before
    # The command: the same sentence, exit status 2.
    capsys.readouterr()
    assert run(["bitstream", "--board", "ulx3s-25f"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


@needs_litex
@pytest.mark.parametrize("taken", ["ulx3s-25f", "ulx3s-25f/work", "ulx3s-25f/ulx3s-25f.bit"])
def test_folder_that_is_in_the_way(flow, monkeypatch, capsys, taken):
    tools.install(flow, monkeypatch)
    path = flow / "build" / taken
    if taken.endswith(".bit"):
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True)
        path.write_text("")
    assert run(["bitstream", "--board", "ulx3s-25f", "--preset", "tiny"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


def test_only_a_whole_bitstream_is_loaded(folder, monkeypatch, capsys):
    results = folder / "build" / "ulx3s-25f"
    results.mkdir(parents=True)
    (results / "ulx3s-25f.bit").write_bytes(b"bits")
    assert run(["program", "--board", "ulx3s-25f"]) == 2
    assert "no whole '" in capsys.readouterr().err


@needs_litex
def test_loading(flow, monkeypatch, capsys):
    tools.install(flow, monkeypatch)
    build()
    assert run(["program", "--board", "ulx3s-25f", "--json", "out.json"]) == 0
    loaded = json.loads((flow / "out.json").read_text())
    assert loaded["bitstream"].endswith("ulx3s-25f/ulx3s-25f.bit")
    assert "100.00%" in (flow / "build" / "ulx3s-25f" / "loader.log").read_text()
    tools.install(flow, monkeypatch, fails="openFPGALoader")
    capsys.readouterr()
    assert run(["program", "--board", "ulx3s-25f"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "ERROR: something is wrong" in last and "is the board plugged in" in last


def test_projection_is_of_the_default_preset():
    summary = summarise(board("ulx3s-85f"), preset("default"), tools.REPORT)
    full, board_memory = summary["projection"]["by_memory"]
    assert full == {"bytes_per_cycle": 8, "cycles_per_image": 4_437_414, "images_per_second": 13.52}
    assert board_memory["images_per_second"] == round(60e6 / 6_514_859, 2)
    assert summary["projection"]["memory_bytes_per_cycle_at_best"] == 2
    assert "13.5 images/s with 8 bytes a cycle" in describe(summary["projection"])
    assert "projection" not in summarise(BOARD, TINY, tools.REPORT)


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_its_device_and_preset(name):
    chosen = board(name)
    assert chosen.fpga.rpartition("-")[2].lower() in DEVICES
    preset(chosen.preset)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bitstream", "--board", "arty"], "unknown board 'arty': choose one of ulx3s-85f"),
        (["bitstream", "--preset", "huge"], "unknown preset 'huge'"),
        (
            ["bitstream", "--board", "ulx3s-25f", "--preset", "default"],
            "it needs 132 MULT18X18D where there are 28 (104 too many)",
        ),
        (["bitstream", "--core-mhz", "900"], "--core-mhz 900 is not possible: choose 10 to 200"),
        (
            ["bitstream", "--sys-mhz", "75"],
            "choose 10 to 66 (the memory of 'ulx3s-85f' allows no more)",
        ),
        (["program", "--board", "arty"], "unknown board 'arty'"),
        (["program"], "ulx3s-85f.bit': make it with 'make bitstream BOARD=ulx3s-85f'"),
        (["run", "none.rsa", "a.png"], "cannot read image 'none.rsa'"),
    ],
)
def test_bad_option(folder, capsys, arguments, message):
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(folder.iterdir()) == []


@needs_litex
def test_no_tools(folder, monkeypatch, capsys):
    from resarray.fpga import tools as fpga_tools

    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(fpga_tools.importlib.util, "find_spec", _without("yowasp"))
    assert run(["bitstream"]) == 2
    assert "no Yosys of at least 0.40" in capsys.readouterr().err


def test_no_litex(folder, monkeypatch, capsys):
    from resarray.fpga.soc import elaborate

    monkeypatch.setattr(elaborate.importlib.util, "find_spec", _without("litex"))
    assert run(["bitstream"]) == 2
    assert "the Python package 'litex' is missing" in capsys.readouterr().err


def _without(prefix: str):
    real = importlib.util.find_spec

    def find_spec(name, *rest):
        return None if name.startswith(prefix) else real(name, *rest)

    return find_spec


def test_results_lie_in_the_current_folder(monkeypatch):
    monkeypatch.setenv("RESARRAY_BUILD", "/elsewhere")
    assert results_dir(board("ulx3s-25f")) == Path("build/ulx3s-25f")
