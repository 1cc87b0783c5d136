"""Whether programs end, by counting: against the timed simulation, and on programs that do not."""

import random
from dataclasses import replace

import pytest

from resarray.compiler import cost
from resarray.compiler.compile import compile_graph
from resarray.compiler.liveness import Deadlock, require_ending
from resarray.compiler.program import Instruction, Program
from resarray.spec import isa
from resarray.spec.isa import Engine
from resarray.spec.presets import preset
from resarray.verification.fuzz.orders import reordered

from .reference import Builder, random_graph

pytestmark = pytest.mark.verifies("compiler", by="unit")

CONFIG = preset("tiny")
COMPUTE = {"k_tiles": 1, "params": 0, "n_m0": 1, "n_m1": 1, "n_m2": 8, "mark": 0}


def program(*instructions: tuple[Engine, dict]) -> list[Instruction]:
    made = Program()
    for engine, fields in instructions:
        made.add(engine, fields, 0)
    return made.instructions


def weights(length: int) -> tuple[Engine, dict]:
    return Engine.WEIGHTS, {"addr": 0, "length": length}


def moved(engine: Engine, words: int, **fields) -> tuple[Engine, dict]:
    return engine, {"n_blocks": 1, "n_runs": 1, "run_len": words} | fields


def compute(k_tiles: int = 1, **fields) -> tuple[Engine, dict]:
    return Engine.COMPUTE, COMPUTE | {"k_tiles": k_tiles, "n_k0": k_tiles} | fields


def drain(words: int, **fields) -> tuple[Engine, dict]:
    return Engine.DRAIN, {"px_count": words, "width": words, "height": 1, "n_blocks": 1} | fields


def test_streams_far_longer_than_their_fifos_end():
    require_ending(
        program(
            weights(40_000),
            compute(10_000),
            moved(Engine.RESIDUAL, 5000),
            drain(5000, res_en=1, wait_a=1),
            moved(Engine.STORE, 5000),
        ),
        CONFIG,
    )


# Words that the default queue of four cannot hold apart from who takes them.
STUCK = {
    "nobody takes the weights": [weights(1000)],
    "weights come later": [*[compute()] * 6, weights(24)],
    # The queue fills up with WEIGHTS, so the fetch never comes to the computes.
    "weights too far ahead": [*[weights(40)] * 8, *[compute(10)] * 8],
    # A reader of 64 words in bursts of 8 holds 57 for sure.
    "weights that a burst may not find room for": [
        weights(60),
        *[weights(1)] * 8,
        compute(17),
    ],
    "nobody takes the output": [drain(1000), moved(Engine.STORE, 10)],
    "stores too far behind": [*[drain(20)] * 8, *[moved(Engine.STORE, 20)] * 8],
    "residuals come later": [
        *[drain(4, res_en=1), moved(Engine.STORE, 4)] * 6,
        moved(Engine.RESIDUAL, 24),
    ],
    "nobody takes the residuals": [moved(Engine.RESIDUAL, 100)],
    "a wait for a later one": [moved(Engine.LOAD, 4, wait_a=1), weights(4), compute(wait_a=1)],
    "a wait for more than there are": [moved(Engine.LOAD, 4, wait_b=2)],
}


@pytest.mark.parametrize("case", STUCK)
def test_what_never_ends(case):
    with pytest.raises(Deadlock):
        require_ending(program(*STUCK[case]), CONFIG)


def test_what_is_left_over_is_found():
    with pytest.raises(Deadlock, match="3 words are left in the weight FIFO"):
        require_ending(program(weights(7), compute()), CONFIG)


def decoded(image) -> list[Instruction]:
    """The instructions of a compiled image."""
    found = []
    for at in range(0, 32 * image.manifest["program"]["count"], 32):
        engine, fields = isa.decode(image.payload[at : at + 32])
        found.append(Instruction(engine, fields, 0))
    return found


def ends(check, *arguments) -> bool:
    try:
        check(*arguments)
    except Deadlock:
        return False
    return True


def test_reordered_programs_against_the_timed_simulation():
    """What counting lets pass ends in the simulation too. The converse holds for nearly all: the
    count has less room than the FIFOs."""
    verdicts = {(a, b): 0 for a in (False, True) for b in (False, True)}
    config = replace(CONFIG, queue_depth=2)
    # What a drain that pools gives is known only beside its store.
    graphs = [random_graph(8000 + seed).graph for seed in range(60)]
    graphs = [g for g in graphs if not any("pool" in op.op for op in g.ops)]
    for seed, graph in enumerate(graphs[:25]):
        rng = random.Random(seed)
        program = decoded(compile_graph(graph, config))
        assert ends(require_ending, program, config)
        for _ in range(5):
            changed = reordered(program, rng, rng.choice([1, 10, 60]))
            counted, timed = (
                ends(require_ending, changed, config),
                ends(cost.predict, changed, config),
            )
            assert timed or not counted, f"seed {seed}"
            verdicts[counted, timed] += 1
    assert verdicts[True, True] > 20 and verdicts[False, False] > 5, verdicts
    assert verdicts[False, True] < 10, verdicts


def test_a_large_network_is_counted_quickly():
    """Every program is checked, whatever its length: a few looks at each instruction."""
    b = Builder(10, (16, 40, 40))
    y = b.conv("x", 32, (3, 3), padding=(1, 1, 1, 1))
    b.conv(y, 32, (3, 3), padding=(1, 1, 1, 1), residual=y)
    program = decoded(compile_graph(b.graph, CONFIG))
    assert len(program) > 2000
    passes = 0

    class Counting(list):
        def __getitem__(self, key):
            nonlocal passes
            passes += isinstance(key, int)
            return super().__getitem__(key)

    require_ending(Counting(program), CONFIG)
    # The program is read once, and looked at again where a queue is full.
    assert passes < 6 * len(program)


def test_the_smallest_queues_and_fifos():
    """What the scheduler makes for them ends as well."""
    config = replace(
        CONFIG, queue_depth=2, burst_words=2, weight_words=2, residual_words=2, output_words=4
    )
    b = Builder(9, (12, 9, 9))
    y = b.conv("x", 12, (3, 3), padding=(1, 1, 1, 1))
    b.average(b.max_pool(b.conv(y, 12, (3, 3), padding=(1, 1, 1, 1), residual=y), 3, 1))
    for batch in (1, 3):
        require_ending(decoded(compile_graph(b.graph, config, batch=batch)), config)
