"""One interface to the accelerator, on a board or in simulation.

::

    with Accelerator.open("/dev/ttyUSB0", description) as accelerator:
        accelerator.load(image)
        accelerator.write_inputs(inputs)
        accelerator.run()
        outputs = accelerator.tensors({*image.manifest["outputs"]})
"""

import abc
import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resarray.spec import image as image_file
from resarray.spec.errors import ResarrayError
from resarray.spec.image import Image
from resarray.spec.memory import memory_contents, read_tensors, settings_of
from resarray.spec.registers import (
    COUNTERS,
    ID,
    REGISTERS,
    STATUS_BUSY,
    STATUS_DONE,
    STATUS_ERROR,
    VERSION,
    describe_error,
)
from resarray.spec.schema import (
    COUNT,
    FLAG,
    POSITIVE,
    SIZE,
    TEXT,
    Kind,
    Schema,
    SchemaError,
    check,
    parse_json,
)

from . import memory
from .link import ATTEMPTS, Link

if TYPE_CHECKING:  # with it comes the simulator
    from resarray.sim.run import RunResult

# progress(what, done, total); bytes, or 0 of 0 where there is nothing to count
StepProgress = Callable[[str, int, int], None]
SIMULATION = "sim"
RUN_TIMEOUT = 60.0
POLL_SECONDS = 0.001
# A chunk takes some 20 ms; a port that takes nothing for so long is stuck.
WRITE_SECONDS = 10.0
# Written to the scratch register, which a reset clears.
MARK = 0x5EED_0001
_WORD = Kind(lambda v: COUNT.test(v) and v < 1 << 32, "a number of 32 bits")
_ADDRESS = Kind(lambda v: _WORD.test(v) and v % 4 == 0, "the address of a word")
_HZ = Kind(lambda v: POSITIVE.test(v) and 1e6 <= v <= 1e10, "a frequency in Hz")
_CYCLES = Kind(lambda v: COUNT.test(v) and v < 1 << 20, "a number of cycles")
_HASH = Kind(
    lambda v: isinstance(v, str) and re.fullmatch("[0-9a-f]{16}", v) is not None, "16 hex digits"
)
# What `read_description` wants of a soc.json.
DESCRIPTION: Schema = {
    "board": TEXT,
    "baud": POSITIVE,
    "sys_clk": _HZ,
    "core_clk": _HZ,
    "preset": TEXT,
    "config_hash": _HASH,
    "accelerator": _ADDRESS,
    "reset": _ADDRESS,
    "scratch": _ADDRESS,
    "interrupt": _ADDRESS,
    "memory": {
        "base": _ADDRESS,
        "size": Kind(lambda v: SIZE.test(v) and v % 4 == 0 and v <= 1 << 32, "bytes of memory"),
        "leveling": FLAG,
        "registers": dict.fromkeys(memory.REGISTERS, _ADDRESS),
        "init": [
            {"address": _WORD, "bank": _WORD, "register": TEXT, "value": _WORD, "cycles": _CYCLES}
        ],
        "ready": _WORD,
    },
}


def _no_progress(what: str, done: int, total: int) -> None:
    pass


class Accelerator(abc.ABC):
    """An accelerator with its memory; a context manager. Everything raises `ResarrayError`."""

    @staticmethod
    def open(
        port: str,
        description: dict | Path | None = None,
        *,
        progress: StepProgress = _no_progress,
        timeout: float = 0.5,
        gap: float | None = None,
    ) -> "Accelerator":
        """The accelerator behind ``port``, ready to be loaded.

        port:        "sim": the RTL in the simulator; else a serial port
        description: of the board's SoC, or the ``soc.json`` beside its bitstream; not for "sim"
        timeout:     seconds that the board may take for a register or a chunk of memory, on top of
                     the transfer's own time
        gap:         seconds of silence that make the board forget half a frame; None: the
                     protocol's
        """
        if port == SIMULATION:
            return SimulatedAccelerator(progress)
        if description is None:
            raise ResarrayError(
                f"no description of the board on '{port}': give the soc.json beside its bitstream"
            )
        if isinstance(description, Path):
            description = read_description(description)
        opened = open_port(port, description["baud"])
        try:
            options = {} if gap is None else {"gap": gap}
            link = Link(opened, port, description["baud"], timeout, **options)
            return BoardAccelerator(link, description, progress, opened.close)
        except BaseException:
            opened.close()
            raise

    def __enter__(self) -> "Accelerator":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        return

    @abc.abstractmethod
    def load(self, image: Image | Path) -> Image:
        """Load a program with its weights; refuse one for another configuration."""

    @abc.abstractmethod
    def write_inputs(self, inputs: np.ndarray) -> None:
        """int8 [batch, C, H, W], as many images as the program takes."""

    @abc.abstractmethod
    def run(self, timeout: float = RUN_TIMEOUT) -> None:
        """Start the program and wait for its end, ``timeout`` seconds at most."""

    @abc.abstractmethod
    def tensors(self, names: set[str] | None = None) -> dict[str, np.ndarray]:
        """int8 [batch, C, H, W] by name: the stored tensors called ``names`` (None: all)."""

    @abc.abstractmethod
    def counters(self) -> dict[str, int]:
        """The counter registers by name."""


