"""The quick suite: short programs of all operators under stalls, errors, resets and registers."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from resarray.compiler.compile import compile_graph
from resarray.sim.memory_model import MemoryModel
from resarray.spec.config import Config
from resarray.spec.numerics import quantise_factor
from tests.compiler.reference import Builder, random_graph

from . import errors, graphs, instructions
from .scenario import Scenario, program


def scenarios(config: Config) -> list[Scenario]:
    """The suite on ``config``, what kills most first."""
    programs = [
        program(config, "residual", graphs.residual(), MemoryModel(8, None, 0.3, 1)),
        program(config, "excite", graphs.excite(), MemoryModel(20, None, 0.2, 2), batch=2),
        program(config, "concat", graphs.concat(), MemoryModel(1)),
        errors.registers(config),
        program(config, "tiles", graphs.tiles(), MemoryModel(9, None, 0.2, 22), tiled=True),
        program(config, "strides", graphs.strides(), MemoryModel(40, 1.5, 0.1, 3)),
        program(config, "extremes", graphs.extremes(), MemoryModel(16)),
        program(config, "linear", graphs.linear(), MemoryModel(60, None, 0.5, 4)),
        program(config, "pools", graphs.pools(), MemoryModel(12, None, 0.4, 5), fuse_pool=False),
        program(config, "clamps", graphs.clamps(), MemoryModel(6, None, 0.1, 16)),
        *(
            program(config, name, graphs.moving(), MemoryModel(5, None, 0.2, seed), offset=offset)
            for name, seed, offset in (
                ("moved", 6, 0x6AAA_A000),
                ("moved back", 7, 0x9555_5000),
            )
        ),
    ]
    rest = [
        *quick(config),
        *(
            program(config, name, b, MemoryModel(3), x=graphs.near_zero(b))
            for name, b in (
                ("nearly halves", graphs.halves((1 << 16) - 1)),
                ("fractions", graphs.fractions()),
                ("headroom", graphs.headroom()),
                ("average fractions", graphs.average_fractions()),
            )
        ),
        *(
            program(config, f"at {base:#x}", graphs.halves(), MemoryModel(3), base=base)
            for base in (0x5555_5000, 0xAAAA_A000)
        ),
        program(config, "small products", graphs.small_products(), MemoryModel(3)),
        program(config, "averages", graphs.averages(), MemoryModel(2)),
        program(config, "wide pools", graphs.wide_pools(), MemoryModel(14, None, 0.2, 14)),
        instructions.long_loads(config),
        instructions.long_store(config),
        *instructions.unused(config),
        instructions.exchanged(config),
        *instructions.unaligned(config),
        instructions.half_kept(config),
        program(config, "batch", graphs.many_images(), MemoryModel(3), batch=instructions.IMAGES),
        instructions.full_queues(config),
        instructions.full_output(config),
        errors.settings_while_busy(config),
        *instructions.waits(config),
        instructions.missing_weights(config),
        errors.settings_bit_by_bit(config),
        large_average(config),
        errors.elsewhere(config),
        *errors.late_errors(config),
        instructions.full_queue(config),
        *instructions.far_steps(config),
        instructions.marks(config),
        program(config, "full line", graphs.full_line(config.pool_words), MemoryModel(6)),
        instructions.many_instructions(config),
    ]
    return [
        *programs,
        *instructions.drawn(config),
        *errors.errors(config),
        *errors.far_patterns(config),
        *errors.resets(config),
        *drawn(config),
        *rest,
    ]


def quick(config: Config) -> list[Scenario]:
    """The least that tells anything."""
    return [program(config, "halves", graphs.halves(), MemoryModel(3))]


def drawn(config: Config) -> Iterator[Scenario]:
    """Random graphs of a few thousand cycles."""
    memories = itertools.cycle(
        [MemoryModel(1, None, 0.6, 8), MemoryModel(100, None, 0.0, 9), MemoryModel(30, 3, 0.3, 10)]
    )
    wanted = 8
    for seed in itertools.count(5000):
        if not wanted:
            return
        b = random_graph(seed)
        image = compile_graph(b.graph, config)
        if 500 < sum(layer["predicted_cycles"] for layer in image.manifest["layers"]) < 2500:
            wanted -= 1
            yield program(config, f"random {seed}", b, next(memories))


def large_average(config: Config) -> Scenario:
    """Its sum has many bits: all pixels are the furthest from their zero point."""
    b = Builder(10, (3, 50, 50))
    b.graph.tensors["x"] = dataclasses.replace(b.graph.tensors["x"], zero_point=-128)
    b.average("x")
    mult, shift = quantise_factor(0.45 / 2500)
    op: Any = b.graph.ops[0]
    b.graph.ops[0] = dataclasses.replace(op, mult=mult, shift=shift)
    x = np.full((1, 3, 50, 50), 127, np.int8)
    return program(config, "large average", b, MemoryModel(2), x=x)
