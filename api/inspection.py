"""Whether a network can run and how fast, before anything of it is quantised on real images."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resarray.compiler.timing import MemoryTiming
from resarray.fpga.boards import BOARDS, Board
from resarray.golden.graph import QGraph
from resarray.golden.inspection import Operator, operators, random_graph
from resarray.golden.models import ModelSpec
from resarray.golden.passes.check import told_once
from resarray.golden.pipeline import read_network
from resarray.report.schema import INSPECTION_FORMAT
from resarray.spec.config import PRESETS, Config
from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import Size
from resarray.spec.progress import Progress, silent

from .arguments import configuration
from .program import describe


@dataclass(frozen=True)
class Prediction:
    """One image on one preset.

    Attributes
    ----------
    preset:            its name
    config:            its fields
    clock_hz:          of the accelerator, which images_per_second is for
    clock_of:          whose clock that is
    cycles:            of one image, predicted by the compiler's cost model; None: see ``error``
    images_per_second: at that clock, with the memory that was asked for
    utilisation:       useful MACs per cycle, of all that the array can do, 0 to 1
    memory_bytes:      program, weights and feature maps
    program_bytes:     program and weights among them
    layers:            as of `Program.facts`
    error:             why the network cannot be compiled for it; None: it can
    """

    preset: str
    config: dict[str, Any]
    clock_hz: float
    clock_of: str
    cycles: int | None = None
    images_per_second: float | None = None
    utilisation: float | None = None
    memory_bytes: int | None = None
    program_bytes: int | None = None
    layers: tuple[dict[str, Any], ...] = ()
    error: str | None = None


@dataclass(frozen=True, repr=False)
class Inspection:
    """A network operator by operator, and what it takes on each preset.

    Attributes
    ----------
    name:            of the network
    input_shape:     [C, H, W]
    operators:       as the front end reads them, in execution order
    predictions:     one for each preset that was asked for; none where an operator cannot run
    latency:         memory latency in cycles that they assume
    bytes_per_cycle: memory bandwidth likewise; None: one word each way
    """

    name: str
    input_shape: tuple[int, int, int]
    operators: tuple[Operator, ...]
    predictions: tuple[Prediction, ...]
    latency: int
    bytes_per_cycle: float | None

    @property
    def runs(self) -> bool:
        """Whether every operator can run."""
        return not any(op.refusal for op in self.operators)

    @property
    def reasons(self) -> list[str]:
        """Why the network cannot run: a sentence for each operator that cannot."""
        refused = [op for op in self.operators if op.refusal]
        told = told_once(str(op.refusal) for op in refused)
        return [f"{_place(op)}: {why}" for op, why in zip(refused, told, strict=True)]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(op.macs for op in self.operators)

    @property
    def parameters(self) -> int:
        """Learned numbers."""
        return sum(op.parameters for op in self.operators)

    @property
    def weight_bytes(self) -> int:
        """Of all weights as int8, see `Operator`."""
        return sum(op.weight_bytes for op in self.operators)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, as ``resarray inspect --json`` writes it."""
        return {
            "format": INSPECTION_FORMAT,
            "model": self.name,
            "input_shape": list(self.input_shape),
            "runs": self.runs,
            "reasons": self.reasons,
            "macs": self.macs,
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
            "memory": {"latency": self.latency, "bytes_per_cycle": self.bytes_per_cycle},
            "operators": [_plain(op) for op in self.operators],
            "presets": [_plain(prediction) for prediction in self.predictions],
        }

    def __repr__(self) -> str:
        count, wrong = len(self.operators), len(self.reasons)
        verdict = "all can run" if self.runs else f"{wrong} cannot run"
        return f"<resarray.Inspection of {self.name}: {count} operators, {verdict}>"

    def _repr_html_(self) -> str:
        from resarray.report.notebook import of_inspection

        return of_inspection(self.as_dict())


def _place(op: Operator) -> str:
    place = ", ".join(filter(None, (op.operator, op.source)))
    return f"{op.name} ({place})" if place else op.name


def _plain(record: Operator | Prediction) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(record).items()
    }


def inspect(
    model: str | ModelSpec,
    *,
    input_size: int | Size | str | None = None,
    name: str | None = None,
    presets: Sequence[str | Config] | None = None,
    latency: int = 32,
    bytes_per_cycle: float | None = None,
    progress: Progress = silent,
) -> Inspection:
    """`Network.inspect` of a model; ``model``, ``input_size`` and ``name`` as of
    `pipeline.build_network`."""
    configs = [configuration(preset) for preset in (PRESETS if presets is None else presets)]
    timing = MemoryTiming(latency, bytes_per_cycle)
    progress(None, "reading the network")
    read = read_network(model, input_size=input_size, name=name)
    found = operators(read)
    predictions: list[Prediction] = []
    if configs and not any(op.refusal for op in found):
        try:
            graph = random_graph(read)
        except ResarrayError as error:
            predictions = [_prediction(config, error=str(error)) for config in configs]
        else:
            for config in configs:
                progress(None, f"compiling {read.name} for preset '{config.name}'")
                predictions.append(_compiled(graph, config, timing))
    return Inspection(
        read.name, read.shape, tuple(found), tuple(predictions), latency, bytes_per_cycle
    )


def _compiled(graph: QGraph, config: Config, timing: MemoryTiming) -> Prediction:
    from resarray.compiler.compile import compile_graph

    try:
        image = compile_graph(
            graph, config, latency=timing.latency, bytes_per_cycle=timing.bytes_per_cycle
        )
    except ResarrayError as error:
        return _prediction(config, error=str(error))
    facts = describe(image)
    cycles = facts["predicted_cycles"]
    macs = sum(layer["macs"] for layer in facts["layers"])
    return _prediction(
        config,
        cycles=cycles,
        utilisation=macs / (cycles * config.macs_per_cycle),
        memory_bytes=facts["memory_bytes"],
        program_bytes=facts["bytes"],
        layers=tuple(facts["layers"]),
    )


def _prediction(config: Config, cycles: int | None = None, **fields: Any) -> Prediction:
    board, whose = _clock(config)
    return Prediction(
        config.name,
        dataclasses.asdict(config),
        board.core_clk,
        whose,
        cycles,
        None if cycles is None else board.core_clk / cycles,
        **fields,
    )


def _clock(config: Config) -> tuple[Board, str]:
    """The first board that comes with a preset, or that of the default where none does."""
    for board in BOARDS.values():
        if PRESETS[board.preset] == config:
            return board, f"board {board.name}"
    board = next(iter(BOARDS.values()))
    return board, f"assumed, as of board {board.name}"
