"""Broken programs end with a cause, never in silence or with a wrong tensor."""

import dataclasses

import pytest

from resarray.compiler.compile import compile_graph
from resarray.sim.run import run
from resarray.spec import isa
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset
from tests.compiler.reference import Builder

pytestmark = pytest.mark.verifies("errors", "start", "memory-port", by="fault")


@pytest.fixture(scope="module")
def program():
    b = Builder(1, (8, 6, 6))
    b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    return compile_graph(b.graph, preset("tiny")), b.input()[None]


def edited(image, engine: isa.Engine, **fields):
    """``image`` with fields of its first instruction for ``engine`` changed."""
    payload = bytearray(image.payload)
    program = image.manifest["program"]
    for at in range(program["addr"], program["addr"] + 32 * program["count"], 32):
        found, values = isa.decode(payload[at : at + 32])
        if found == engine:
            values.update(fields)
            bits = isa.pack(isa.LAYOUTS[engine], values)
            payload[at : at + 32] = bits.to_bytes(32, "little")
            return dataclasses.replace(image, payload=bytes(payload))
    raise AssertionError(f"no {engine.name}")


CASES = {
    "opcode": (isa.Engine.COMPUTE, {"opcode": 9}, "bad opcode in the instruction fetch"),
    "read": (isa.Engine.LOAD, {"addr": 1 << 20}, "outside window in engine LOAD"),
    "weights": (isa.Engine.WEIGHTS, {"addr": 1 << 20}, "outside window in engine WEIGHTS"),
    "write": (isa.Engine.STORE, {"addr": 0}, "outside window in engine STORE at byte offset 0x0"),
    "hang": (isa.Engine.DRAIN, {"wait_a": 1000}, "DRAIN waits for another engine"),
    "starved": (isa.Engine.WEIGHTS, {"length": 1}, "the accelerator hangs"),
}


@pytest.mark.parametrize("case", CASES)
def test_broken_program(case, program):
    image, x = program
    engine, fields, message = CASES[case]
    with pytest.raises(ResarrayError, match=message):
        run(edited(image, engine, **fields), x, watchdog_cycles=3000)


def test_the_same_program_unbroken_runs(program):
    image, x = program
    assert run(image, x, watchdog_cycles=3000).tensors
