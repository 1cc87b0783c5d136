"""Programs that nobody should make: random fields, settings, responses and resets.

They reach what no good program does: errors, addresses all over the bus, waits that never end.
They must break no rule of a bus; what they compute is not looked at.
"""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np

from ...sim import build, cache, checks, memory_file, simulators
from ...sim.memory_model import MemoryModel
from ...sim.process import simulate
from ...sim.run import MEM_BASE
from ...spec.config import Config
from ...spec.isa import INSTRUCTION_BITS, INSTRUCTION_BYTES, LAYOUTS, Engine, pack
from ...spec.registers import ADDRESS_BITS, REGISTERS, ErrorCause
from ..fuzz.memories import memory
from .measure import Measured, Note

PROGRAMS, INSTRUCTIONS = 64, 8  # in memory, and in each
ACCESSES = 12
CYCLES = 1500  # of a step at most
# Enabled, whatever else is written there.
IRQ = 1
SETTINGS = ("MEM_BASE", "MEM_SIZE", "WRITE_BASE", "PROG_ADDR", "PROG_COUNT", "IRQ_ENABLE")
# Of each engine: what its units can stop with.
Error = tuple[ErrorCause, int]


def run(measured: Measured, seed: int, steps: int, note: Note = lambda text: None) -> Counter[Error]:
    """``steps`` wild steps; what they ended with: counts of (cause, engine), cause 0 for none."""
    config = measured.config
    rng = random.Random(f"wild {seed}")
    binary = build.build(
        simulators.find("verilator"), measured.design, config.rows, 1, note, coverage=True
    )
    contents = _contents(rng, config)
    job = {
        "load_words": contents.size // config.rows,
        "steps": [_step(rng, config, contents.size, number) for number in range(steps)],
    }
    with cache.scratch() as folder:
        (folder / "steps.json").write_text(json.dumps(job))
        (folder / "job0.mem").write_bytes(memory_file.format_words(contents, config.rows))
        plusargs = ["--coverage-per-instance"]
        simulate(binary, f"{__package__}.bench", build.TOP, folder, waves=plusargs)
        measured.counts.add(Path(folder / "coverage.dat"), measured.points)
        outcomes = json.loads((folder / "outcomes.json").read_text())
    for number, found in enumerate(outcomes):
        if found["violations"]:
            rules = ", ".join(checks.broken(found["violations"]))
            measured.failures.append(f"wild step {number} of seed {seed}: {rules}")
    return Counter((ErrorCause(f["ERROR_CAUSE"]), f["ERROR_ENGINE"]) for f in outcomes)


def _value(rng: random.Random, bits: int) -> int:
    """Any value, the ends and small ones more often."""
    return rng.choice(
        [0, 1, (1 << bits) - 1, rng.getrandbits(bits), rng.getrandbits(bits), rng.getrandbits(2)]
    ) & ((1 << bits) - 1)


def _instruction(rng: random.Random) -> bytes:
    engine = rng.choice(list(Engine))
    values = {}
    for field in LAYOUTS[engine]:
        value = _value(rng, field.width)
        if field.name in ("wait_a", "wait_b") and rng.random() < 0.9:
            value = 0
        if field.name in ("n_blocks", "n_runs", "run_len", "length") and rng.random() < 0.6:
            value = rng.randint(1, 3)
        if field.signed:
            value += field.range[0]
        values[field.name] = value
    values["opcode"] = rng.choice([engine.opcode] * 15 + [rng.getrandbits(4)])
    bits = pack(LAYOUTS[engine], values)
    width = sum(field.width for field in LAYOUTS[engine])
    bits |= rng.getrandbits(INSTRUCTION_BITS - width) << width if width < INSTRUCTION_BITS else 0
    return bits.to_bytes(INSTRUCTION_BYTES, "little")


def _contents(rng: random.Random, config: Config) -> np.ndarray:
    """The programs, then as much random data."""
    code = b"".join(_instruction(rng) for _ in range(PROGRAMS * INSTRUCTIONS))
    return np.frombuffer(code + rng.randbytes(len(code)), np.uint8)


def _step(rng: random.Random, config: Config, size: int, number: int) -> dict:
    ports = _ports(rng, config)
    start = rng.randrange(PROGRAMS) * INSTRUCTIONS * INSTRUCTION_BYTES
    settings = {
        "MEM_BASE": MEM_BASE,
        "MEM_SIZE": rng.choice([size, 1 << 20, (1 << 32) - MEM_BASE]),
        "WRITE_BASE": rng.choice([0, size, _value(rng, 32) & -config.rows]),
        "PROG_ADDR": rng.choice([start] * 9 + [_value(rng, 32) & -config.rows]),
        "PROG_COUNT": rng.randint(1, INSTRUCTIONS),
        "IRQ_ENABLE": _value(rng, 32) | IRQ,
    }
    if number % 5 == 0:  # settings that are not possible, or another window
        name = rng.choice(SETTINGS[:-1])
        settings[name] = _value(rng, 32)
    if number % 7 == 0:
        settings["MEM_BASE"] = _value(rng, 20) << 12
        settings["MEM_SIZE"] = min(_value(rng, 32), (1 << 32) - settings["MEM_BASE"])
    return {
        "ports": ports,
        "accesses": [_access(rng) for _ in range(ACCESSES)],
        "registers": settings,
        "cycles": rng.choice([20, 200, CYCLES]),
        "reset": number % 11 == 0,
    }


def _access(rng: random.Random) -> tuple[int, int, int]:
    """A read or a write anywhere, more often of a register; none that starts a program."""
    offset = rng.getrandbits(ADDRESS_BITS)
    if rng.random() < 0.5:
        offset = rng.choice([register.offset for register in REGISTERS.values()]) | offset & 3
    write = int(rng.random() < 0.6 and offset >> 2 != REGISTERS["CTRL"].offset >> 2)
    return offset, write, _value(rng, 32)


def _ports(rng: random.Random, config: Config) -> dict[str, int]:
    model = memory(rng, config) if rng.random() < 0.5 else MemoryModel(latency=rng.randint(1, 9))
    response = rng.choice([0, 0, 0, 1, 2, 3])
    fault = rng.choice([4, 4, 4, 5]) if response else rng.choice([0, 0, 1, 2, 3, 4, 5])
    return model.settings(config) | {
        "fault": fault,
        "fault_at": rng.choice([0, 1, 5, 20, 60]),
        "fault_cycles": rng.randint(1, 200),
        "fault_response": response,
    }
