"""Running the FPGA tools: what they say is kept, tells how far they are, names what went wrong."""

import contextlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from resarray.sim import children
from resarray.sim.cache import keep_log
from resarray.spec.errors import ResarrayError

from .tools import Tool, prepare

# told(fraction, what the tool is doing)
Told = Callable[[float, str], None]


class Meter:
    """How far a tool is, from its output; it never goes back."""

    def __init__(self):
        self.fraction, self.doing = 0.0, ""

    def read(self, line: str) -> bool:
        """Take a line; whether it told anything."""
        found = self._find(line)
        if found is not None:
            fraction, self.doing = found
            self.fraction = max(self.fraction, min(fraction, 1.0))
        return found is not None

    def _find(self, line: str) -> tuple[float, str] | None:
        return None


class YosysMeter(Meter):
    """By the steps of the two parts of `tools.synthesis`."""

    FIRST, STEPS = 34, 53  # of the first part, of both, in Yosys 0.70; step 46 is half of the time
    LINE = re.compile(r"(\d+)\.(\d+)\. Executing (.*?)\.?$")

    def __init__(self):
        super().__init__()
        self._part = None

    def _find(self, line: str) -> tuple[float, str] | None:
        match = self.LINE.match(line)
        if not match:
            return None
        self._part = self._part or match[1]
        before = 0 if match[1] == self._part else self.FIRST
        return (before + int(match[2])) / self.STEPS, match[3]


class NextpnrMeter(Meter):
    """By its phases, as the default preset's time is divided, and within them by the overlap of
    what is being placed, the rounds of refinement, and what is left to route."""

    OVERLAP = re.compile(r"Info: overlap: COMB=([\d.]+)%")
    ROUND = re.compile(r"Info:\s+at iteration #(\d+)")
    ARCS = re.compile(r"Info: Routing (\d+) arcs")
    LEFT = re.compile(r"Info:\s+\d+ \|.*\|\s*(\d+)\|[^|]*\|$")
    OVERUSED = re.compile(r"Info:\s+iter=\d+ wires=\d+ overused=(\d+)")  # router2's rounds
    PLACED, REFINED, ROUNDS = 0.25, 0.5, 30

    def __init__(self):
        super().__init__()
        self._arcs = self._overused = 0

    def _find(self, line: str) -> tuple[float, str] | None:
        if match := self.OVERLAP.match(line):
            return self.PLACED * (1 - float(match[1]) / 100), f"placing, overlap {match[1]} %"
        if match := self.ROUND.match(line):
            part = min(int(match[1]) / self.ROUNDS, 1)
            return self._between(self.PLACED, self.REFINED, part), f"refining, round {match[1]}"
        if match := self.ARCS.match(line):
            self._arcs = int(match[1])
            return self.REFINED, f"routing {self._arcs:,} connections"
        if match := self.OVERUSED.match(line):
            left = int(match[1])
            self._overused = max(self._overused, left, 1)
            part = 1 - left / self._overused
            return self._between(self.REFINED, 1, part), f"routing, {left:,} wires used twice"
        if self._arcs and (match := self.LEFT.match(line)):
            left = int(match[1])
            part = max(0, 1 - left / self._arcs)
            return self._between(self.REFINED, 1, part), f"routing, {left:,} connections left"
        return None

    @staticmethod
    def _between(start: float, stop: float, part: float) -> float:
        return start + (stop - start) * part


class LoaderMeter(Meter):
    """openFPGALoader's own bars, one for each thing that it does."""

    LINE = re.compile(r"(.+?):? \[[= ]*\] (\d+\.\d+)%")

    def _find(self, line: str) -> tuple[float, str] | None:
        match = self.LINE.match(line)
        return match and (float(match[2]) / 100, match[1].lower())


def run_tool(
    tool: Tool,
    arguments: list[str],
    folder: Path,
    log: str,
    makes: str | None,
    meter: Meter | None = None,
    told: Told = lambda fraction, doing: None,
    keep: Callable[[Path], Path] = keep_log,
) -> None:
    """Run a tool in ``folder`` (YoWASP sees nothing outside it), all that it says going to ``log``.

    makes:       file that it must write, if any
    meter, told: reads the output, and is told what it finds
    keep:        where the log is after a failure; default: where ``folder`` may go

    `ResarrayError` with the tool's first error.
    """
    meter, name = meter or Meter(), Path(tool.command[0]).name
    if makes is not None:
        (folder / makes).unlink(missing_ok=True)
    prepare(Path(tool.command[0]))
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(folder / log, "w"))
        try:
            process = stack.enter_context(
                children.start(
                    [*tool.command, *arguments],
                    cwd=folder,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                )
            )
        except OSError as error:
            raise ResarrayError(
                f"cannot run '{tool.command[0]}' ({error.strerror}): install it again"
            ) from error
        assert process.stdout is not None  # a pipe, see above
        for line in process.stdout:
            file.write(line)
            if meter.read(line.rstrip()):
                told(meter.fraction, meter.doing)
        process.wait()
    if process.returncode:
        lines = (folder / log).read_text(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise ResarrayError(
            f"{name} failed with status {process.returncode}: "
            f"{errors[0].strip() if errors else 'it said nothing'}; the whole output is in "
            f"'{keep(folder / log)}'"
        )
    if makes is not None and not (folder / makes).exists():
        raise ResarrayError(
            f"{name} ended well, but did not write '{makes}': its version may not suit; the whole "
            f"output is in '{keep(folder / log)}'"
        )
