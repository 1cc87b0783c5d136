"""What the campaign runs: a random network or program on an accelerator and a memory, by number."""

import dataclasses
import random
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

from ...compiler import compile
from ...compiler.compile import compile_graph
from ...compiler.placement import complete
from ...golden import fast
from ...golden.graph import QGraph
from ...sim.memory_model import MemoryModel
from ...sim.run import RunResult
from ...spec.config import Config
from ...spec.errors import ResarrayError
from ...spec.image import Image
from ...spec.memory import read_tensors
from . import graphs, programs
from .machines import machine, require_machine
from .memories import memory

KINDS = ("program", "network")
# Maps of a network are less than so many pixels square; of one in ten the larger.
MAP_SIDE, LARGE_MAP_SIDE = 14, 40
# Of a network on its memory; what takes longer gets a faster one.
SLOW_CYCLES = 200_000
_CASE = re.compile(r"(\w+):(\d{1,9}):(\S+)")


@dataclass(frozen=True)
class Case:
    """One of `KINDS`, its number, and the name of its `machines.machine`."""

    kind: str
    seed: int
    machine: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.seed}:{self.machine}"


@dataclass(frozen=True)
class Job:
    """What is run and what it must leave: stored tensors by name, and, where they are known, memory
    words read and written."""

    image: Image
    inputs: np.ndarray
    memory: MemoryModel
    expected: dict[str, np.ndarray]
    beats: tuple[int, int] | None = None


def tiled() -> AbstractContextManager:
    """Every layer that can be is computed by Winograd's tiles, which seldom pay on small maps."""
    return mock.patch.object(compile, "pays", lambda tiled, direct: True)


def parse(text: str) -> list[Case]:
    """The cases of ``KIND:SEED:MACHINE``, several of one machine separated by spaces;
    `ResarrayError` where it is not that."""
    found = []
    for part in text.split() or [text]:
        match = _CASE.fullmatch(part)
        if match is None or match[1] not in KINDS:
            raise ResarrayError(
                f"'{part}' is no case: give KIND:SEED:MACHINE, as program:17:tiny or "
                "network:3:small,element=mac; KIND is program or network"
            )
        require_machine(match[3])
        found.append(Case(match[1], int(match[2]), match[3]))
    if len({case.machine for case in found}) > 1:
        raise ResarrayError(f"'{text}' is of several machines: give cases of one")
    return found


def recipe(case: Case) -> tuple[programs.Recipe, int]:
    """A program's steps, and how many were drawn in vain."""
    return programs.draw(machine(case.machine), case.seed)


def job(case: Case, changed: Any = None) -> tuple[Job, dict[str, int]]:
    """What ``case`` runs, and what the draw counted; ``changed``: a smaller recipe, or the network
    less some layers, in its place.

    `ScheduleError` for a program that is not legal, `ResarrayError` for a network that the
    accelerator's buffers do not hold.
    """
    config = machine(case.machine)
    model = memory(random.Random(f"memory of {case.kind} {case.seed}"), config)
    if case.kind == "network":
        return _network(case.seed, config, model, changed), {}
    vain = 0
    if changed is None:
        changed, vain = recipe(case)
    return program_job(config, changed, model, vain)


def program_job(
    config: Config, made_of: programs.Recipe, model: MemoryModel, vain: int = 0
) -> tuple[Job, dict[str, int]]:
    program = programs.assemble(config, made_of)
    expected = read_tensors(
        program.image, lambda start, size: program.expected[start : start + size].view(np.int8)
    )
    made = Job(program.image, program.inputs, model, expected, programs.beats(program))
    counted = {
        "steps": len(made_of.steps),
        "steps drawn in vain": vain,
        "moves": made_of.moves,
        "moves refused": program.refused,
        "instructions": len(program.instructions),
    }
    return made, counted


def graph(seed: int) -> graphs.Builder:
    """The network of number ``seed``."""
    rng = random.Random(f"network {seed}")
    side = LARGE_MAP_SIDE if rng.random() < 0.1 else MAP_SIDE
    builder = graphs.random_graph(seed, side)
    if rng.random() < 0.5:
        graphs.extreme(builder, rng)
    return builder


def _network(seed: int, config: Config, model: MemoryModel, changed: QGraph | None) -> Job:
    rng = random.Random(f"run of network {seed}")
    builder = graph(seed)
    if changed is not None:
        builder.graph = changed
    batch = rng.choice([1, 1, 1, 2, 3])
    fuse_pool = rng.random() < 0.8
    x = graphs.images(builder, batch, rng)
    with tiled() if rng.random() < 0.8 else nullcontext():
        image = compile_graph(builder.graph, config, fuse_pool=fuse_pool, batch=batch)
    expected = complete(builder.graph, config, fast.run(builder.graph, x))
    if _cycles(image, model) > SLOW_CYCLES:
        model = dataclasses.replace(model, latency=min(model.latency, 20), bytes_per_cycle=None)
    return Job(image, x, model, {t["name"]: expected[t["name"]] for t in image.manifest["tensors"]})


def _cycles(image: Image, model: MemoryModel) -> float:
    """How long the memory alone takes, roughly, but for its pauses."""
    config, layers = image.config, image.manifest["layers"]
    moved = sum(layer["bytes_read"] + layer["bytes_written"] for layer in layers)
    bursts = moved / (config.rows * config.burst_words)
    return (
        moved / (model.bytes_per_cycle or config.rows) + bursts * model.latency / config.max_reads
    )


def difference(made: Job, result: RunResult) -> str | None:
    """What is wrong with a run, in a sentence; None where nothing is."""
    for name, golden in made.expected.items():
        wrong = np.argwhere(result.tensors[name] != golden)
        if len(wrong):
            return f"{len(wrong)} of {golden.size} values of '{name}' differ, first at {wrong[0]}"
    counters = result.counters
    kinds = ("BUSY", "WAIT_INSTRUCTION", "WAIT_LOAD", "WAIT_DRAIN", "WAIT_WEIGHTS")
    for row in (counters, *result.layers):
        if row["CYCLES"] != sum(row[kind] for kind in kinds):
            return f"cycles are not counted once each: {row}"
    if made.beats is not None:
        found = counters["READ_BEATS"], counters["WRITE_BEATS"]
        if found != made.beats:
            return f"{found} words were read and written instead of {made.beats}"
    return None
