"""A network as integers."""

from pathlib import Path

from resarray.compiler.timing import MemoryTiming
from resarray.golden import pipeline
from resarray.golden.graph import QGraph
from resarray.spec.config import Config
from resarray.spec.pixels import Size
from resarray.spec.presets import DEFAULT
from resarray.spec.progress import Progress, silent

from . import arguments
from .images import Images, is_array, source_of
from .program import Program, compile_program


class Quantised:
    """An integer network: int8 weights and feature maps, see `Network.quantise`."""

    def __init__(
        self,
        network: pipeline.Network,
        weights: Path | str | None,
        classes: list[str] | None,
        calibrated_on_array: bool,
    ):
        self._network = network
        self._weights = weights
        self._classes = classes
        self._of_array = calibrated_on_array

    @property
    def name(self) -> str:
        """Of the network."""
        return self._network.name

    @property
    def weights(self) -> Path | str | None:
        """File of the weights; None: the model's own."""
        return self._weights

    @property
    def input_size(self) -> Size:
        """Height and width of the input in pixels."""
        return self._network.input_size

    @property
    def graph(self) -> QGraph:
        """The integer graph: tensors with shape, scale and zero point, and operators in execution
        order."""
        return self._network.graph

    @property
    def warnings(self) -> list[str]:
        """What one should know about the result, a sentence each."""
        return list(self._network.warnings)

    def golden(
        self,
        images: Images | None = None,
        *,
        count: int | None = None,
        batch: int = 1,
        progress: Progress = silent,
    ) -> pipeline.Prepared:
        """What the float and the integer network make of ``images``, bit for bit what the
        accelerator must.

        Parameters
        ----------
        images:   path or ``"digits"`` as of ``--images``, list of picture files, or array or
                  tensor: uint8 [N][H][W][C] pixels, fitted to the input's size, or float
                  [N][C][H][W] of that size, ready for the network; None: those of `quantise`
        count:    how many of them, evenly spread; None: all of an array, tensor or list,
                  ``batch`` of others

        `ResarrayError` for images that do not fit the network.
        """
        count = arguments.optional(arguments.whole, count, "count")
        array = self._of_array if images is None else is_array(images)
        if count is None and not array:
            count = batch
        network = self._network
        source = network.source if images is None else source_of(images)
        return pipeline.golden_results(network.on(source, count, self._classes), progress)

    def compile(
        self,
        preset: str | Config = DEFAULT,
        batch: int = 1,
        *,
        fuse_pool: bool = True,
        winograd: bool = True,
        latency: int = 32,
        bytes_per_cycle: float | None = None,
        memory_bytes: int | None = None,
    ) -> Program:
        """The program for one accelerator.

        Parameters
        ----------
        preset:          configuration: ``"tiny"``, ``"25f"``, ``"small"`` or ``"default"``, a
                         ``.toml`` file, changes as in ``"default,columns=16"``, or a `Config`
        batch:           images per run, which share the weights, 1 or more
        fuse_pool:       let convolutions pool while they drain, where whole rows fit
        winograd:        let kernels three wide be computed by Winograd's tiles of four pixels,
                         where the accelerator has them and that takes fewer cycles
        latency:         memory latency in cycles, 1 or more
        bytes_per_cycle: memory bandwidth, reads and writes together, 1/16 or more; None: one word
                         of each per cycle
        memory_bytes:    bytes of memory that program, weights and feature maps must fit; None: as
                         many as addresses reach

        `ResarrayError` for an unknown preset, and where a layer or the batch does not fit it.
        """
        config = arguments.configuration(preset)
        timing = MemoryTiming(
            arguments.whole(latency, "latency"),
            arguments.optional(arguments.number, bytes_per_cycle, "bytes_per_cycle"),
        )
        memory_bytes = arguments.optional(arguments.whole, memory_bytes, "memory_bytes")
        image = compile_program(
            self._network,
            config,
            batch=arguments.whole(batch, "batch"),
            fuse_pool=arguments.flag(fuse_pool, "fuse_pool"),
            winograd=arguments.flag(winograd, "winograd"),
            bytes_per_cycle=timing.bytes_per_cycle,
            latency=timing.latency,
            memory_bytes=memory_bytes,
        )
        return Program(image, self.golden, self._weights, timing.latency, timing.bytes_per_cycle)

    def __repr__(self) -> str:
        height, width = self.input_size
        return (
            f"<resarray.Quantised {self.name} at {height}x{width}: {len(self.graph.ops)} operators>"
        )

    def _repr_html_(self) -> str:
        from resarray.report.notebook import of_graph

        layers = [
            {
                "name": op.name,
                "op": op.op,
                "shape": list(self.graph.tensors[op.output].shape),
                "macs": self.graph.macs(op),
                "scale": self.graph.tensors[op.output].scale,
                "zero_point": self.graph.tensors[op.output].zero_point,
            }
            for op in self.graph.ops
        ]
        return of_graph(self.name, self.input_size, layers, self.warnings)
