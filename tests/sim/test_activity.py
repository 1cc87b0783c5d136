"""Recorded activity against the hardware's own counters and the program's instructions."""

import shutil

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.sim.activity import read_activity
from resarray.sim.run import run
from resarray.spec import isa
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import Engine
from resarray.spec.presets import preset
from tests.compiler.reference import Builder

from . import stub

pytestmark = pytest.mark.verifies("simulation", by="unit")

TINY = preset("tiny")
MOST = 40


def network() -> Builder:
    """Three convolutions, the last with a residual."""
    builder = Builder(5, (4, 10, 10))
    x = builder.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    y = builder.conv(x, 8, (3, 3), padding=(1, 1, 1, 1))
    builder.conv(y, 8, (1, 1), residual=x)
    return builder


def words_of(image) -> dict[Engine, int]:
    """Words that the program's instructions ask for, by engine."""
    words = dict.fromkeys(Engine, 0)
    at, count = image.manifest["program"]["addr"], image.manifest["program"]["count"]
    for i in range(count):
        start = at + i * isa.INSTRUCTION_BYTES
        engine, fields = isa.decode(image.payload[start : start + isa.INSTRUCTION_BYTES])
        if engine == Engine.WEIGHTS:
            words[engine] += fields["length"]
        elif engine in (Engine.LOAD, Engine.RESIDUAL, Engine.STORE):
            words[engine] += fields["n_blocks"] * fields["n_runs"] * fields["run_len"]
    return words


@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.long)])
def test_recording_adds_up(simulator):
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    builder = network()
    image = compile_graph(builder.graph, TINY)
    inputs = builder.input()[None]
    silent = run(image, inputs, simulator=simulator)
    assert silent.activity is None
    result = run(image, inputs, simulator=simulator, windows=MOST)
    assert result.counters == silent.counters
    activity, counters = result.activity, result.counters

    assert MOST / 2 <= len(activity.cycles) <= MOST
    assert (activity.cycles[:-1] == activity.window).all()
    assert 0 < activity.cycles[-1] <= activity.window
    assert activity.cycles.sum() == counters["CYCLES"]
    for counts in activity.counts.values():
        assert counts.shape == activity.cycles.shape
        assert ((counts >= 0) & (counts <= activity.cycles)).all()
    total = {name: int(counts.sum()) for name, counts in activity.counts.items()}
    assert total["compute"] == counters["BUSY"]
    assert total["store"] == counters["WRITE_BEATS"]
    for name in ("wait_instruction", "wait_load", "wait_drain", "wait_weights"):
        assert total[name] == counters[name.upper()]
    words = words_of(image)
    for engine in (Engine.LOAD, Engine.WEIGHTS, Engine.RESIDUAL, Engine.STORE):
        assert words[engine] == total[engine.name.lower()]
    program = image.manifest["program"]["count"] * TINY.instruction_words
    assert total["fetch"] == program
    # Every accumulator is read once, `lanes` a cycle; a row of ten pixels has three tiles of six.
    tiled = [layer["method"] == "Winograd" for layer in image.manifest["layers"]]
    assert total["drain"] == sum(8 * 10 * (18 if t else 10) for t in tiled) // TINY.lanes
    # Time runs forward: instructions come before the array works, words are written in the end.
    assert activity.counts["compute"][0] == 0 < activity.counts["fetch"][0]
    assert activity.counts["compute"][-1] == 0 < activity.counts["store"][-2:].sum()


def test_neighbours_are_joined(tmp_path):
    path = tmp_path / "job0.activity"
    path.write_text("cycles load\n4 1\n4 2\n4 3\n4 4\n2 1\n")
    activity = read_activity(path, 3)
    assert activity.window == 8
    np.testing.assert_array_equal(activity.cycles, [8, 8, 2])
    np.testing.assert_array_equal(activity.counts["load"], [3, 7, 1])


def test_design_without_the_signals():
    data = np.zeros((1, 4, 2, 4), np.int8)
    with pytest.raises(ResarrayError, match="no activity was recorded"):
        run(stub.program(TINY, (4, 2, 4)), data, design=stub.design(TINY), windows=10)
