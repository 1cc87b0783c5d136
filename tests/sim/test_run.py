"""Running programs: errors, hangs, counters and what reaches the accelerator."""

import dataclasses

import numpy as np
import pytest

from resarray.sim import build, simulators
from resarray.sim.run import MemoryModel, run
from resarray.spec.cache import build_folder
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import layer_counters
from resarray.spec.presets import preset
from resarray.spec.registers import COUNTERS, PROFILE_FIELDS

from . import stub

pytestmark = pytest.mark.verifies("simulation", by="unit")

TINY = preset("tiny")
SHAPE = (4, 2, 4)
DATA = np.zeros((1, *SHAPE), np.int8)


def run_stub(mode: int, **options):
    return run(stub.program(TINY, SHAPE, mode), DATA, design=stub.design(TINY), **options)


def test_hang_names_every_engine():
    with pytest.raises(ResarrayError) as caught:
        run_stub(stub.STUCK, watchdog_cycles=2000)
    message = str(caught.value)
    assert "hangs: nothing moved for 2000 cycles" in message
    assert "LOAD waits for another engine, 0 done, 3 queued" in message
    assert "COMPUTE idle, 7 done" in message
    for engine in ("WEIGHTS", "RESIDUAL", "DRAIN", "STORE"):
        assert f"{engine} idle" in message


def test_error_names_cause_engine_and_address():
    with pytest.raises(ResarrayError, match="outside window in engine STORE at byte offset 0x1230"):
        run_stub(stub.ERROR)


def test_other_configuration_is_refused():
    other = dataclasses.replace(TINY, acc_depth=32)
    with pytest.raises(ResarrayError, match="compiled for"):
        run(stub.program(other, SHAPE), DATA, design=stub.design(TINY))


def test_progress_and_result():
    seen = []
    result = run_stub(stub.COPY, progress=lambda job, cycles: seen.append((job, cycles)))
    np.testing.assert_array_equal(result.tensors["copy"], stub.expected(DATA))
    assert result.layers[0]["CYCLES"] == result.cycles
    assert result.cycles_per_second > 0


def test_run_folder_is_removed_and_the_log_of_a_failure_kept(own_cache):
    design = stub.design(TINY)
    run(stub.program(TINY, SHAPE), DATA, design=design)
    assert not list((own_cache / "run").iterdir())
    assert not (own_cache / "logs").exists()
    with pytest.raises(ResarrayError) as caught:
        run(stub.program(TINY, SHAPE, stub.ERROR), DATA, design=design)
    assert not list((own_cache / "run").iterdir())
    (log,) = (own_cache / "logs").iterdir()
    assert f"the log is '{log}'" in str(caught.value)
    assert log.read_text()


def test_run_folder_is_removed_when_interrupted(own_cache):
    def interrupt(job: int, cycles: int) -> None:
        assert list((own_cache / "run").glob("*/job0.mem"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stub.program(TINY, SHAPE), DATA, design=stub.design(TINY), progress=interrupt)
    assert not list((own_cache / "run").iterdir())
    assert not (own_cache / "logs").exists()


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A build folder of its own, with what all tests built in it."""
    build.build(simulators.find("verilator"), stub.design(TINY), TINY.rows, 1)
    shared, own = build_folder(), tmp_path / "build"
    own.mkdir()
    (own / "sim").symlink_to(shared / "sim")
    monkeypatch.setenv("RESARRAY_BUILD", str(own))
    return own


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, *SHAPE), np.int8), "2 input images given, the program takes a batch of 1"),
        (np.zeros((1, 3, 2, 4), np.int8), r"int8 \[3, 2, 4\], the program takes int8 \[4, 2, 4\]"),
        (np.zeros((1, *SHAPE), np.float32), r"float32 \[4, 2, 4\], the program takes int8"),
    ],
)
def test_wrong_input_is_refused(inputs, message):
    with pytest.raises(ResarrayError, match=message):
        run(stub.program(TINY, SHAPE), inputs, design=stub.design(TINY))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MemoryModel(latency=0), "latency of 0 cycles"),
        (MemoryModel(bytes_per_cycle=0), "bandwidth of 0 bytes"),
        (MemoryModel(bytes_per_cycle=5), "bandwidth of 5 bytes"),
        (MemoryModel(stall_probability=1), "stall probability of 1 "),
        (MemoryModel(stall_probability=-0.5), "stall probability of -0.5 "),
        (MemoryModel(stalls=(0, 0, 1, 0, 0)), "stall probability of 1 "),
        (MemoryModel(stalls=(0, 0)), "2 stall probabilities are not possible"),
        (MemoryModel(hold=16), "pauses of 2.16 cycles"),
    ],
)
def test_wrong_memory_is_refused(model, message):
    with pytest.raises(ResarrayError, match=message):
        model.settings(TINY)


def test_layers_add_up():
    fields = len(PROFILE_FIELDS)
    counters = dict.fromkeys(COUNTERS, 90)
    layers = layer_counters([[10] * fields, [40] * fields, [70] * fields], counters, 3)
    assert [layer["CYCLES"] for layer in layers] == [10, 30, 50]
    with pytest.raises(ResarrayError, match="recorded 1 layers, the program has 2"):
        layer_counters([[1] * fields], counters, 2)


def test_rejected_design_names_the_log(tmp_path, monkeypatch):
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path))
    broken = stub.design(TINY).replace("endmodule", "nonsense")
    with pytest.raises(ResarrayError, match=r"building the verilator .*build\.log") as caught:
        run(stub.program(TINY, SHAPE), DATA, design=broken)
    (log,) = (tmp_path / "logs").iterdir()
    assert str(caught.value).endswith(f"'{log}'")
    assert "nonsense" in log.read_text()
    assert not list((tmp_path / "sim").iterdir()), "half a build left behind"


def test_a_build_is_watched_and_its_error_named(tmp_path):
    seen = []
    simulator = simulators.Simulator("verilator", "", "", {})
    commands = [["sleep", str(3 * build.POLL_SECONDS)], ["sh", "-c", "echo an Error; exit 3"]]
    with pytest.raises(ResarrayError, match=r"building the verilator .*: an Error; .*build\.log"):
        build.run_commands(commands, simulator, tmp_path, lambda: seen.append(None))
    assert 1 <= len(seen) <= 3
