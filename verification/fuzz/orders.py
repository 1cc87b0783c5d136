"""Other orders of a program's instructions: each engine's own stay in order."""

import itertools
import random
from collections.abc import Sequence

from ...compiler.liveness import Deadlock, require_ending
from ...compiler.program import Instruction
from ...spec.config import Config
from ...spec.isa import Engine, highest

REACH = 100  # instructions that one is moved past at most


def reordered(
    instructions: Sequence[Instruction], rng: random.Random, moves: int
) -> list[Instruction]:
    """Some instructions elsewhere in the program."""
    program = list(instructions)
    for _ in range(moves):
        at = rng.randrange(len(program))
        chosen = program.pop(at)
        same = [i for i, other in enumerate(program) if other.engine == chosen.engine]
        least = max([i + 1 for i in same if i < at], default=0)
        most = min([i for i in same if i >= at], default=len(program))
        program.insert(rng.randint(max(least, at - REACH), min(most, at + REACH)), chosen)
    return program


def ends(instructions: list[Instruction], config: Config) -> bool:
    """Whether counting lets the program pass."""
    try:
        require_ending(instructions, config)
    except Deadlock:
        return False
    return True


def shuffled(
    instructions: list[Instruction], config: Config, rng: random.Random, moves: int
) -> tuple[list[Instruction], int]:
    """``moves`` moves and merges, less those after which the program would not end; how many those
    were."""
    program, refused = instructions, 0
    for _ in range(moves):
        changed = _merged(program, rng) if rng.random() < 0.15 else reordered(program, rng, 1)
        if ends(changed, config):
            program = changed
        else:
            refused += 1
    return program, refused


def _merged(instructions: list[Instruction], rng: random.Random) -> list[Instruction]:
    """One WEIGHTS for two whose words follow each other: nobody counts them."""
    weights = [i for i, other in enumerate(instructions) if other.engine == Engine.WEIGHTS]
    pairs = [
        (i, k)
        for i, k in itertools.pairwise(weights)
        if _end(instructions[i]) == instructions[k].fields["addr"]
        and _end(instructions[k])
        <= instructions[i].fields["addr"] + highest(Engine.WEIGHTS, "length")
    ]
    if not pairs:
        return instructions
    i, k = rng.choice(pairs)
    a, b = instructions[i].fields, instructions[k].fields
    joined = a | {
        "length": a["length"] + b["length"],
        "wait_a": max(a["wait_a"], b["wait_a"]),
    }
    program = list(instructions)
    program[i] = Instruction(Engine.WEIGHTS, joined, instructions[i].layer)
    del program[k]
    return program


def _end(weights: Instruction) -> int:
    return weights.fields["addr"] + weights.fields["length"]
