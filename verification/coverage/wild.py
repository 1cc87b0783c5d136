"""Programs that nobody should make: random fields, settings, responses and resets.

They reach what no good program does: errors, addresses all over the bus, waits that never end.
They must break no rule of a bus; what they compute is not looked at.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...compiler import rates
from ...sim import build, cache, checks, memory_file, simulators
from ...sim.memory_model import MemoryModel
from ...sim.process import simulate
from ...sim.run import MEM_BASE
from ...spec import winograd
from ...spec.config import Config
from ...spec.isa import (
    ADDR_BITS,
    INSTRUCTION_BITS,
    INSTRUCTION_BYTES,
    LAYOUTS,
    WAIT_BITS,
    WAITS,
    Engine,
    encode,
    pack,
)
from ...spec.registers import ADDRESS_BITS, REGISTERS, ErrorCause
from ..fuzz.memories import memory
from . import functional
from .measure import Measured, Note

# In memory: programs of wild instructions, chains of all engines, and waits for nothing; then a
# long chain, whose counts have 11 bits. Instructions in each.
PROGRAMS, INSTRUCTIONS, LONG = 120, 12, 1030
ACCESSES = 12
CYCLES = 1500  # of a step at most
# Enabled, whatever else is written there.
IRQ = 1
SETTINGS = ("MEM_BASE", "MEM_SIZE", "WRITE_BASE", "PROG_ADDR", "PROG_COUNT", "IRQ_ENABLE")


def run(measured: Measured, seed: int, steps: int, note: Note = lambda text: None) -> None:
    """``steps`` wild steps, added to ``measured``."""
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
    ends = Counter((ErrorCause(f["ERROR_CAUSE"]), f["ERROR_ENGINE"]) for f in outcomes)
    measured.functions += functional.of_errors(ends)
    note(f"{steps} wild steps")


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


def _chain(rng: random.Random, config: Config, changed: float) -> Iterator[bytes]:
    """One pixel through all engines; a field is any value with probability ``changed``."""
    ones = dict.fromkeys(("n_blocks", "n_runs", "run_len", "rows", "cols", "k_tiles"), 1)
    ones |= {f"n_{loop}": 1 for loop in ("k0", "k1", "k2", "m0", "m1", "m2")}
    ones |= dict.fromkeys(("px_count", "width", "height", "clear", "params", "res_en"), 1)
    ones |= {"length": config.columns * (1 + config.param_words), "lo": -128, "hi": 127}
    if config.winograd and rng.random() < 0.5:
        length = rates.weight_words(config, True) + rates.parameters(config, True)
        ones |= {"winograd": 1, "length": length, "px_count": winograd.POSITIONS}
    # One of them reaches for any address.
    far = rng.choice([Engine.LOAD, Engine.RESIDUAL, Engine.STORE]) if changed else None
    for engine in Engine:
        values = {field.name: ones.get(field.name, 0) for field in LAYOUTS[engine]}
        for field in LAYOUTS[engine]:
            if rng.random() < changed and not field.name.startswith("wait"):
                values[field.name] = _value(rng, field.width) + field.range[0]
        if engine == far:
            values["addr"] = rng.getrandbits(ADDR_BITS)
        yield encode(engine, **(values | {"opcode": engine.opcode}))


def _waiting(rng: random.Random) -> bytes:
    """An engine that waits for what never comes, so that its queue fills."""
    engine = rng.choice(list(Engine))
    waits = {
        wait: rng.getrandbits(WAIT_BITS) | 1 << rng.randrange(4, WAIT_BITS)
        for wait, awaited in zip(("wait_a", "wait_b"), WAITS[engine], strict=True)
        if awaited is not None
    }
    return b"".join(encode(engine, **waits) for _ in range(INSTRUCTIONS))


def _program(rng: random.Random, config: Config) -> bytes:
    kind = rng.choice(["wild", "chain", "chain", "waiting"])
    if kind == "waiting":
        return _waiting(rng)
    if kind == "wild":
        return b"".join(_instruction(rng) for _ in range(INSTRUCTIONS))
    changed = rng.choice([0.0, 0.02, 0.1])
    links = [list(_chain(rng, config, changed)) for _ in range(INSTRUCTIONS // len(Engine))]
    return b"".join(itertools.chain.from_iterable(links))


def _contents(rng: random.Random, config: Config) -> np.ndarray:
    """The programs, then as much random data."""
    code = b"".join(_program(rng, config) for _ in range(PROGRAMS))
    code += b"".join(_chain(rng, config, 0)) * LONG
    return np.frombuffer(code + rng.randbytes(len(code)), np.uint8)


def _step(rng: random.Random, config: Config, size: int, number: int) -> dict:
    ports = _ports(rng, config)
    start = rng.randrange(PROGRAMS) * INSTRUCTIONS * INSTRUCTION_BYTES
    settings = {
        "MEM_BASE": MEM_BASE,
        "MEM_SIZE": rng.choice([size, 1 << 20, (1 << 32) - MEM_BASE]),
        "WRITE_BASE": rng.choice([0, 0, size, _value(rng, 32) & -config.rows]),
        "PROG_ADDR": rng.choice([start] * 9 + [_value(rng, 32) & -config.rows]),
        "PROG_COUNT": rng.randint(INSTRUCTIONS // 2, INSTRUCTIONS),
        "IRQ_ENABLE": _value(rng, 32) | IRQ,
    }
    if number % 5 == 0:  # settings that are not possible, or another window
        name = rng.choice(SETTINGS[:-1])
        settings[name] = _value(rng, 32)
    if number % 7 == 0:
        settings["MEM_BASE"] = _value(rng, 20) << 12
        settings["MEM_SIZE"] = min(_value(rng, 32), (1 << 32) - settings["MEM_BASE"])
    cycles = rng.choice([20, 200, CYCLES])
    if number == 0:
        ports |= MemoryModel(latency=1).settings(config) | {"fault": 0}
        settings |= _long_chain(LONG, size)
        cycles = 1_000_000
    if number in (1, 2):  # a channel stands still
        fault = {"fault": (4, 3)[number - 1], "fault_cycles": (1 << 16) - 1, "fault_at": 300}
        ports |= MemoryModel(latency=1).settings(config) | fault | {"fault_response": 0}
        settings |= _long_chain(40, size, write_base=size // 2 & -config.rows)
        cycles = 100_000
    if number == 3:  # a write is refused with both bits of a response
        ports |= {"fault": 5, "fault_at": 2, "fault_response": 3}
        settings |= _long_chain(20, size)
        cycles = 20_000
    if 4 <= number < 10:  # a read is refused amid a chain, most of whose words are weights
        ports |= MemoryModel(latency=1).settings(config)
        ports |= {"fault": 4, "fault_at": 250 * number, "fault_response": 2}
        settings |= _long_chain(40, size)
        cycles = 20_000
    return {
        "ports": ports,
        "accesses": [_access(rng) for _ in range(ACCESSES)],
        "registers": settings,
        "cycles": cycles,
        "reset": number % 11 == 0,
    }


def _long_chain(links: int, size: int, write_base: int = 0) -> dict[str, int]:
    """Settings for the first ``links`` of the chain behind the other programs."""
    return {
        "MEM_BASE": MEM_BASE,
        "MEM_SIZE": size,
        "WRITE_BASE": write_base,
        "PROG_ADDR": PROGRAMS * INSTRUCTIONS * INSTRUCTION_BYTES,
        "PROG_COUNT": links * len(Engine),
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
    fault = rng.choice([4, 5]) if response else rng.choice([0, 0, 1, 2, 3, 4, 5])
    return model.settings(config) | {
        "fault": fault,
        "fault_at": rng.choice([0, 1, 5, 20, 60, 105, 120, 150]),
        "fault_cycles": rng.randint(1, 200),
        "fault_response": response,
    }