def read_description(path: Path) -> dict:
    """A SoC's ``soc.json``; `ResarrayError` where it is none."""
    again = "make the board's bitstream with 'make bitstream BOARD=...'"
    try:
        found = parse_json(Path(path).read_text(encoding="utf-8"))
        check(found, DESCRIPTION)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ResarrayError(
            f"cannot read the board's description '{path}' ({why}): {again}"
        ) from error
    except SchemaError as error:
        raise ResarrayError(
            f"'{path}' does not describe a board's SoC of this version (field "
            f"'{error.field or 'everything'}'): {again}"
        ) from error
    return found


def open_port(port: str, baud: float):
    """A serial port; `ResarrayError` where it cannot be opened."""
    try:
        import serial
    except ModuleNotFoundError as error:
        raise ResarrayError(
            f"cannot open port '{port}': the Python package 'pyserial' is missing ('pip install "
            "pyserial')"
        ) from error
    try:
        opened = serial.Serial(port, int(baud), exclusive=True, write_timeout=WRITE_SECONDS)
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise _no_port(port, str(error)) from error
    # A USB adapter otherwise keeps short replies for 16 ms. Not every driver can do it.
    with contextlib.suppress(OSError, ValueError, NotImplementedError, AttributeError):
        opened.set_low_latency_mode(True)
    return opened


def require_port(port: str) -> None:
    """`ResarrayError` unless ``port`` is a device, or the simulation."""
    if port != SIMULATION and not Path(port).is_char_device():
        raise _no_port(port, "no such device")


def _no_port(port: str, why: str) -> ResarrayError:
    return ResarrayError(
        f"cannot open port '{port}' ({why}): is the board plugged in, and is it this one? "
        f"'ls /dev/ttyUSB*' shows what there is, '{SIMULATION}' is the simulator"
    )


def _as_image(image: Image | Path) -> Image:
    return image if isinstance(image, Image) else image_file.load(image)


def _require_program(image: Image | None) -> Image:
    if image is None:
        raise ResarrayError("no program is loaded: call load() first")
    return image


