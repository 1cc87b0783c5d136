"""The report of a measured result: what is in it, and what is refused."""

import copy
import html
import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import plotly.graph_objects
import pytest

from resarray.cli.main import run
from resarray.report import comparison, numbers, performance, synthesis
from resarray.report.figure import Figure
from resarray.report.markdown import markdown
from resarray.report.page import page
from resarray.report.read import require_comparable
from resarray.report.text import NOTHING, Table, change, quantity

from .conftest import falsify

pytestmark = pytest.mark.verifies("report", by="text")

SYNTH = {
    "preset": "tiny",
    "config_hash": None,
    "mhz": 120.0,
    "tools": {"yosys": "Yosys 0.70"},
    "device": {"name": "LFE5U-25F", "luts": 24288, "multipliers": 28, "rams": 56},
    "units": {
        "array": {"LUT4": 40, "TRELLIS_FF": 90},
        "drain": {"LUT4": 70, "TRELLIS_FF": 60},
        "harness": {"LUT4": 1000},
    },
    "total": {"LUT4": 110},
    "routes": [
        {"seed": 2, "mhz": 100.0, "slow": 12, "used": {"TRELLIS_COMB": 5000}, "path": []},
        {
            "seed": 1,
            "mhz": 120.0,
            "slow": 3,
            "used": {"TRELLIS_COMB": 6072, "DP16KD": 14},
            "path": [
                {"kind": "logic", "delay": 0.5, "source": "a.Q", "sink": "a.Q"},
                {"kind": "routing", "delay": 1.5, "source": "a.Q", "sink": "b.D"},
            ],
        },
    ],
}
BOARD = {
    "board": "ulx3s-25f",
    "fpga": "LFE5U-25F",
    "preset": "tiny",
    "core_mhz": 50.0,
    "sys_mhz": 60.0,
    "timing_met": True,
    "tools": {"nextpnr": "nextpnr-0.11"},
    "resources": {"luts": {"used": 12144, "available": 24288}},
    "clocks": [{"name": "sys", "wanted_mhz": 60.0, "achieved_mhz": 61.5, "met": True}],
}


@pytest.fixture
def synth(result) -> dict:
    return copy.deepcopy(SYNTH) | {"config_hash": result["config_hash"]}


@pytest.fixture
def board(result) -> dict:
    return copy.deepcopy(BOARD) | {"config_hash": result["config_hash"]}


def write(path: Path, content: dict) -> Path:
    path.write_text(json.dumps(content))
    return path


def slower(result: dict) -> None:
    """As if the first layer had waited 100 cycles longer for its weights, on a slower memory."""
    for counts in (result["counters"], result["layers"][0]["waits"]):
        counts["WAIT_WEIGHTS"] += 100
    result["counters"]["CYCLES"] += 100
    result["layers"][0]["cycles"] += 100
    result["cycles"] += 100
    first, peak = result["layers"][0], result["macs_per_cycle"]
    first["utilization"] = first["macs"] / (peak * first["cycles"])
    result["utilization"] = result["macs"] / (peak * result["cycles"])
    products = result["multipliers"] * result["cycles"]
    result["macs_per_multiplier_cycle"] = result["macs"] / products
    result["cycles_per_second"] = result["cycles"] / result["sim_seconds"]
    result["memory"]["latency"] = 99


# -- the files -------------------------------------------------------------------------------


