"""A compiled network."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resarray.spec.config import Config
from resarray.spec.image import Image, save
from resarray.spec.progress import Progress, silent

from . import arguments

if TYPE_CHECKING:  # PyTorch takes seconds to import
    from resarray.golden.pipeline import Network, Prepared

    from .images import Images
    from .simulation import Simulation


def compile_program(
    network: "Network | Prepared",
    config: Config,
    *,
    batch: int = 1,
    fuse_pool: bool = True,
    winograd: bool = True,
    bytes_per_cycle: float | None = None,
    latency: int = 32,
    memory_bytes: int | None = None,
) -> Image:
    """`compile_graph` of a quantised network, with what makes its inputs of pictures."""
    from resarray.compiler.compile import compile_graph

    program = compile_graph(
        network.graph,
        config,
        batch=batch,
        fuse_pool=fuse_pool,
        winograd=winograd,
        bytes_per_cycle=bytes_per_cycle,
        latency=latency,
        memory_bytes=memory_bytes,
    )
    if network.mean is not None and network.std is not None:
        program.manifest["pixels"] = {
            "mean": list(network.mean),
            "std": list(network.std),
            "classes": network.class_names,
        }
    return program


def describe(program: Image) -> dict[str, Any]:
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


class Program:
    """A network compiled for one accelerator, see `Quantised.compile`; `Board.run` runs it."""

    def __init__(
        self,
        image: Image,
        golden: "Callable[..., Prepared]",
        weights: Path | str | None,
        latency: int,
        bytes_per_cycle: float | None,
    ):
        self._image = image
        self._golden = golden
        self._weights = weights
        self._latency = latency
        self._bytes_per_cycle = bytes_per_cycle

    @property
    def image(self) -> Image:
        """Instructions, weights and manifest."""
        return self._image

    @property
    def batch(self) -> int:
        """Images of one run."""
        return self._image.manifest["batch"]

    @property
    def predicted_cycles(self) -> int:
        """Clock cycles of one run, all its images together, by the compiler's cost model (within
        some 0.5 % of the hardware's count)."""
        return self.facts["predicted_cycles"]

    @property
    def facts(self) -> dict[str, Any]:
        """model, preset, config_hash, batch, instructions, bytes of program and weights,
        memory_bytes that a run needs, predicted_cycles, and layers: of each its name, op, method
        (Winograd, or direct and perhaps why), shape [C, H, W], macs, bytes_read, bytes_written,
        predicted_cycles and tensor, for a batch."""
        return describe(self._image)

    def save(self, path: Path | str) -> None:
        """Write the image file that ``resarray run`` and `Board.run` take, whole or not at all."""
        save(self._image, arguments.path(path, "path"))

    def simulate(
        self,
        images: "Images | None" = None,
        *,
        count: int | None = None,
        simulator: str = "verilator",
        stall_probability: float = 0.0,
        seed: int = 0,
        record: bool = False,
        progress: Progress = silent,
    ) -> "Simulation":
        """Run on the RTL and compare every tensor with the golden model.

        Parameters
        ----------
        images:            as for `Quantised.golden`; None: those that the network was quantised on
        count:             how many, a multiple of `batch`, evenly spread; None: all of an array,
                           tensor or list of pictures, one batch of others
        simulator:         ``"verilator"`` or ``"icarus"`` (small networks on small presets)
        stall_probability: of a pause on each memory channel in each cycle, 0 to below 1
        seed:              of the pauses, 0 or more
        record:            whether to keep what a report shows beside the figures, for
                           `Simulation.save`
        progress:          called with the fraction done (None: not known) and what is being done

        The memory is the one that the program was compiled for. `ResarrayError` for images that do
        not fit, a missing simulator, and an accelerator that hangs or breaks the bus protocol. A
        value that differs is no error: see `Simulation.exact`.
        """
        from resarray.sim import simulators
        from resarray.sim.run import MemoryModel

        from . import simulation

        memory = MemoryModel(
            self._latency,
            self._bytes_per_cycle,
            arguments.number(stall_probability, "stall_probability"),
            arguments.whole(seed, "seed"),
        )
        memory.settings(self._image.config)
        record = arguments.flag(record, "record")
        found = simulators.find(arguments.text(simulator, "simulator"))
        prepared = self._golden(images, count=count, batch=self.batch, progress=progress)
        jobs = simulation.jobs_of(self._image, len(prepared.inputs_int8))
        total = max(1, jobs * self.predicted_cycles)

        def on_progress(job: int, cycles: int) -> None:
            done = (job * self.predicted_cycles + cycles) / total
            progress(min(1.0, done), f"simulating on {simulator}")

        return simulation.simulate(
            self._image,
            prepared,
            simulator=found,
            memory=memory,
            weights=self._weights,
            command="resarray (Python)",
            recorded=record,
            note=lambda text: progress(None, text),
            progress=on_progress,
        )

    def __repr__(self) -> str:
        facts = self.facts
        return (
            f"<resarray.Program of {facts['model']} for '{facts['preset']}': batch {self.batch}, "
            f"{self.predicted_cycles:,} cycles predicted, {facts['bytes']:,} bytes>"
        )

    def _repr_html_(self) -> str:
        from resarray.report.notebook import of_program

        return of_program(self.facts, self._image.manifest["config"], self._bytes_per_cycle)
