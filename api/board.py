"""Programs on an accelerator, on a board or simulated."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from resarray.fpga.bitstream import results_dir
from resarray.fpga.boards import board as find_board
from resarray.fpga.host.accelerator import (
    RUN_TIMEOUT,
    SIMULATION,
    Accelerator,
    StepProgress,
    require_port,
)
from resarray.spec.errors import ResarrayError
from resarray.spec.image import Image, load

from . import arguments
from .images import Images, read_inputs, source_of
from .program import Program


def _no_progress(what: str, done: int, total: int) -> None:
    pass


def open(
    port: str = "/dev/ttyUSB0",
    *,
    board: str = "ulx3s-85f",
    description: Path | str | None = None,
    timeout: float = RUN_TIMEOUT,
    progress: StepProgress = _no_progress,
) -> "Board":
    """The accelerator behind ``port``; a context manager.

    Parameters
    ----------
    port:        serial port of the board, such as ``"/dev/ttyUSB0"``; ``"sim"``: the RTL in the
                 simulator, with the configuration of whichever program it is to run
    board:       its name, such as ``"ulx3s-25f"``
    description: ``soc.json`` of its bitstream; None: the one in ``build/<board>``
    timeout:     seconds that one run of a program may take; ignored for ``"sim"``
    progress:    called with what is being done, and how many bytes of how many are moved (0 of 0
                 where nothing is counted)

    `ResarrayError` for an unknown board, a port that cannot be opened, a board that does not answer
    and one whose bitstream is another than the description's.
    """
    port = str(arguments.path(port, "port"))
    timeout = arguments.number(timeout, "timeout")
    if description is None:
        require_port(port)  # else only the description would be missed
        description = results_dir(find_board(arguments.text(board, "board"))) / "soc.json"
    found = arguments.path(description, "description")
    return Board(open_accelerator(port, found, progress), port, timeout)


def open_accelerator(port: str, description: Path, progress: StepProgress) -> Accelerator:
    """`Accelerator.open`, whose simulation has no description."""
    return Accelerator.open(port, None if port == SIMULATION else description, progress=progress)


class Board:
    """An accelerator that runs programs, see `open`. Its program stays loaded from one run to the
    next."""

    def __init__(self, accelerator: Accelerator, port: str, timeout: float):
        self._accelerator = accelerator
        self._port = port
        self._timeout = timeout
        self._loaded: Image | None = None
        self._cycles = 0

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<resarray.Board on '{self._port}'>"

    def close(self) -> None:
        """Give the port back."""
        self._accelerator.close()

    @property
    def cycles(self) -> int:
        """Clock cycles of the accelerator that the last `run` or `outputs` took, all its batches
        together; 0 before the first."""
        return self._cycles

    def run(self, program: Program | Path | str, images: Images) -> np.ndarray:
        """The network's first output for ``images``.

        Parameters
        ----------
        program: what `Quantised.compile` made, or an image file of `Program.save` or
                 ``resarray compile``
        images:  path, ``"digits"``, list of picture files, array or tensor: uint8 [N][H][W][C],
                 fitted to the network's input, or float [N][C][H][W] of its size that are ready for
                 it

        Returns float32 [N][values], as logits are, or [N][C][H][W] where the output is a map: real
        values, as the int8 results stand for.

        A board always runs whole batches: the last is filled up with copies of its last image. In
        simulation that would take as long as for images that are wanted, and is refused.
        `ResarrayError` for that, for a program of another configuration, images that do not fit,
        and a program that does not end in time.
        """
        image = _image_of(program)
        name = image.manifest["outputs"][0]
        values = self._outputs(image, images)[name]
        entry = next(t for t in image.manifest["tensors"] if t["name"] == name)
        real = (values.astype(np.float32) - entry["zero_point"]) * np.float32(entry["scale"])
        return real.reshape(len(real), -1) if real.shape[2:] == (1, 1) else real

    def outputs(self, program: Program | Path | str, images: Images) -> dict[str, np.ndarray]:
        """Every output of the network by name, int8 [N][C][H][W], as `run` otherwise."""
        return self._outputs(_image_of(program), images)

    def _outputs(self, image: Image, images: Images) -> dict[str, np.ndarray]:
        source = source_of(images)
        require_whole_batches(image, source.count, self._port)
        inputs = read_inputs(image, source)
        if self._loaded is not image:
            self._loaded = None
            self._accelerator.load(image)
            self._loaded = image
        ran = list(run_batches(self._accelerator, image, inputs, self._timeout))
        self._cycles = sum(batch.cycles for batch in ran)
        return {
            name: np.concatenate([batch.outputs[name] for batch in ran])[: len(inputs)]
            for name in ran[0].outputs
        }


def _image_of(program: Program | Path | str) -> Image:
    return (
        program.image if isinstance(program, Program) else load(arguments.path(program, "program"))
    )


def require_whole_batches(image: Image, count: int, port: str) -> int:
    """How many copies of the last of ``count`` images fill up the last batch; `ResarrayError` where
    a simulation would run them."""
    batch = image.manifest["batch"]
    spare = -count % batch
    if spare and port == SIMULATION:
        raise ResarrayError(
            f"the program runs batches of {batch:,} pictures, {count:,} given: the "
            f"simulation would take as long as for whole batches; give a multiple of {batch:,}, or "
            "compile it with a smaller batch (--batch)"
        )
    return spare


@dataclasses.dataclass(frozen=True)
class Batch:
    """One run: the outputs by name, int8 [batch, C, H, W], and its cycles."""

    outputs: dict[str, np.ndarray]
    cycles: int


def run_batches(
    accelerator: Accelerator, image: Image, inputs: np.ndarray, timeout: float
) -> Iterator[Batch]:
    """Run the loaded ``image`` on ``inputs`` int8 [N, C, H, W], a batch at a time; the last is
    filled up with its last image."""
    batch = image.manifest["batch"]
    for start in range(0, len(inputs), batch):
        chosen = inputs[[min(start + i, len(inputs) - 1) for i in range(batch)]]
        accelerator.write_inputs(chosen)
        accelerator.run(timeout)
        names = list(dict.fromkeys(image.manifest["outputs"]))
        values = accelerator.tensors({*names})
        cycles = accelerator.counters()["CYCLES"]
        yield Batch({name: values[name] for name in names}, cycles)