def test_page_and_summary(measured, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["report", str(measured), "--out", str(out)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.md"]
    text = (out / "report.html").read_text()
    assert len(text) < 8e6
    assert "Bit-exact" in text
    # Nothing is fetched: no element names another file, and the policy forbids it.
    own = re.sub(r"<script\b.*?</script>", "", text, flags=re.S)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", own)
    assert "default-src 'none'" in own
    assert (out / "report.md").read_text().startswith("## ")
    assert stat.S_IMODE((out / "report.html").stat().st_mode) & stat.S_IRGRP


def test_report_needs_no_torch(measured, tmp_path):
    script = (
        "import sys; from resarray.cli.main import run; "
        f"assert run(['report', {str(measured)!r}, '--out', {str(tmp_path)!r}]) == 0; "
        "assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()


def test_hostile_names_stay_text(result):
    nasty = "</script><img src=x onerror=alert(1)>"
    result["model"] = result["class_names"][0] = result["layers"][0]["name"] = result["tensors"][0][
        "layer"
    ] = nasty
    text = page([result], None)
    assert "<img src=x" not in text
    assert text.count(html.escape(nasty)) > 5


def test_first_mismatch_is_told(altered, tmp_path):
    out = tmp_path / "out"
    assert run(["report", str(altered(falsify)), "--out", str(out)]) == 0
    for name in ("report.html", "report.md"):
        text = html.unescape((out / name).read_text())
        assert (
            "3 of 156 values, in 1 of 3 tensors, differ from the golden model, the first in "
            "tensor '0' of layer '0', image 1, channel 2, row 0, column 3: expected 5, got -7."
        ) in text
        assert "[1, 2, 0, 3]" in text
    assert "Mismatch" in (out / "report.html").read_text()


def test_missing_labels_and_timeline(result):
    """Pictures without labels; a run that was not recorded."""
    result["predictions"] = [p | {"label": None} for p in result["predictions"]]
    result["timeline"] = None
    result["class_names"] = []
    text = page([result], None)
    assert "<dd>unknown</dd>" in text
    assert 'id="timeline"' not in text


# -- plots and tables ------------------------------------------------------------------------


def figures(result: dict, found: synthesis.Synthesis) -> list[Figure]:
    return [
        performance.cycles(result),
        performance.lost(result),
        performance.traffic(result),
        performance.roofline(result),
        performance.timeline(result),
        numbers.sqnr(result),
        numbers.histogram(result),
        comparison.cycles([result, result]),
        synthesis.units(found),
        synthesis.critical_path(found),
    ]


def test_plotly_takes_every_figure(result, synth, tmp_path):
    found = synthesis.read_synthesis(write(tmp_path / "s.json", synth), result)
    for figure in figures(result, found):
        text = re.sub(r"var\(--\w+\)", "#123456", json.dumps(figure.spec))
        spec = json.loads(text)
        plotly.graph_objects.Figure(spec["data"], spec["layout"])
        assert figure.title and figure.caption
        assert len(figure.menu) == len(figure.show) + len(figure.zoom)


def test_colours_are_in_the_style_sheet(result, synth, tmp_path):
    found = synthesis.read_synthesis(write(tmp_path / "s.json", synth), result)
    style = (Path(page.__code__.co_filename).parent / "page" / "report.css").read_text()
    specs = json.dumps([figure.spec for figure in figures(result, found)])
    for name in set(re.findall(r"var\(--(\w+)\)", specs)):
        assert f"--{name}: light-dark(" in style, name


def test_busy_and_lost_cycles_fill_the_bars(result):
    bars = [trace for trace in performance.cycles(result).data if trace["type"] == "bar"]
    for index, layer in enumerate(result["layers"]):
        assert sum(trace["x"][index] for trace in bars) == layer["cycles"]
    lost = performance.lost(result).data
    assert sum(sum(trace["x"]) for trace in lost) == result["cycles"] - result["counters"]["BUSY"]


def test_idle_cycles_of_one_kind_are_not_called_all(result):
    for layer in result["layers"]:
        layer["waits"] = {wait: 0 for wait in layer["waits"]}
    waits = result["layers"][0]["waits"]
    waits["WAIT_WEIGHTS"], waits["WAIT_DRAIN"] = 995, 5
    assert performance.lost(result).title.startswith("Of 1,000 idle cycles, 99.5\u00a0%: ")


def test_roofline_points(result):
    figure = performance.roofline(result)
    *_, points = figure.data
    layers = [layer for layer in result["layers"] if layer["macs"]]
    for x, y, name, layer in zip(points["x"], points["y"], points["text"], layers, strict=True):
        assert name == layer["name"]
        assert x == layer["macs"] / max(layer["bytes_read"], layer["bytes_written"])
        assert y == layer["macs"] / layer["cycles"]
        assert y <= result["macs_per_cycle"]
    assert performance.bandwidth(result) == (4, "4 B/cycle each way")
    # All MACs at half the speed of a memory that reads and writes share.
    result["memory"]["bytes_per_cycle"] = 2.5
    assert performance.bandwidth(result) == (2.5, "2.5 B/cycle")
    layer = result["layers"][0]
    layer |= {"macs": 1000, "bytes_read": 300, "bytes_written": 200, "cycles": 400}
    memory, array, points = performance.roofline(result).data
    assert (points["x"][0], points["y"][0]) == (2, 2.5)
    assert points["customdata"][0] == 0.5
    assert memory["y"][1] == array["y"][0] == 16
    assert memory["y"][1] == 2.5 * memory["x"][1]


def test_timeline_is_the_recording(result):
    recorded, lengths = result["timeline"], [300, 300, 70]
    recorded |= {"window": 300, "cycles": sum(lengths), "layer_ends": [310, 600, 670]}
    for factor, event in enumerate(recorded["counts"], 1):
        recorded["counts"][event] = [factor * 7, factor * 3, factor * 5]
    figure = performance.timeline(result)
    for trace, event in zip(
        figure.data,
        (
            "load",
            "weights",
            "residual",
            "compute",
            "drain",
            "store",
            "fetch",
            "wait_weights",
            "wait_load",
            "wait_drain",
            "wait_instruction",
        ),
        strict=True,
    ):
        shares = [c / n for c, n in zip(recorded["counts"][event], lengths, strict=True)]
        assert trace["y"][:-1] == pytest.approx(shares, abs=5e-4)
    # A layer with a tenth of it on both sides.
    assert figure.zoom == ((0, 670), (0, 341), (281, 629), (593, 670))
    names = [layer["name"] for layer in result["layers"]]
    assert figure.menu == ("the whole run", *names)
    assert figure.data[0]["text"] == [names[0], names[0], names[2], names[2]]


def test_table_adds_up(result):
    *rows, total = performance.layer_table(result).rows
    for column, key in ((7, "macs"), (4, "cycles")):
        assert sum(int(row[column].replace(",", "")) for row in rows) == result[key]
        assert total[column] == f"{result[key]:,}"


def test_markdown_table():
    table = Table(["a|b", "n"], [["x|y", "1"], ["sum", "1"]], total=True)
    assert table.markdown() == ("| a|b | n |\n| --- | --: |\n| x\\|y | 1 |\n| **sum** | **1** |\n")


def test_numbers_as_text():
    assert change(110, 100) == "+10.00\u00a0%"
    assert change(90, 100) == "−10.00\u00a0%"
    assert change(1_000_001, 1_000_000) == "0.00\u00a0%"
    assert change(1, 0) == "–"
    assert quantity(999, "B") == "999\u00a0B"
    assert quantity(1_234_000, "B") == "1.23\u00a0MB"


def test_bounds_are_rounded_outward(result):
    for tensor in result["tensors"]:
        tensor["error"] |= {"sqnr_db": 37.978, "mean_steps": -0.13068}
    assert "at least 37.9 dB" in numbers.sqnr(result).title
    assert "within ±0.14 of" in numbers.histogram(result).title
    assert "**37.9 dB** least SQNR" in markdown([result], None)


# -- comparison ------------------------------------------------------------------------------


def test_comparison(measured, altered, tmp_path):
    out = tmp_path / "out"
    other = altered(slower)
    assert run(["report", str(measured), str(other), "--out", str(out)]) == 0
    base, cycles = (json.loads(p.read_text())["cycles"] / 2 for p in (measured, other))
    more = f"{100 * (cycles / base - 1):.2f}\u00a0%"
    text = (out / "report.html").read_text()
    assert f"B takes {more} more cycles than A" in text
    summary = (out / "report.md").read_text()
    assert "| memory latency | 32 cycles | 99 cycles |" in summary
    assert "| rows |" not in summary
    assert f"+{more}" in summary


def test_a_pool_that_one_configuration_fuses(result):
    """Then the other has a layer more; it is one network all the same."""
    other = copy.deepcopy(result)
    pool = other["layers"][1] | {"name": "pool", "macs": 0, "cycles": 50}
    other["layers"].insert(1, pool)
    a, b = Path("a.json"), Path("b.json")
    require_comparable([(a, result), (b, other)])
    names = [layer["name"] for layer in result["layers"]]
    for first, second in ((result, other), (other, result)):
        rows = comparison.cycles_table([first, second]).rows
        assert [row[0] for row in rows] == [names[0], "pool", *names[1:], "total"]
        assert NOTHING in rows[1] and rows[1].count(f"{50 / result['images']:.0f}") == 1
        assert comparison.cycles([first, second]).data[0]["y"] == [names[0], "pool", *names[1:]]


def test_programs_of_several_images_compare_per_image(result):
    twice = copy.deepcopy(result)
    twice["images"] = 4
    for layer in twice["layers"]:
        layer["cycles"] *= 2
    twice["cycles"] *= 2
    assert comparison.cycles([result, twice]).title == "B takes as many cycles as A"
    for row in comparison.cycles_table([result, twice]).rows:
        assert row[-1] == "0.00\u00a0%"


# -- synthesis -------------------------------------------------------------------------------


def test_synthesis_of_the_accelerator_alone(measured, synth, tmp_path):
    path, out = write(tmp_path / "synth.json", synth), tmp_path / "out"
    assert run(["report", str(measured), "--synth", str(path), "--out", str(out)]) == 0
    cycles = json.loads(measured.read_text())["cycles"] / 2
    text = (out / "report.html").read_text()
    assert f"{120e6 / cycles:.1f} images/s" in text.replace(" <span>", " ")
    assert "0.50 ns logic, 1.50 ns routing" in text
    assert "1: 120.0 MHz, 2: 100.0 MHz" in text
    assert "75\u00a0% of the critical path is routing" in text
    assert "| LUTs | 6,072 | 24,288 | 25.0\u00a0% |" in (out / "report.md").read_text()


def test_synthesis_of_a_board(measured, board, tmp_path):
    path, out = write(tmp_path / "summary.json", board), tmp_path / "out"
    assert run(["report", str(measured), "--synth", str(path), "--out", str(out)]) == 0
    summary = (out / "report.md").read_text()
    assert "| LUTs | 12,144 | 24,288 | 50.0\u00a0% |" in summary
    assert "| clock sys | 61.5 MHz, 60.0 MHz wanted |" in summary
    assert "projected at 50.0 MHz" in summary


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("synth", {"preset": "small"}, "is of preset 'small' (.*), the result of 'tiny'"),
        ("synth", {"config_hash": "00"}, r"is of preset 'tiny' \(00\), the result of 'tiny'"),
        ("synth", {"mhz": -1}, "has -1 in field 'mhz', which must be a number above 0"),
        ("synth", {"routes": []}, "has no routes"),
        ("board", {"core_mhz": "fast"}, "has 'fast' in field 'core_mhz'"),
        ("board", {"board": 5}, "has 5 in field 'board'"),
    ],
)
def test_bad_synthesis(request, measured, tmp_path, capsys, kind, change, message):
    path = write(tmp_path / "s.json", request.getfixturevalue(kind) | change)
    sentence = refuse(capsys, [str(measured), "--synth", str(path)], tmp_path)
    assert re.search(message, sentence)


# -- errors ----------------------------------------------------------------------------------


def refuse(capsys, arguments: list[str], folder: Path) -> str:
    """Run; check status and form, and that nothing was made; the sentence."""
    out = folder / "out"
    assert run(["report", *arguments, "--out", str(out)]) == 2
    shown, err = capsys.readouterr()
    assert shown == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not out.exists() or out.is_file()
    return err


def test_bad_results(measured, altered, tmp_path, capsys):
    def other_size(result):
        result["input_size"] = [16, 8]

    assert "results" in refuse(capsys, [], tmp_path)
    assert "cannot read result 'none.json'" in refuse(capsys, ["none.json"], tmp_path)
    (tmp_path / "cut.json").write_text(measured.read_text()[:500])
    assert "truncated" in refuse(capsys, [str(tmp_path / "cut.json")], tmp_path)
    sentence = refuse(capsys, [str(measured), str(altered(other_size))], tmp_path)
    assert "cannot be compared: their input sizes are '8x8' and '16x8'" in sentence
    assert "has neither" in refuse(
        capsys, [str(measured), "--synth", str(write(tmp_path / "s.json", {}))], tmp_path
    )
    assert "cannot read synthesis summary" in refuse(
        capsys, [str(measured), "--synth", "none.json"], tmp_path
    )


def test_inspection_of_the_same_network(measured, inspected, tmp_path):
    out = tmp_path / "out"
    options = ["--inspection", str(inspected), "--out", str(out)]
    assert run(["report", str(measured), *options]) == 0
    text = (out / "report.html").read_text()
    found = json.loads(inspected.read_text())
    for section in ("presets", "network"):
        assert f'<a href="#{section}">' in text
        assert f'<section id="{section}">' in text
    assert f"{found['presets'][0]['cycles']:,}" in text
    assert all(html.escape(op["name"]) in text for op in found["operators"])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"input_shape": [3, 9, 9]}, "the result of Sequential at 3×8×8"),
        ({"model": "other"}, "is of other at"),
        ({"format": 2}, "has format 2, this resarray reads 1"),
        ({"operators": [{}]}, "resarray inspect --json"),
        ({"presets": [{"preset": "tiny", "clock_hz": -1}]}, "a number above 0"),
    ],
)
def test_inspection_of_something_else(measured, inspected, tmp_path, capsys, changes, message):
    path = write(tmp_path / "i.json", json.loads(inspected.read_text()) | changes)
    sentence = refuse(capsys, [str(measured), "--inspection", str(path)], tmp_path)
    assert message in sentence


def test_folder_that_cannot_be_written(measured, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert "cannot write" in refuse(capsys, [str(measured)], tmp_path)
    assert (tmp_path / "out").read_text() == "a file"


def test_folder_in_the_way_leaves_the_last_report(measured, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "report.html").mkdir(parents=True)
    (out / "report.md").write_text("the last one")
    assert run(["report", str(measured), "--out", str(out)]) == 2
    assert "it is a folder; remove it" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.md"]
    assert (out / "report.md").read_text() == "the last one"


def test_markdown_is_small(result):
    assert len(markdown([result], None)) < 20_000
