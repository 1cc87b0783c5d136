"""Compile integer graphs, run them on the RTL and compare every tensor with the golden model."""

import numpy as np

from resarray.compiler.compile import compile_graph
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.golden.graph import QGraph
from resarray.sim import build
from resarray.sim.run import MemoryModel, RunResult, run_many
from resarray.spec.config import Config
from tests.compiler.reference import Builder

WATCHDOG_CYCLES = 20_000


def run_and_compare(
    builders: list[Builder],
    config: Config,
    simulator: str,
    stall: float = 0.0,
    latency: int = 32,
    fuse_pool: bool = True,
    batch: int = 1,
    target: str = "generic",
    quick: bool = False,
) -> list[RunResult]:
    """Run each builder's graph on ``batch`` random images, all in one simulator process.

    quick: for an accelerator that no other test runs; see `run_many`
    """
    programs, expected = [], []
    for builder in builders:
        x = np.stack([builder.input() for _ in range(batch)])
        expected.append(complete(builder.graph, config, fast.run(builder.graph, x)))
        programs.append((compile_graph(builder.graph, config, fuse_pool=fuse_pool, batch=batch), x))
    memory = [
        MemoryModel(latency=latency, stall_probability=stall, seed=i) for i in range(len(programs))
    ]
    results = run_many(
        programs,
        simulator=simulator,
        memory=memory,
        watchdog_cycles=WATCHDOG_CYCLES,
        design=build.verilog(config, target=target),
        quick=quick,
    )
    for index, (result, golden) in enumerate(zip(results, expected, strict=True)):
        assert result.tensors, "nothing was compared"
        for name, tensor in result.tensors.items():
            wrong = np.argwhere(tensor != golden[name])
            assert not len(wrong), (
                f"graph {index}, tensor {name} {tensor.shape}: {len(wrong)} mismatches, first at "
                f"{wrong[0]}: {describe(builders[index].graph)}"
            )
        check_counters(result)
    return results


def check_counters(result: RunResult) -> None:
    """Every cycle is accounted for exactly once, in total and layer by layer."""
    kinds = ("BUSY", "WAIT_INSTRUCTION", "WAIT_LOAD", "WAIT_DRAIN", "WAIT_WEIGHTS")
    assert result.counters["CYCLES"] == sum(result.counters[k] for k in kinds)
    for name in ("CYCLES", *kinds):
        assert result.counters[name] == sum(layer[name] for layer in result.layers)


def describe(graph: QGraph) -> str:
    return "; ".join(
        f"{op.op} {graph.tensors[op.input].shape} -> {graph.tensors[op.output].shape}"
        for op in graph.ops
    )
