"""A missed bar is reported, a reached one is not."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest

from resarray.bench import cases, measure
from resarray.cli.main import run
from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import run_image
from resarray.spec.memory import read_tensors
from resarray.spec.presets import preset
from resarray.spec.progress import silent
from tests.compiler.reference import Builder

pytestmark = pytest.mark.verifies("command", by="text")


@pytest.fixture(scope="module")
def row() -> dict:
    """A measured case: the smallest network on the smallest preset."""
    case = cases.Case("tiny", "resnet8", 16, classes=10, preset="tiny", utilisation=0.01)
    return measure.measure(case, silent)


def test_a_case_is_measured(row):
    assert row["bit_exact"] and row["tensors_compared"] > 5
    assert row["utilization"] == row["macs"] / (16 * row["cycles"])
    assert row["cycles"] == sum(layer["cycles"] for layer in row["layers"])
    waits = sum(sum(layer["waits"].values()) for layer in row["layers"])
    assert row["counters"]["BUSY"] + waits == row["cycles"]
    # Nothing is faster than its roofline.
    assert row["roofline_cycles"] <= row["cycles"]


def test_bars(row):
    good = {**row, "failed": [], "name": "ResNet-18, direct", "utilization": 0.97}
    for layer in good["layers"]:
        layer["utilization"] = 0.9
    scaling = {"failed": []}
    assert measure.judge([good], scaling, []) == []

    slow_layer = copy.deepcopy(good)
    slow_layer["layers"][1]["utilization"] = 0.84
    name = slow_layer["layers"][1]["name"]
    assert measure.judge([slow_layer], None, []) == [
        f"ResNet-18, direct: layer {name} at 0.840, below {cases.LAYER_BAR}"
    ]

    latency = {**good, "name": "ResNet-18, direct, latency 100", "utilization": 0.94}
    assert measure.judge([good, latency], None, []) == ["latency 100 loses 0.030"]
    assert measure.judge([], {"failed": ["ratio"]}, []) == ["ratio"]
    alone = {"name": "conv9", "utilization": 0.8, "mismatches": 2}
    assert measure.judge([], None, [alone]) == [
        f"conv9 by itself at 0.800, below {cases.LAYER_BAR}",
        "conv9 by itself: 2 mismatches",
    ]


def test_a_missed_bar_of_a_case_is_named():
    case = cases.Case("t", "resnet8", 16, classes=10, preset="tiny", utilisation=9.0)
    row = measure.measure(case, silent)
    assert "utilisation below 9.0" in row["failed"]


def test_the_table_holds_the_figures(row):
    alone = {
        "name": "conv9",
        "shape": [8, 4, 4],
        "cycles": 1234,
        "utilization": 0.5,
        "predicted_cycles": 1230,
        "mismatches": 0,
    }
    text = measure.markdown([row], {"cycles": [1000, 4000], "ratio": 4.0}, [alone])
    assert "| conv9 | 8x4x4 | 1,234 | 50.0 % | 1,230 | 0 |" in text
    assert f"{row['cycles']:,}" in text and "1,000 to 4,000" in text
    for layer in row["layers"]:
        assert f"| {layer['name']} |" in text


def test_an_unknown_case_is_refused(capsys, tmp_path):
    assert run(["bench", "--only", "ResNet-19", "-o", str(tmp_path / "out")]) == 2
    assert "no bench case is called 'ResNet-19'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_copies_that_only_a_configuration_makes_are_compared_too():
    """Parts of a concatenation that fill no channel block."""
    config = preset("tiny")
    b = Builder(1, (3, 4, 5))
    b.concat(*(b.conv("x", n, (1, 1)) for n in (3, 5)))
    x = b.input()[None]
    program = compile_graph(b.graph, config)
    memory = run_image(program, x).view(np.int8)
    tensors = read_tensors(program, lambda start, size: memory[start : start + size])
    assert len(tensors) > len([op for op in b.graph.ops if op.op == "conv"])
    checks = measure.check(b.graph, config, x, SimpleNamespace(tensors=tensors))
    assert checks.keys() == tensors.keys() and not any(c.mismatches for c in checks.values())
