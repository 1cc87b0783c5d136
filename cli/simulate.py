"""Behind ``resarray sim``: prepare, compile, run, compare, report."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic
from resarray.spec.image import Image, load
from resarray.spec.presets import preset as find_preset

from .options import NetworkOptions
from .output import wide_console
from .progress import Reporter

if TYPE_CHECKING:  # PyTorch takes seconds to import: not before the options are known to be good
    from resarray.compiler.timing import MemoryTiming
    from resarray.golden.pipeline import Prepared
    from resarray.sim.run import MemoryModel
    from resarray.sim.waves import Waves


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
    winograd: bool
    batch: bool
    waves: Path | None
    layer: str | None
    cycles: str | None
    command: str


def simulate(request: Request, progress: Reporter) -> bool:
    """Run the request, print and write its result; whether the RTL equals the golden model."""
    from resarray.api import simulation
    from resarray.sim import ahead, format, result, simulators
    from resarray.sim.run import MemoryModel

    # What can be wrong without computing anything comes first.
    request.options.arguments()
    _require_uncompiled(request)
    config = find_preset(request.preset)
    memory = MemoryModel(
        request.latency, request.bytes_per_cycle, request.stall_probability, request.seed
    )
    memory.settings(config)
    simulator = simulators.find(request.simulator)
    waves = _window(request)
    if waves is not None:
        waves.require_writable()
        simulators.require_waves(simulator)
    program = None
    if request.image is not None:
        program = load(request.image, config)
        # The same configuration may have had another name when the program was compiled.
        program.manifest["config"]["name"] = config.name

    compiling = None

    def on_compiled(files: int, of: int) -> None:
        nonlocal compiling
        if compiling is None:
            compiling = progress.measured(f"compiling {of} files of the simulation", of, "files")
        compiling(files)

    with ahead.started(simulator, config, waves is not None) as building:
        from . import network

        prepared = network.prepare(request.options, progress)
        count = len(prepared.inputs_int8)
        if program is None:
            program = compile_network(
                prepared,
                config,
                progress,
                fuse_pool=request.fuse_pool,
                winograd=request.winograd,
                batch=count if request.batch else 1,
                timing=memory,
                memory_bytes=request.memory_bytes,
            )
        _check_program(program, prepared)
        jobs = simulation.jobs_of(program, count)
        if waves is not None and request.layer is not None:
            waves = replace(waves, layer=_layer(request.layer, program))
        building.wait(progress.note, on_compiled)
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

    found = simulation.simulate(
        program,
        prepared,
        simulator=simulator,
        memory=memory,
        weights=request.options.weights,
        command=request.command,
        recorded=request.json is not None,
        waves=waves,
        note=progress.note,
        progress=on_progress,
        compiled=on_compiled,
    )
    progress.close()
    summary = found.summary
    result.show(summary, prepared.class_names, wide_console())
    if request.json is not None:
        write_atomic(request.json, format.to_json(summary))
    if waves is not None:
        print(f"waveforms: {waves.path}; look at them with 'gtkwave {waves.save_file}'")
    return summary["bit_exact"]


def _window(request: Request) -> "Waves | None":
    """The waveforms asked for; of a layer, the name is looked up later."""
    from resarray.sim.waves import Waves

    if request.waves is None:
        if request.layer is None and request.cycles is None:
            return None
        raise ResarrayError("--layer and --cycles choose waveforms: give --waves FILE.fst too")
    if (request.layer is None) == (request.cycles is None):
        raise ResarrayError(
            "--waves writes a part of the run: give one of --layer NAME and --cycles FROM:TO"
        )
    if request.cycles is None:
        return Waves(request.waves)
    match = re.fullmatch(r"(\d{1,9}):(\d{1,9})", request.cycles)
    if match is None or int(match[1]) >= int(match[2]):
        raise ResarrayError(
            f"--cycles {request.cycles} is no window: give FROM:TO, as in 1000:2000, with FROM "
            "below TO"
        )
    return Waves(request.waves, int(match[1]), int(match[2]))


def _layer(name: str, program: Image) -> int:
    """The place of layer ``name`` in the program."""
    names = [layer["name"] for layer in program.manifest["layers"]]
    if name not in names:
        raise ResarrayError(f"unknown layer '{name}': choose one of {', '.join(names)}")
    return names.index(name)


def _require_uncompiled(request: Request) -> None:
    """Options of the compiler mean nothing for an image that is compiled already."""
    given = {
        "--no-fuse-pool": not request.fuse_pool,
        "--no-winograd": not request.winograd,
        "--batch": request.batch,
        "--memory-bytes": request.memory_bytes is not None,
    }
    for option in given if request.image is not None else ():
        if given[option]:
            raise ResarrayError(
                f"the image '{request.image}' is compiled already: leave out {option}, or give it "
                "to 'resarray compile'"
            )


def _check_program(program: Image, prepared: "Prepared") -> None:
    """A compiled image must be of the integer graph that it is compared with."""
    from resarray.golden.graph import digest

    graph, manifest = prepared.graph, program.manifest
    there, here = manifest["digest"], digest(graph)
    if there["graph"] == here["graph"]:
        return
    known = {name: list(tensor.shape) for name, tensor in graph.tensors.items()}
    shapes = {layer["tensor"]: layer["shape"] for layer in manifest["layers"]}
    found = f"the image holds network '{manifest['model']}'"
    if there["structure"] == here["structure"]:
        if there["weights"] != here["weights"]:
            raise ResarrayError(
                f"{found} with other weights than '{graph.name}' has here: give --model and "
                "--weights as when it was compiled, or compile it again"
            )
        raise ResarrayError(
            f"{found} with these weights, but another calibration: give the images that it was "
            "calibrated on, or compile it again (another machine may round its ranges otherwise)"
        )
    wrong = [name for name, shape in shapes.items() if known.get(name) != shape]
    if wrong and shapes.keys() <= known.keys():
        layout = manifest["inputs"][0]["layout"]
        size = [layout[side] for side in ("channels", "height", "width")]
        if size != known[graph.input]:
            raise ResarrayError(
                f"{found} for inputs of {_by(size)}, here they are {_by(known[graph.input])}: give "
                "--model and --input-size as when it was compiled"
            )
    which = f"tensors (first: '{wrong[0]}')" if wrong else "operators"
    raise ResarrayError(
        f"{found} with other {which} than '{graph.name}' at {_by(known[graph.input][1:])} pixels: "
        "give --model and --input-size as when it was compiled"
    )


def _by(shape: list[int]) -> str:
    return "x".join(map(str, shape))


def compile_network(
    prepared: "Prepared",
    config: Config,
    progress: Reporter,
    *,
    fuse_pool: bool,
    winograd: bool,
    batch: int,
    timing: "MemoryModel | MemoryTiming",
    memory_bytes: int | None,
) -> Image:
    """`compile_program` with progress."""
    from resarray.api.program import compile_program

    progress.note(f"compiling {prepared.graph.name} for preset '{config.name}'")
    return compile_program(
        prepared,
        config,
        batch=batch,
        fuse_pool=fuse_pool,
        winograd=winograd,
        bytes_per_cycle=timing.bytes_per_cycle,
        latency=timing.latency,
        memory_bytes=memory_bytes,
    )
