"""A program on the RTL in a simulator, every tensor compared with the golden model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic
from resarray.spec.image import Image

from . import arguments

if TYPE_CHECKING:  # PyTorch and the simulator take seconds to import
    from resarray.golden.pipeline import Prepared
    from resarray.sim.memory_model import MemoryModel
    from resarray.sim.simulators import Simulator
    from resarray.sim.waves import Waves

# Of time in a recording: a screen has hardly more pixels.
WINDOWS = 2000


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """What a program did on the RTL, and whether that is what the golden model says.

    Attributes
    ----------
    summary: the result as plain data: verdict, cycles, utilisation, layers, predictions, outputs,
             as docs/report.md describes the file; ``recorded`` ones have all that a report shows
    tensors: every stored tensor by name, int8 [N][C][H][W]
    """

    summary: dict[str, Any]
    tensors: dict[str, np.ndarray]
    recorded: bool

    @property
    def exact(self) -> bool:
        """Whether every value of every tensor equals the golden model's."""
        return self.summary["bit_exact"]

    @property
    def cycles(self) -> int:
        """Clock cycles of all images together."""
        return self.summary["cycles"]

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """The network's outputs by name, int8 [N][C][H][W]; the first holds the logits."""
        return {out["tensor"]: self.tensors[out["tensor"]] for out in self.summary["outputs"]}

    def save(self, path: Path | str) -> None:
        """Write the result file that ``resarray report`` reads, whole or not at all.
        `ResarrayError` where the simulation was not recorded, or the file cannot be written."""
        from resarray.sim.format import to_json

        if not self.recorded:
            raise ResarrayError(
                "the simulation was not recorded, and a report needs that: give simulate() "
                "record=True"
            )
        write_atomic(arguments.path(path, "path"), to_json(self.summary))

    def __repr__(self) -> str:
        found = self.summary
        verdict = "bit-exact" if self.exact else f"{found['mismatches']:,} values differ"
        return (
            f"<resarray.Simulation of {found['model']} on '{found['preset']}': {verdict}, "
            f"{found['images']} images, {self.cycles:,} cycles>"
        )

    def _repr_html_(self) -> str:
        from resarray.report.notebook import of_simulation

        return of_simulation(self.summary)


def jobs_of(program: Image, count: int) -> int:
    """How often ``program`` runs for ``count`` images; `ResarrayError` unless whole batches."""
    batch = program.manifest["batch"]
    if count % batch:
        raise ResarrayError(
            f"the image takes batches of {batch}, {count} images are given: give a multiple of "
            f"{batch} as count (--count)"
        )
    return count // batch


def simulate(
    program: Image,
    prepared: "Prepared",
    *,
    simulator: "Simulator",
    memory: "MemoryModel",
    weights: Path | str | None,
    command: str,
    recorded: bool,
    waves: "Waves | None" = None,
    note: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda job, cycles: None,
    compiled: Callable[[int, int], None] = lambda files, of: None,
) -> Simulation:
    """Run ``program`` on the images of ``prepared``, of whose integer graph it is, and compare.

    Parameters
    ----------
    weights, command: for the result file: the weights' file, and what was typed
    recorded:         whether what only a report shows is kept
    others:           as of `resarray.sim.run.run_many`
    """
    from resarray.compiler.placement import complete
    from resarray.sim import record, result
    from resarray.sim.run import run_many

    config, batch = program.config, program.manifest["batch"]
    runs = run_many(
        [
            (program, prepared.inputs_int8[i * batch : (i + 1) * batch])
            for i in range(jobs_of(program, len(prepared.inputs_int8)))
        ],
        simulator=simulator.name,
        memory=memory,
        windows=WINDOWS if recorded else None,
        waves=waves,
        note=note,
        progress=progress,
        compiled=compiled,
    )
    experiment = result.Experiment(
        model=prepared.name,
        weights=None if weights is None else str(weights),
        input_size=prepared.input_size,
        source=prepared.source,
        simulator=simulator.name,
        simulator_version=simulator.version,
        command=command,
        preset=config.name,
        memory=memory,
        pixels=prepared.pixels,
        expected=complete(prepared.graph, config, prepared.expected),
        floats=prepared.float_tensors(record.FLOAT_IMAGES) if recorded else None,
        float_outputs=prepared.float_outputs,
        labels=prepared.labels,
        class_names=prepared.class_names,
    )
    summary = result.summarise(experiment, program, runs)
    tensors = {
        name: np.concatenate([run.tensors[name] for run in runs]) for name in runs[0].tensors
    }
    return Simulation(summary, tensors, recorded)
