"""Programs and inputs in, tensors and counters out: runs the RTL in a simulator process."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resarray.spec import layout
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.image import Image
from resarray.spec.memory import (
    layer_counters,
    memory_contents,
    read_tensors,
    settings_of,
    stored_span,
)
from resarray.spec.registers import COUNTERS, PROFILE_FIELDS

from . import build, cache, checks, memory_file, simulators
from .activity import Activity, read_activity
from .memory_model import MemoryModel
from .process import CycleProgress, simulate
from .waves import Waves

MEM_BASE = 0x4000_0000  # not 0: every transfer must be relative to it
WATCHDOG_CYCLES = 100_000
CHUNK_CYCLES = {"verilator": 50_000, "icarus": 1_000}  # between looks at the counters


@dataclass(frozen=True)
class RunResult:
    """What one program did.

    tensors:  int8 [images, C, H, W] by name, every stored tensor
    counters: the counter registers by name
    layers:   the counters' differences over each layer, in the manifest's order: from the previous
              layer's end to the last compute of this one; the last layer ends with the program
    sim_seconds, cycles_per_second: wall clock from start to interrupt
    activity: what the engines did over time, where it was asked for
    """

    tensors: dict[str, np.ndarray]
    counters: dict[str, int]
    layers: list[dict[str, int]]
    sim_seconds: float
    activity: Activity | None = None

    @property
    def cycles(self) -> int:
        return self.counters["CYCLES"]

    @property
    def cycles_per_second(self) -> float:
        return self.cycles / max(self.sim_seconds, 1e-9)


def run(
    image: Image,
    inputs: np.ndarray,
    *,
    simulator: str = "verilator",
    memory: MemoryModel | None = None,
    watchdog_cycles: int = WATCHDOG_CYCLES,
    design: str | None = None,
    windows: int | None = None,
    waves: Waves | None = None,
    resets: Sequence[tuple[int, int]] = (),
    earlier: Sequence[dict[str, int]] = (),
    note: Callable[[str], None] = lambda text: None,
    progress: CycleProgress = lambda job, cycles: None,
    quick: bool = False,
) -> RunResult:
    """`run_many` of one program."""
    return run_many(
        [(image, inputs)],
        simulator=simulator,
        memory=memory,
        watchdog_cycles=watchdog_cycles,
        design=design,
        windows=windows,
        waves=waves,
        resets=resets,
        earlier=earlier,
        note=note,
        progress=progress,
        quick=quick,
    )[0]


def run_many(
    programs: Sequence[tuple[Image, np.ndarray]],
    *,
    simulator: str = "verilator",
    memory: MemoryModel | Sequence[MemoryModel] | None = None,
    watchdog_cycles: int = WATCHDOG_CYCLES,
    design: str | None = None,
    windows: int | None = None,
    waves: Waves | None = None,
    resets: Sequence[tuple[int, int]] = (),
    earlier: Sequence[dict[str, int]] = (),
    note: Callable[[str], None] = lambda text: None,
    progress: CycleProgress = lambda job, cycles: None,
    compiled: build.Compiled = lambda files, of: None,
    coverage: Path | None = None,
    quick: bool = False,
) -> list[RunResult]:
    """Run programs of one configuration one after the other in one simulator process.

    programs:        (image, int8 [batch, C, H, W]) pairs
    memory:          one model for all, or one for each
    watchdog_cycles: cycles without progress that count as a hang
    design:          Verilog of the accelerator; None: converted from ``hw/``
    windows:         record activity in at most so many windows of time; None: do not
    waves:           write these waveforms of the first program; None: none
    resets:          (cycle, cycles): each program is started, reset after ``cycle`` cycles for so
                     many, and started anew; one after the other
    earlier:         each program runs with these settings changed before, without a reset between;
                     how that ends does not matter
    note, progress:  told what is being built, and how far a program is
    compiled:        told how far the simulation's compilation is, where it has to be built
    coverage:        write Verilator's counts of coverage to this file, however the programs end
    quick:           with a simulation that is quickly built rather than quick to run

    `ResarrayError` when a tool is missing, when the accelerator reports an error, breaks the AXI
    protocol or hangs (with every engine's state), or when the simulator fails.
    """
    config = _common_config(programs)
    models = memory if isinstance(memory, Sequence) else [memory or MemoryModel()] * len(programs)
    settings = [model.settings(config) for model in models]
    found = simulators.find(simulator)
    if design is None:
        design = build.verilog(config, note)
    words = max(layout.ceil_div(image.manifest["mem_size"], config.rows) for image, _ in programs)
    binary = build.build(
        found,
        design,
        config.rows,
        words,
        note,
        waves=waves is not None,
        compiled=compiled,
        coverage=coverage is not None,
        quick=quick,
    )

    contents = [memory_contents(image, inputs) for image, inputs in programs]
    with cache.scratch() as folder:
        jobs = [
            _job(index, image, len(contents[index]), settings[index])
            | {
                "watchdog_cycles": watchdog_cycles,
                "chunk_cycles": CHUNK_CYCLES[simulator],
                "window": _window(image, windows),
                "resets": list(resets),
                "earlier": list(earlier),
            }
            for index, (image, _) in enumerate(programs)
        ]
        for index, data in enumerate(contents):
            path = folder / f"job{index}.mem"
            path.write_bytes(memory_file.format_words(data, config.rows))
        (folder / "jobs.json").write_text(json.dumps(jobs))
        progress(0, 0)
        plusargs = None if waves is None else waves.plusargs()
        if coverage is not None:
            plusargs = ["--coverage-per-instance"]
        simulate(binary, "resarray.sim.bench", build.TOP, folder, progress, plusargs)
        if coverage is not None:
            shutil.copyfile(folder / "coverage.dat", coverage)
        results = [
            _collect(job, image, config, folder, windows)
            for job, (image, _) in zip(jobs, programs, strict=True)
        ]
        if waves is not None:
            waves.keep(folder, design, results[0].cycles)
    return results


def _common_config(programs: Sequence[tuple[Image, np.ndarray]]) -> Config:
    config = programs[0][0].config
    for image, _ in programs:
        if image.config_hash != config.hash or image.config.hash != config.hash:
            raise ResarrayError(
                f"image of '{image.manifest['model']}' has configuration {image.config_hash:016x}, "
                f"the accelerator is '{config.name}' ({config.hash:016x}): compile it for that "
                "preset"
            )
    return config


def _window(image: Image, windows: int | None) -> int:
    """Cycles of a window of recorded activity, by the predicted length; 0: none is recorded."""
    if windows is None:
        return 0
    predicted = sum(layer["predicted_cycles"] for layer in image.manifest["layers"])
    # A tenth in hand: a run may take a little longer than predicted.
    return layout.ceil_div(10 * predicted, 9 * windows)


def _job(index: int, image: Image, load_bytes: int, settings: dict[str, int]) -> dict:
    """What bench.py needs to know of one program."""
    rows = image.config.rows
    start, stop = stored_span(image)
    return {
        "index": index,
        "load_words": load_bytes // rows,
        "dump": [start // rows, layout.ceil_div(stop, rows) - 1],
        "hash": image.config_hash,
        "settings": settings,
        "registers": settings_of(image, MEM_BASE),
    }


def _collect(
    job: dict, image: Image, config: Config, folder: Path, windows: int | None
) -> RunResult:
    path, log = folder / f"job{job['index']}.json", folder / "sim.log"
    if not path.exists():
        raise ResarrayError(
            f"program {job['index']} did not run: see the simulation's log '{cache.keep_log(log)}'"
        )
    found = json.loads(path.read_text())
    if "error" in found:
        raise ResarrayError(f"{found['error']}; the log is '{cache.keep_log(log)}'")
    if found["violations"]:
        broken = checks.broken(found["violations"])
        raise ResarrayError(
            f"the simulation broke a protocol: {', '.join(broken)}; this is a bug in hw/ or sim/, "
            f"the log is '{cache.keep_log(log)}'"
        )
    counters = {name: found["registers"][name] for name in COUNTERS}
    layers = layer_counters(found["profile"], counters, len(image.manifest["layers"]))
    # The registers wrap at 2**32; the layers' counts do not.
    counters |= {name: sum(layer[name] for layer in layers) for name in PROFILE_FIELDS}
    first = job["dump"][0] * config.rows
    dump = memory_file.read_dump(folder / f"job{job['index']}.dump", config.rows).view(np.int8)
    activity = folder / f"job{job['index']}.activity"
    return RunResult(
        tensors=read_tensors(image, lambda start, size: dump[start - first : start - first + size]),
        counters=counters,
        layers=layers,
        sim_seconds=found["seconds"],
        activity=None if windows is None else read_activity(activity, windows),
    )
