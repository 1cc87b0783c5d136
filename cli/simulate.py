"""Behind ``resarray sim``: prepare, compile, run, compare, report."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from resarray.spec.config import Config
from resarray.spec.config import preset as find_preset
from resarray.spec.errors import ResarrayError
from resarray.spec.image import Image, load, write_atomic

from .options import NetworkOptions
from .progress import Reporter

# Of time in a recording: a screen has hardly more pixels.
WINDOWS = 2000

if TYPE_CHECKING:  # PyTorch takes seconds to import: not before the options are known to be good
    from resarray.compiler.timing import MemoryTiming
    from resarray.golden.graph import QGraph
    from resarray.golden.pipeline import Prepared
    from resarray.sim.run import MemoryModel


@dataclass(frozen=True)
class Request:
    """The options of ``resarray sim``, and the command line that gave them."""

    options: NetworkOptions
    simulator: str
    preset: str
    latency: int
    bytes_per_cycle: float | None
    memory_bytes: int | None
    stall_probability: float
    seed: int
    image: Path | None
    json: Path | None
    fuse_pool: bool
    batch: bool
    command: str


def simulate(request: Request, progress: Reporter) -> bool:
    """Run the request, print and write its result; whether the RTL equals the golden model."""
    from resarray.sim import format, record, result, simulators
    from resarray.sim.run import MemoryModel, run_many

    # What can be wrong without computing anything comes first.
    config = find_preset(request.preset)
    memory = MemoryModel(
        request.latency, request.bytes_per_cycle, request.stall_probability, request.seed
    )
    memory.settings(config)
    simulator = simulators.find(request.simulator)
    program = None if request.image is None else load(request.image, config)

    from . import network

    prepared = network.prepare(request.options, progress)
    count = len(prepared.inputs_int8)
    if program is None:
        batch = count if request.batch else 1
        program = compile_network(
            prepared.graph,
            config,
            request.fuse_pool,
            progress,
            batch=batch,
            timing=memory,
            memory_bytes=request.memory_bytes,
        )
    _check_program(program, prepared)
    batch = program.manifest["batch"]
    if count % batch:
        raise ResarrayError(
            f"the image takes batches of {batch}, {count} images are given: give a multiple of "
            f"{batch} with --count"
        )
    jobs = count // batch
    predicted = sum(layer["predicted_cycles"] for layer in program.manifest["layers"])
    report = None

    def on_progress(job: int, cycles: int) -> None:
        nonlocal report
        if report is None:
            report = progress.measured(
                f"simulating {count} image{'s' if count > 1 else ''} on {request.simulator}",
                predicted * jobs or None,
                "cycles",
            )
        report(job * predicted + cycles)

    runs = run_many(
        [(program, prepared.inputs_int8[i * batch : (i + 1) * batch]) for i in range(jobs)],
        simulator=request.simulator,
        memory=memory,
        windows=None if request.json is None else WINDOWS,
        note=progress.note,
        progress=on_progress,
    )
    progress.close()
    experiment = result.Experiment(
        model=request.options.model,
        input_size=int(prepared.inputs_int8.shape[-1]),
        source=request.options.images,
        simulator=request.simulator,
        simulator_version=simulator.version,
        command=request.command,
        preset=request.preset,
        memory=memory,
        pixels=prepared.pixels,
        expected=prepared.expected,
        floats=prepared.float_tensors(record.FLOAT_IMAGES),
        float_logits=prepared.float_logits,
        labels=prepared.labels,
        class_names=prepared.class_names,
    )
    summary = result.summarise(experiment, program, runs)
    if request.json is not None:
        write_atomic(request.json, format.to_json(summary))
    result.show(summary, prepared.class_names, _console())
    return summary["bit_exact"]


def _console() -> Console:
    """Standard output, wide enough for the table where it is not a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=max(120, console.width))


def _check_program(program: Image, prepared: "Prepared") -> None:
    """A compiled image must be of the network that it is compared with."""
    graph, manifest = prepared.graph, program.manifest
    shapes = {
        entry["name"]: tuple(entry["layout"][side] for side in ("channels", "height", "width"))
        for entry in manifest["tensors"]
    }
    known = {name: tuple(tensor.shape) for name, tensor in graph.tensors.items()}
    wrong = [name for name, shape in shapes.items() if known.get(name) != shape]
    if wrong or manifest["output"] != graph.output:
        first = (wrong or [manifest["output"]])[0]
        raise ResarrayError(
            f"the image holds network '{manifest['model']}' with other tensors (first: '{first}') "
            f"than '{graph.name}' at {prepared.input_size} pixels: give --model and --input-size "
            "as when it was compiled"
        )


def describe(program: Image) -> dict:
    """A compiled program's figures, as plain data."""
    manifest = program.manifest
    return {
        "model": manifest["model"],
        "preset": program.config.name,
        "config_hash": f"{program.config_hash:016x}",
        "batch": manifest["batch"],
        "instructions": manifest["program"]["count"],
        "bytes": len(program.payload),
        "memory_bytes": manifest["mem_size"],
        "predicted_cycles": sum(layer["predicted_cycles"] for layer in manifest["layers"]),
        "layers": manifest["layers"],
    }


def compile_network(
    graph: "QGraph",
    config: Config,
    fuse_pool: bool,
    progress: Reporter,
    *,
    batch: int,
    timing: "MemoryModel | MemoryTiming",
    memory_bytes: int | None,
) -> Image:
    """`compile_graph` with progress."""
    from resarray.compiler.compile import compile_graph

    progress.note(f"compiling {graph.name} for preset '{config.name}'")
    return compile_graph(
        graph,
        config,
        batch=batch,
        fuse_pool=fuse_pool,
        bytes_per_cycle=timing.bytes_per_cycle,
        latency=timing.latency,
        memory_bytes=memory_bytes,
    )