class BoardAccelerator(Accelerator):
    """An accelerator behind a serial bridge."""

    def __init__(
        self,
        link: Link,
        description: dict,
        progress: StepProgress = _no_progress,
        close: Callable[[], None] = lambda: None,
    ):
        self._link = link
        self._description = description
        self._progress = progress
        self._close = close
        self._registers = description["accelerator"]
        self._memory = description["memory"]["base"]
        self._image: Image | None = None
        self._inputs_written = self._finished = False
        self._restart()

    def close(self) -> None:
        self._close()

    @property
    def retries(self) -> int:
        """Accesses that had to be repeated so far."""
        return self._link.retries

    def load(self, image: Image | Path) -> Image:
        image = _as_image(image)
        if image.config_hash != self.config_hash:
            raise ResarrayError(
                f"program '{image.manifest['model']}' was compiled for configuration "
                f"{image.config_hash:016x} ('{image.config.name}'), the accelerator on the board "
                f"has {self.config_hash:016x} ('{self._description['preset']}'): compile it for "
                "that preset"
            )
        if self._running:
            self._restart()
        size = self._description["memory"]["size"]
        if image.manifest["mem_size"] > size:
            raise ResarrayError(
                f"program '{image.manifest['model']}' needs {image.manifest['mem_size']:,} bytes "
                f"of memory, the board has {size:,}: use a smaller batch or input"
            )
        self._image, self._inputs_written, self._finished = None, False, False
        self._write(0, image.payload, "loading the program")
        self._image = image
        return image

    def write_inputs(self, inputs: np.ndarray) -> None:
        image = self._require_idle()
        self._inputs_written = self._finished = False
        contents = memory_contents(image, inputs)
        start = len(image.payload)
        self._write(start, contents[start:].tobytes(), "writing the images")
        self._inputs_written = True

    def run(self, timeout: float = RUN_TIMEOUT) -> None:
        image = self._require_idle()
        if not self._inputs_written:
            raise ResarrayError("no images are written: call write_inputs() first")
        self._finished = False
        self._progress("running", 0, 0)
        for name, value in settings_of(image, self._memory).items():
            self._write_register(name, value)
        # A start is ignored while a program runs: from here on until its end is seen, nothing may
        # be written or started but by `load`, which resets the board then.
        self._running = True
        self._write_register("CTRL", 1)
        deadline = time.monotonic() + timeout
        while (status := self._read_register("STATUS")) & STATUS_BUSY or not status:
            if time.monotonic() > deadline:
                fetched, count = self._read_register("FETCHED"), image.manifest["program"]["count"]
                raise ResarrayError(
                    f"the program did not end within {timeout:g} s: {fetched:,} of {count:,} "
                    f"instructions fetched after {self._read_register('CYCLES'):,} cycles; allow "
                    "more time, and load the program again"
                )
            time.sleep(POLL_SECONDS)
        self._running = False
        if status & STATUS_ERROR or not status & STATUS_DONE:
            raise ResarrayError(describe_error(self._read_all()))
        self._finished = True

    def tensors(self, names: set[str] | None = None) -> dict[str, np.ndarray]:
        image = self._require_result()

        def read(start: int, size: int) -> np.ndarray:
            return np.frombuffer(self._link.read(self._memory + start, size), np.int8)

        self._progress("reading the tensors", 0, 0)
        return read_tensors(image, read, names)

    def counters(self) -> dict[str, int]:
        self._require_result()
        return {name: self._read_register(name) for name in COUNTERS}

    def _require_result(self) -> Image:
        if not self._finished:
            raise ResarrayError("the program has not run: call run() first")
        return _require_program(self._image)

    def interrupt(self) -> bool:
        """Level of the accelerator's interrupt, as the SoC sees it."""
        return bool(self._link.read_word(self._description["interrupt"]))

    def _require_idle(self) -> Image:
        if self._running:
            raise ResarrayError("the last program did not end: call load() again, which stops it")
        return _require_program(self._image)

    def _restart(self) -> None:
        """Reset the SoC, so that nothing that was running goes on, and start the memory."""
        link, scratch = self._link, self._description["scratch"]
        self._progress("connecting", 0, 0)
        self._image, self._running = None, True
        link.settle()
        for _ in range(ATTEMPTS):
            link.write_word(scratch, MARK)
            link.post_word(self._description["reset"], 1)
            if link.read_word(scratch) != MARK:
                break
        else:
            raise ResarrayError(
                f"the board does not reset ({ATTEMPTS} attempts): the bitstream and its soc.json "
                "do not belong together; load the bitstream again with 'make program'"
            )
        self.config_hash = self._identify()
        self._progress("initialising the memory", 0, 0)
        memory.initialise(link, self._description)
        self._running = False

    def _identify(self) -> int:
        """The configuration's hash; the SoC must be the described one."""
        for name, expected in (("ID", ID), ("VERSION", VERSION)):
            value = self._read_register(name)
            if value != expected:
                raise ResarrayError(
                    f"register {name} of the board reads {value:#x}, a resarray accelerator of "
                    f"this version has {expected:#x}: load its bitstream with 'make program'"
                )
        found = self._read_register("HASH_LO") | self._read_register("HASH_HI") << 32
        described = int(self._description["config_hash"], 16)
        if found != described:
            raise ResarrayError(
                f"the bitstream on the board has configuration {found:016x}, its soc.json says "
                f"{described:016x}: load the bitstream beside it with 'make program'"
            )
        return found

    def _write(self, offset: int, data: bytes, what: str) -> None:
        """Memory from byte ``offset``; whole words."""
        data += bytes(-len(data) % 4)
        self._progress(what, 0, len(data))
        self._link.write(
            self._memory + offset, data, lambda done, total: self._progress(what, done, total)
        )

    def _read_register(self, name: str) -> int:
        return self._link.read_word(self._registers + REGISTERS[name].offset)

    def _write_register(self, name: str, value: int) -> None:
        self._link.write_word(self._registers + REGISTERS[name].offset, value)

    def _read_all(self) -> dict[str, int]:
        return {r.name: self._read_register(r.name) for r in REGISTERS.values() if "r" in r.access}


class SimulatedAccelerator(Accelerator):
    """The RTL in the simulator, with the configuration of the program that is loaded."""

    def __init__(self, progress: StepProgress = _no_progress):
        self._progress = progress
        self._image: Image | None = None
        self._inputs: np.ndarray | None = None
        self._result: RunResult | None = None

    def load(self, image: Image | Path) -> Image:
        self._image, self._inputs, self._result = _as_image(image), None, None
        return self._image

    def write_inputs(self, inputs: np.ndarray) -> None:
        memory_contents(_require_program(self._image), inputs)  # complains as a board does
        self._inputs, self._result = inputs, None

    def run(self, timeout: float = RUN_TIMEOUT) -> None:
        """``timeout`` is ignored: the simulator sees by itself when nothing moves."""
        from resarray.sim.run import run  # with it comes the simulator

        image = _require_program(self._image)
        if self._inputs is None:
            raise ResarrayError("no images are written: call write_inputs() first")
        self._result = run(
            image,
            self._inputs,
            note=lambda text: self._progress(text, 0, 0),
            progress=lambda job, cycles: self._progress("running", 0, 0),
        )

    def _require_result(self) -> "RunResult":
        if self._result is None:
            raise ResarrayError("the program has not run: call run() first")
        return self._result

    def tensors(self, names: set[str] | None = None) -> dict[str, np.ndarray]:
        found = self._require_result().tensors
        return {name: value for name, value in found.items() if names is None or name in names}

    def counters(self) -> dict[str, int]:
        return self._require_result().counters
