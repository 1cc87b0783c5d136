"""The memory behind the AXI port, driven by the stub, on both simulators."""

import shutil

import numpy as np
import pytest

from resarray.sim.run import MemoryModel, run, run_many
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

from . import stub

pytestmark = pytest.mark.verifies("simulation", by="unit")

SIMULATORS = [
    "verilator",
    pytest.param(
        "icarus",
        marks=pytest.mark.skipif(
            shutil.which("iverilog") is None, reason="no iverilog on PATH: apt install iverilog"
        ),
    ),
]
TINY = preset("tiny")
SHAPE = (4, 32, 4)  # 128 words of 4 bytes: 16 bursts of 8
WORDS = 128


def random_input(seed: int, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, (1, *shape), dtype=np.int8)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_random_stalls_keep_data(simulator):
    """Many memories in one simulator process, the stub pausing too; every word arrives."""
    models = [
        MemoryModel(1),
        MemoryModel(32),
        MemoryModel(3, stall_probability=0.3, seed=1),
        MemoryModel(40, stall_probability=0.7, seed=2),
        MemoryModel(20, bytes_per_cycle=1.5, stall_probability=0.2, seed=3),
        MemoryModel(200, bytes_per_cycle=4, seed=4),
        *(
            MemoryModel(9, seed=5, stalls=tuple(0.97 * (i == k) for i in range(5)), early=k > 2)
            for k in range(5)
        ),
        MemoryModel(50, bytes_per_cycle=3, stalls=(0, 0.5, 0, 0.5, 0.2), hold=5, early=True),
        MemoryModel(50, stall_probability=0.2, hold=3, early=True, jitter=True, seed=6),
        MemoryModel(5, late=True),
        MemoryModel(20, bytes_per_cycle=2, stall_probability=0.3, early=True, late=True, seed=7),
    ]
    inputs = [random_input(seed) for seed in range(len(models))]
    programs = [(stub.program(TINY, SHAPE, stub.CHECK), data) for data in inputs]
    results = run_many(
        programs, simulator=simulator, memory=models, design=stub.design(TINY, stall=80)
    )
    for model, data, result in zip(models, inputs, results, strict=True):
        np.testing.assert_array_equal(
            result.tensors["copy"], stub.expected(data), err_msg=str(model)
        )
        assert result.counters["WAIT_LOAD"] == 0, f"words read back that differ: {model}"
        assert result.counters["READ_BEATS"] == 2 * WORDS


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_latency_and_rate(simulator):
    """Latency is exact; without a limit a burst follows the other without a gap; with a limit the
    bytes per cycle are those asked for."""
    models = [
        MemoryModel(1),
        MemoryModel(32),
        MemoryModel(32, 2.0),
        MemoryModel(32, 0.5),
        MemoryModel(32, 4.0),
    ]
    program = (stub.program(TINY, SHAPE), random_input(0))
    results = run_many(
        [program] * len(models), simulator=simulator, memory=models, design=stub.design(TINY)
    )
    for model, result in zip(models, results, strict=True):
        seen = result.counters
        assert seen["READ_STALLS"] == model.latency, model
        assert seen["WRITE_STALLS"] == model.latency + 1, model  # all beats, then the response
        per_word = 1 if model.bytes_per_cycle is None else TINY.rows / model.bytes_per_cycle
        # The bucket starts full with four words.
        least, most = per_word * (WORDS - 6), per_word * WORDS + model.latency + 4
        assert least <= seen["BUSY"] <= most, (model, seen)
        assert least <= seen["WAIT_INSTRUCTION"] <= most + per_word, (model, seen)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_latencies_that_differ(simulator):
    """With jitter the first burst comes at any time up to the latency."""
    models = [MemoryModel(400, jitter=True, seed=seed) for seed in range(8)]
    program = (stub.program(TINY, SHAPE), random_input(0))
    results = run_many(
        [program] * len(models), simulator=simulator, memory=models, design=stub.design(TINY)
    )
    seen = [result.counters["READ_STALLS"] for result in results]
    assert max(seen) <= 400 and min(seen) < 200 and len(set(seen)) > 3, seen


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_data_before_its_address(simulator):
    """Writes take as long as their slower channel where both are taken at the same time, and as
    long as both where the data waits."""
    models = [MemoryModel(1, stalls=(0, 0.9, 0.9, 0, 0), early=early) for early in (True, False)]
    program = (stub.program(TINY, SHAPE), random_input(0))
    together, after = run_many(
        [program] * 2, simulator=simulator, memory=models, design=stub.design(TINY)
    )
    assert together.counters["WAIT_INSTRUCTION"] < after.counters["WAIT_INSTRUCTION"]


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_written_data_appears_with_the_response(simulator):
    """A master that reads before its write response sees the old data; one that waits does not."""
    shape = (4, 2, 4)
    data = random_input(3, shape)
    early, late = run_many(
        [(stub.program(TINY, shape, mode), data) for mode in (stub.CHECK_EARLY, stub.CHECK)],
        simulator=simulator,
        memory=MemoryModel(32),
        design=stub.design(TINY),
    )[:2]
    assert early.counters["WAIT_LOAD"] == 8
    assert late.counters["WAIT_LOAD"] == 0


def test_wide_words():
    """8-byte words, as in the default preset."""
    config = preset("default")
    data = random_input(5, (16, 8, 8))
    result = run(
        stub.program(config, (16, 8, 8)),
        data,
        memory=MemoryModel(9, stall_probability=0.4),
        design=stub.design(config, stall=60),
    )
    np.testing.assert_array_equal(result.tensors["copy"], stub.expected(data))


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_protocol_breach_is_reported(simulator):
    with pytest.raises(ResarrayError, match="ARVALID or its burst changed before ARREADY"):
        run(
            stub.program(TINY, SHAPE, stub.UNSTABLE),
            random_input(0),
            simulator=simulator,
            memory=MemoryModel(4, stall_probability=0.5, seed=1),
            design=stub.design(TINY),
        )


def test_outside_memory_is_an_error_response():
    """The stub turns SLVERR into an error; a program address far outside must give one."""
    program = stub.program(TINY, SHAPE)
    program.manifest["program"]["addr"] = 1 << 28
    with pytest.raises(ResarrayError, match="stopped with an error"):
        run(program, random_input(0), design=stub.design(TINY))
