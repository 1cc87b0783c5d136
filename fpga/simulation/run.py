"""A board simulated from its pins, for hosts that open a serial port."""

import contextlib
import dataclasses
import json
import os
import subprocess
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

from resarray.sim import build, cache, checks, children
from resarray.sim.process import environment
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError

from ..boards import Board
from ..soc.elaborate import elaborate

HERE = Path(__file__).parent
TOP = "board"
MODELS = ("cells.v", "sdram.v", "harness.v")
CHECKERS = ("checks.v", "core_checks.v")
TARGET = "ecp5"  # what goes into the bitstream
FAMILY = "ulx3s"  # whose pins harness.v has
CYCLES_PER_BIT = 4
GAP_CYCLES = 30_000
END_SECONDS = 60  # for the simulation to end by itself
VIOLATIONS = (
    "too long without a refresh",
    "a command during a refresh",
    "a refresh or mode command with a row open",
    "a mode that the chip model does not have",
    "a row opened before the mode was set or with another one open",
    "a row opened too soon after its bank was closed",
    "a read or write without an open row",
    "a read or write too soon after its row was opened",
    "a row closed too soon after it was opened or written",
    "a row opened too soon after the last one",
    "too few refreshes",
    "a command too soon after the mode was set",
)


class SimulatedBoard:
    """``with SimulatedBoard(board, config) as simulated:`` runs until the end of the block.

    The serial port is as fast as the SoC allows; everything else is as on the board.

    Members
    -------
    port          path of a terminal: what a host opens
    description   see `Soc.description`
    """

    def __init__(
        self,
        board: Board,
        config: Config,
        note: Callable[[str], None] = lambda text: None,
    ):
        if board.family != FAMILY:
            raise ResarrayError(
                f"board '{board.name}' cannot be simulated from its pins: only a ULX3S can"
            )
        self.baud = board.sys_clk / CYCLES_PER_BIT
        faster = dataclasses.replace(board, baud=self.baud)
        soc = elaborate(faster, config, TARGET, GAP_CYCLES, note)
        self.description = json.loads((soc / "soc.json").read_text())
        models = [HERE / name for name in MODELS]
        models += [build.HW / name for name in build.MODELS[TARGET]]
        checkers = [Path(checks.__file__).with_name(name) for name in CHECKERS]
        sources = [*models, *checkers, soc / "soc.v", soc / "resarray.v"]
        self._build = build.build_timed(TOP, sources, note, {"ROWS": config.rows})

    def __enter__(self) -> "SimulatedBoard":
        self._block = self._running()
        self._block.__enter__()
        return self

    def __exit__(self, *error) -> bool | None:
        return self._block.__exit__(*error)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        with cache.scratch() as folder, contextlib.ExitStack() as stack:
            terminal, port, stop, stopper = (
                stack.enter_context(open(end, "rb", buffering=0))
                for end in (*os.openpty(), *os.pipe())
            )
            tty.setraw(port.fileno())
            self.port = os.ttyname(port.fileno())
            with (
                open(folder / "sim.log", "w") as log,
                children.start(
                    [str(self._build.binary)],
                    cwd=folder,
                    env=environment(self._build.simulator, "resarray.fpga.simulation.bench", TOP)
                    | {
                        "RESARRAY_PTY": str(terminal.fileno()),
                        "RESARRAY_STOP": str(stop.fileno()),
                        "RESARRAY_BAUD": str(self.baud),
                    },
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(terminal.fileno(), stop.fileno()),
                ) as process,
            ):
                terminal.close()
                stop.close()
                yield
                stopper.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(END_SECONDS)
            _check(folder)


def _check(folder: Path) -> None:
    """`ResarrayError` where the simulation in ``folder`` did not end well."""
    found = folder / "violations.json"
    if not found.exists():
        raise ResarrayError(
            f"the simulated board failed: see '{cache.keep_log(folder / 'sim.log')}'"
        )
    chip, accelerator = json.loads(found.read_text())
    broken = [what for bit, what in enumerate(VIOLATIONS) if chip >> bit & 1]
    if broken:
        raise ResarrayError(f"the SoC broke rules of its memory chip: {', '.join(broken)}")
    if accelerator:
        broken = checks.broken(accelerator)
        raise ResarrayError(f"in the SoC rules were broken: {', '.join(broken)}")
