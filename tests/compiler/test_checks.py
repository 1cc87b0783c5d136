"""The functional model's checks find broken programs; the cost model finds deadlocks."""

from dataclasses import replace

import numpy as np
import pytest

from resarray.compiler import cost
from resarray.compiler.compile import compile_graph
from resarray.compiler.disasm import disassemble
from resarray.compiler.functional import Machine, ScheduleError
from resarray.compiler.pooling import requantise_array
from resarray.compiler.program import Program
from resarray.spec import isa, numerics
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import Engine
from resarray.spec.presets import preset

from .reference import Builder

pytestmark = pytest.mark.verifies("compiler", by="unit")

CONFIG = preset("tiny")


@pytest.fixture(scope="module")
def image():
    b = Builder(3, (4, 12, 12))
    y = b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    z = b.conv(y, 8, (3, 3), padding=(1, 1, 1, 1), residual=y)
    b.conv(z, 8, (3, 3), (2, 2), padding=(1, 1, 1, 1))
    return compile_graph(b.graph, CONFIG)


def instructions(image):
    count = image.manifest["program"]["count"]
    return [isa.decode(image.payload[i * 32 : i * 32 + 32]) for i in range(count)]


def run(image, program, config=CONFIG):
    memory = np.zeros(image.manifest["mem_size"], np.uint8)
    memory[: len(image.payload)] = np.frombuffer(image.payload, np.uint8)
    code = b"".join(
        isa.encode(engine, **{k: v for k, v in fields.items() if k != "opcode"})
        for engine, fields in program
    )
    memory[: len(code)] = np.frombuffer(code, np.uint8)
    Machine(config, memory, image.manifest["write_base"]).run(0, len(program))


def test_the_program_itself_passes(image):
    run(image, instructions(image))


@pytest.mark.parametrize(
    "engine, wait, message",
    [
        (Engine.LOAD, "wait_b", "reads what is written by STORE"),
        (Engine.LOAD, "wait_a", "overwrites what is read by COMPUTE"),
        (Engine.RESIDUAL, "wait_b", "reads what is written by STORE"),
        (Engine.COMPUTE, "wait_a", "reads what is loaded by LOAD"),
        (Engine.COMPUTE, "wait_b", "overwrites a bank that is drained by DRAIN"),
        (Engine.DRAIN, "wait_a", "drains a bank that is filled by COMPUTE"),
    ],
)
def test_a_wait_left_out_is_found(engine, wait, message):
    b = Builder(4, (4, 16, 40))
    y = b.conv("x", 12, (3, 3), padding=(1, 1, 1, 1))
    b.conv(y, 8, (3, 3), padding=(1, 1, 1, 1), residual=b.conv(y, 8, (1, 1)))
    config = replace(CONFIG, scratch_words=0)
    image = compile_graph(b.graph, config)
    program = instructions(image)
    for other, fields in program:
        if other == engine:
            fields[wait] = 0
    with pytest.raises(ScheduleError, match=message):
        run(image, program, config)


@pytest.mark.parametrize(
    "engine, change, message",
    [
        (Engine.LOAD, {"wait_b": 0}, "reads what is written by STORE"),
        (Engine.LOAD, {"mirror": 7}, "hold something else"),
        (Engine.RESIDUAL, {"mirror": 7}, "hold something else"),
        (Engine.STORE, {"wait_a": 0}, "overwrites in the scratchpad what is read by LOAD"),
        (Engine.STORE, {"wait_b": 0}, "overwrites in the scratchpad what is read by RESIDUAL"),
    ],
)
def test_faults_of_the_scratchpad_are_found(engine, change, message):
    """Seven maps of 256 words in a scratchpad of 1024: places are used again."""
    b = Builder(5, (4, 16, 16))
    y = b.conv("x", 4, (3, 3), padding=(1, 1, 1, 1))
    for _ in range(3):
        y = b.conv(b.conv(y, 4, (1, 1)), 4, (1, 1), residual=y)
    config = replace(CONFIG, scratch_words=1024)
    image = compile_graph(b.graph, config)
    program = instructions(image)
    run(image, program, config)
    for other, fields in program:
        if other == engine and fields["kept"]:
            fields |= change
    with pytest.raises(ScheduleError, match=message):
        run(image, program, config)


def _first(program, engine):
    return next(f for e, f in program if e == engine)


