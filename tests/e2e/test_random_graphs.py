"""Random graphs of all operators in RTL, on the tiny preset under stalls.

``RESARRAY_RTL_GRAPHS`` says how many are drawn (500: ten minutes), ``RESARRAY_SEED`` where their
numbers begin. Of a graph that fails the smallest part that fails too is named.
"""

import os
import random

import pytest

from resarray.golden.graph import QGraph
from resarray.spec.presets import preset
from resarray.verification.fuzz.graphs import Builder, part, random_graph

from .rtl import describe, run_and_compare

pytestmark = pytest.mark.verifies("accelerator", "operators", "compiler", by="random")

COUNT = int(os.environ.get("RESARRAY_RTL_GRAPHS", "60"))
FIRST_SEED = int(os.environ.get("RESARRAY_SEED", "20000"))
PER_RUN = 20
STALLS = ((0.0, 1), (0.3, 32), (0.7, 100))  # probability, cycles of latency


def run(builders: list[Builder], first: int) -> None:
    """As many graphs as one simulator process takes; memory and batch by the first one's number."""
    rng = random.Random(first)
    stall, latency = rng.choice(STALLS)
    batch = rng.choice([1, 1, 2])
    fuse_pool = rng.random() < 0.8
    run_and_compare(builders, preset("tiny"), "verilator", stall, latency, fuse_pool, batch)


def fails(builder: Builder, first: int) -> bool:
    try:
        run([builder], first)
    except Exception:
        return True
    return False


def smallest(seed: int, first: int) -> QGraph | None:
    """The first part of a random graph that fails, or None where it does not fail alone."""
    graph = random_graph(seed).graph
    for op in graph.ops:
        builder = random_graph(seed)
        builder.graph = part(graph, op.output)
        if fails(builder, first):
            return builder.graph
    return None


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + COUNT, PER_RUN))
def test_random_graphs(first):
    seeds = range(first, min(first + PER_RUN, FIRST_SEED + COUNT))
    print(f"seeds {seeds[0]} to {seeds[-1]}")
    try:
        run([random_graph(seed) for seed in seeds], first)
    except Exception as error:
        for seed in seeds:
            graph = smallest(seed, first)
            if graph is not None:
                raise AssertionError(
                    f"RESARRAY_SEED={first}, graph of seed {seed}, of which this fails: "
                    f"{describe(graph)}"
                ) from error
        raise


def test_a_failure_is_cut_down(monkeypatch):
    """To the operator that is wrong and what it needs."""
    seed = next(s for s in range(100) if len(random_graph(s).graph.ops) == 4)
    graph = random_graph(seed).graph
    wrong = graph.ops[2].output

    def run_wrong(builders, first):
        assert wrong not in builders[0].graph.tensors

    monkeypatch.setattr(f"{__name__}.run", run_wrong)
    found = smallest(seed, 0)
    assert found is not None and found.ops[-1].output == wrong and len(found.ops) <= 3
