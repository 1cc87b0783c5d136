"""Behind ``resarray sim``: prepare, compile, run, compare, report."""

from dataclasses import dataclass
from pathlib import Path

from resarray.golden.graph import QGraph
from resarray.spec.config import Config
from resarray.spec.config import preset as find_preset
from resarray.spec.image import Image, load, write_atomic
from rich.console import Console

from . import network
from .progress import Reporter


@dataclass(frozen=True)
class Request:
    """The options of ``resarray sim``."""

    network: network.Network
    simulator: str
    preset: str
    latency: int
    bytes_per_cycle: float | None
    stall_probability: float
    seed: int
    image: Path | None
    json: Path | None
    fuse_pool: bool


def simulate(request: Request, progress: Reporter) -> bool:
    """Run the request, print and write its result; whether the RTL equals the golden model."""
    from resarray.sim import result, simulators
    from resarray.sim.run import MemoryModel, run_many

    # What can be wrong without computing anything comes first.
    config = find_preset(request.preset)
    memory = MemoryModel(
        request.latency, request.bytes_per_cycle, request.stall_probability, request.seed
    )
    memory.settings(config)
    simulators.find(request.simulator)
    program = None if request.image is None else load(request.image, config)

    prepared = network.prepare(request.network, progress)
    if program is None:
        program = compile_network(prepared.graph, config, request.fuse_pool, progress)
    count = len(prepared.inputs_int8)
    predicted = sum(layer["predicted_cycles"] for layer in program.manifest["layers"])
    report = None

    def on_progress(job: int, cycles: int) -> None:
        nonlocal report
        if report is None:
            report = progress.measured(
                f"simulating {count} image{'s' if count > 1 else ''} on {request.simulator}",
                predicted * count or None,
                "cycles",
            )
        report(job * predicted + cycles)

    def on_note(text: str) -> None:
        progress.note(text)

    runs = run_many(
        [(program, prepared.inputs_int8[i : i + 1]) for i in range(count)],
        simulator=request.simulator,
        memory=memory,
        note=on_note,
        progress=on_progress,
    )
    progress.close()
    experiment = result.Experiment(
        model=request.network.model,
        input_size=int(prepared.inputs_int8.shape[-1]),
        source=request.network.images,
        simulator=request.simulator,
        preset=request.preset,
        memory=memory,
        expected=prepared.expected,
        float_logits=prepared.float_logits,
        labels=prepared.labels,
        class_names=prepared.class_names,
    )
    summary = result.summarise(experiment, program, runs)
    if request.json is not None:
        write_atomic(request.json, result.to_json(summary))
    result.show(summary, prepared.class_names, Console())
    return summary["bit_exact"]


def compile_network(graph: QGraph, config: Config, fuse_pool: bool, progress: Reporter) -> Image:
    """`compile_graph` with progress."""
    from resarray.compiler.compile import compile_graph

    progress.note(f"compiling {graph.name} for preset '{config.name}'")
    return compile_graph(graph, config, fuse_pool=fuse_pool)