@pytest.mark.parametrize(
    "break_it, message",
    [
        (lambda p: _first(p, Engine.COMPUTE).update(wait_a=1000), "waits for LOAD 1000"),
        (lambda p: _first(p[::-1], Engine.WEIGHTS).update(length=2), "weight FIFO"),
        (lambda p: _first(p[::-1], Engine.STORE).update(run_len=1), "left in the output FIFO"),
        (lambda p: _first(p, Engine.RESIDUAL).update(run_len=1), "residual FIFO"),
        (lambda p: _first(p, Engine.STORE).update(addr=0), "below the writable memory"),
        (lambda p: _first(p, Engine.COMPUTE).update(base=2000), "nothing has loaded"),
        (lambda p: _first(p, Engine.COMPUTE).update(clear=0), "not cleared"),
        (lambda p: _first(p, Engine.COMPUTE).update(k_tiles=5), "5 k-tiles are not the"),
        (
            lambda p: _first(p, Engine.DRAIN).update(px_count=150, height=1, width=100),
            "drain of pixels",
        ),
        (lambda p: _first(p, Engine.LOAD).update(rows=1), "runs of"),
        (lambda p: _first(p, Engine.LOAD).update(buf=2047), "ends at word"),
    ],
)
def test_broken_programs_are_found(image, break_it, message):
    program = instructions(image)
    break_it(program)
    with pytest.raises(ScheduleError, match=message):
        run(image, program)


def test_words_left_over_are_found(image):
    program = instructions(image)
    program.append((Engine.WEIGHTS, {"addr": 0, "length": 3}))
    with pytest.raises(ScheduleError, match="3 words are left in the weight FIFO"):
        run(image, program)


def test_a_deadlock_is_found():
    program = Program()
    program.add(Engine.WEIGHTS, {"addr": 0, "length": 1000}, 0)
    with pytest.raises(cost.Deadlock, match="no engine can go on"):
        cost.predict(program.instructions, CONFIG)


def test_every_layer_has_one_mark(image):
    marked = [f["mark"] for engine, f in instructions(image) if engine == Engine.COMPUTE]
    assert sum(marked) == len(image.manifest["layers"]) and marked[-1]


def test_bytes_moved_are_the_instructions(image):
    moved = {"bytes_read": 0, "bytes_written": 0}
    for engine, f in instructions(image):
        words = f.get("length", 0)
        if f.get("kept", 0) and engine != Engine.STORE:
            continue  # from the scratchpad
        if "run_len" in f:
            words = f["n_blocks"] * f["n_runs"] * f["run_len"]
        moved["bytes_written" if engine == Engine.STORE else "bytes_read"] += words * CONFIG.rows
    layers = image.manifest["layers"]
    assert moved == {key: sum(layer[key] for layer in layers) for key in moved}


def test_disassembly(image):
    text = disassemble(image)
    lines = text.splitlines()
    assert len(lines) == image.manifest["program"]["count"]
    assert sum(line.endswith(" mark") for line in lines) == 3
    assert any("compute" in line and "load>=" in line and "k " in line for line in lines)
    assert any("residual#1 " in line and "store>=" in line for line in lines)
    assert any("pad top 1" in line for line in lines)


def test_requantise_equals_the_contract():
    rng = np.random.default_rng(11)
    for _ in range(300):
        acc, mult = int(rng.integers(-(2**31), 2**31)), int(rng.integers(0, 2**17))
        shift, zp, r = (
            int(rng.integers(0, 64)),
            int(rng.integers(-128, 128)),
            int(rng.integers(255)),
        )
        residual = numerics.residual_term(r - 128, zp, mult, shift)
        expected = numerics.requantise(acc, 0, mult, shift, zp, -100, 101, residual)
        total = np.array([acc], np.int64)
        assert requantise_array(total, mult, shift, zp, -100, 101, residual)[0] == expected


def test_a_residual_of_a_value_for_each_channel():
    """Of the output's channels, and of one pixel."""
    for shape, fits in (((8, 1, 1), True), ((8, 2, 1), False), ((8, 1, 2), False)):
        b = Builder(5, (4, 6, 6))
        vector = b.constant(shape)
        b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1), residual=vector)
        if fits:
            compile_graph(b.graph, CONFIG)
        else:
            with pytest.raises(ResarrayError, match="it adds a tensor of"):
                compile_graph(b.graph, CONFIG)
