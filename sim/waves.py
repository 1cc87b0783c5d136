"""Waveforms: the window that waves.v writes, and the GTKWave files beside the dump."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resarray.spec.errors import ResarrayError
from resarray.spec.files import require_writable, write_atomic
from resarray.spec.isa import Engine

DUMP = "waves.fst"  # as waves.v calls it
# Cycles after a layer's last compute in which its last pixels are drained and stored.
TAIL_CYCLES = 1000

# Names of what waves.v shows as numbers; the viewer reads them from a file for each.
NAMES: dict[str, dict[int, str]] = {
    "engine": {0: "idle", 1: "busy", 2: "waits", 3: "waits"},
    "array": {
        0: "off",
        1: "busy",
        2: "no instruction",
        3: "waits for input",
        4: "waits for drain",
        5: "waits for weights",
    },
    "opcode": {0: "-"} | {engine.opcode: engine.name for engine in Engine},
}
# Signals of waves.v, with their widths and names.
VIEW: dict[str, tuple[int, str | None]] = {
    "cycle": (32, None),
    "layers": (32, None),
    "load": (2, "engine"),
    "weights": (2, "engine"),
    "residual": (2, "engine"),
    "compute_engine": (2, "engine"),
    "drain": (2, "engine"),
    "store": (2, "engine"),
    "array": (3, "array"),
    "opcode": (4, "opcode"),
}
VIEW_SCOPE, DESIGN_SCOPE = "waves", "accelerator"
_READER = "request__valid request__ready data__valid ample o__valid o__ready o__payload"
# What the save file shows: groups of (scope below the harness, signals). What a configuration does
# not have is left out.
GROUPS: dict[str, list[tuple[str, str]]] = {
    "run": [(VIEW_SCOPE, "cycle layers")],
    "fetch": [
        (VIEW_SCOPE, "opcode"),
        ("accelerator.core.fetch", "request__valid request__ready data__valid fetched"),
    ],
    "load": [
        (VIEW_SCOPE, "load"),
        ("accelerator.core.completion", "done__0"),
        (
            "accelerator.core.load",
            "request__valid request__ready data__valid asking write__valid write__payload",
        ),
    ],
    "weights": [
        (VIEW_SCOPE, "weights"),
        ("accelerator.core.completion", "done__1"),
        ("accelerator.core.weights", _READER),
    ],
    "residual": [
        (VIEW_SCOPE, "residual"),
        ("accelerator.core.completion", "done__2"),
        ("accelerator.core.residual", _READER),
    ],
    "compute": [
        (VIEW_SCOPE, "compute_engine"),
        ("accelerator.core.completion", "done__3"),
        ("accelerator.core.compute", "words__valid words__ready param_valid read_addr"),
        ("accelerator.core.compute.loops", "pixel"),
    ],
    "array": [
        (VIEW_SCOPE, "array"),
        ("accelerator.core.array", "vector slot weight_valid weight_column weight dot__0"),
    ],
    "accumulators": [
        ("accelerator.core.accumulators.column0", "control dot drain_pixel q__0 q__1"),
    ],
    "drain": [
        (VIEW_SCOPE, "drain"),
        ("accelerator.core.completion", "done__4"),
        ("accelerator.core.drain", "busy read lanes residual__valid residual__ready"),
    ],
    "store": [
        (VIEW_SCOPE, "store"),
        ("accelerator.core.completion", "done__5"),
        ("accelerator.core.store", "words__valid words__ready"),
    ],
    "memory port": [
        (
            "accelerator.core",
            "bus__arvalid bus__arready bus__araddr bus__arlen bus__rvalid bus__rready bus__rdata "
            "bus__awvalid bus__awready bus__awaddr bus__awlen bus__wvalid bus__wready bus__wdata "
            "bus__bvalid bus__bready",
        )
    ],
}
COUNTS = re.compile(r"cycle|layers|fetched|done__\d+")
# GTKWave's flags of a trace: radix, right-justified; and the marks of a group.
BINARY, HEXADECIMAL, DECIMAL, NAMED = "@28", "@22", "@24", "@2022"
GROUP_BEGINS, GROUP_ENDS = "@800200", "@1000200"
# GTKWave's window: wide enough for the names, without its tree of signals; zoomed (log2 of hundreds
# of pixels in half a cycle) so that some 150 cycles are seen.
WINDOW = ("[size] 1500 950", "[signals_width] 200", "[sst_expanded] 0", "*-5.6 -1")


@dataclass(frozen=True)
class Waves:
    """A window of the first program's run, as waveforms in file ``path``.

    path:        .fst; the save file .gtkw and the files with names lie beside it
    start, stop: cycles [start, stop) of the run
    layer:       place of a layer in the manifest, instead: from the end of the layer before to
                 `TAIL_CYCLES` after its last compute
    """

    path: Path
    start: int = 0
    stop: int = 0
    layer: int | None = None

    @property
    def save_file(self) -> Path:
        return self.path.with_suffix(".gtkw")

    def names_file(self, kind: str) -> Path:
        """Where a viewer finds the names of kind ``kind``."""
        return self.path.with_suffix(f".{kind}.txt")

    def plusargs(self) -> list[str]:
        """What waves.v reads."""
        if self.layer is not None:
            return [f"+waves_layer={self.layer}", f"+waves_tail={TAIL_CYCLES}"]
        return [f"+waves_from={self.start}", f"+waves_to={self.stop}"]

    def require_writable(self) -> None:
        """`ResarrayError` now, where the files could not be written after a long run."""
        if self.path.suffix != ".fst":
            raise ResarrayError(f"waveforms go to a file '*.fst', '{self.path}' is given")
        for path in (self.path, self.save_file):
            require_writable(path)

    def keep(self, folder: Path, design: str, cycles: int) -> None:
        """Take the dump from the run's ``folder``, and write the viewer's files beside it.

        design: the accelerator's Verilog; cycles: of the run
        """
        dump = folder / DUMP
        if not dump.exists():
            raise ResarrayError(
                f"no waveforms were written: the run has {cycles:,} cycles, the window begins at "
                f"cycle {self.start:,}; give one within the run"
            )
        for kind, names in NAMES.items():
            text = "".join(f"{value:x} {name}\n" for value, name in names.items())
            write_atomic(self.names_file(kind), text.encode())
        write_atomic(self.save_file, self.save_text(design).encode())
        write_atomic(self.path, dump.read_bytes())

    def save_text(self, design: str) -> str:
        """GTKWave's save file."""
        widths = signal_widths(design)
        widths[VIEW_SCOPE] = {name: width for name, (width, _) in VIEW.items()}
        lines = [
            f'[dumpfile] "{self.path.absolute()}"',
            f'[savefile] "{self.save_file.absolute()}"',
            *WINDOW,
        ]
        for group, members in GROUPS.items():
            lines += [GROUP_BEGINS, f"-{group}"]
            for scope, names in members:
                for name in names.split():
                    width = widths.get(scope, {}).get(name)
                    if width is not None:
                        lines += self._trace(scope, name, width)
            lines += [GROUP_ENDS, f"-{group}"]
        return "\n".join(lines) + "\n"

    def _trace(self, scope: str, name: str, width: int) -> Sequence[str]:
        full = f"harness.{scope}.{name}"
        if width == 1:
            return BINARY, full
        full += f"[{width - 1}:0]"
        kind = VIEW[name][1] if scope == VIEW_SCOPE else None
        if kind is not None:
            number = list(NAMES).index(kind) + 1
            return NAMED, f"^{number} {self.names_file(kind).absolute()}", full
        return DECIMAL if COUNTS.fullmatch(name) else HEXADECIMAL, full


def signal_widths(design: str) -> dict[str, dict[str, int]]:
    """Bits of every plainly named signal of generated Verilog, by scope below the harness.

    A module is instantiated once, and called by its path.
    """
    found: dict[str, dict[str, int]] = {}
    signals: dict[str, int] = {}
    for line in design.splitlines():
        if match := re.match(r"module \\?(\S+?)\s*\(", line):
            path = match[1].removeprefix("resarray")
            signals = found.setdefault(DESIGN_SCOPE + path, {})
        elif match := re.match(
            r" +(?:input|output|wire|reg) (?:signed )?(?:\[(\d+):0\] )?(\w+)(?: =.*)?;", line
        ):
            signals[match[2]] = 1 if match[1] is None else int(match[1]) + 1
    return found
