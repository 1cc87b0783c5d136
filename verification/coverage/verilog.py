"""Verilog of the accelerator in which every branch says what lines of ``hw/`` it is made of.

Amaranth's own Verilog has them for expressions only. The text is otherwise the same.
"""

import importlib.metadata
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from amaranth.back import rtlil, verilog

import resarray.hw
import resarray.spec

from ...hw.top import Accelerator
from ...hw.verilog import TOP, platform_of
from ...sim import cache, convert
from ...spec.cache import build_folder
from ...spec.config import Config

ATTRIBUTE = "lines"  # of a switch: of each of its cases in turn, the lines of its statements
HW = Path(resarray.hw.__path__[0]).resolve()


def line(location: tuple[str, int] | None) -> str:
    """``file.py:line`` within ``hw/``; "" elsewhere."""
    if location is None:
        return ""
    path = Path(location[0]).resolve()
    return f"{path.relative_to(HW)}:{location[1]}" if path.is_relative_to(HW) else ""


class _Emitter(rtlil.ModuleEmitter):
    """Remembers of each assignment in a process where it comes from."""

    def emit_assignment_list(self, cell_idx, cell):
        before = len(_Assignment.made)
        super().emit_assignment_list(cell_idx, cell)
        # The first one is the default value.
        for made, given in zip(_Assignment.made[before + 1 :], cell.assignments, strict=True):
            made.line = line(given.src_loc)
        del _Assignment.made[before:]


class _Assignment(rtlil.Assignment):
    made: list["_Assignment"] = []  # noqa: RUF012

    def __init__(self, lhs, rhs):
        super().__init__(lhs, rhs)
        self.line = ""
        self.made.append(self)


class _Switch(rtlil.Switch):
    def emit(self, line):
        cases = (
            ",".join(sorted({a.line for a in case.contents if isinstance(a, _Assignment)} - {""}))
            for case in self.cases
        )
        line(f'attribute \\{ATTRIBUTE} "{"|".join(cases)}"')
        super().emit(line)


def generate(config: Config) -> str:
    """Verilog source as `resarray.hw.verilog.generate` makes it, with `ATTRIBUTE`. In a process of
    its own: it changes Amaranth's back end."""
    rtlil.ModuleEmitter, rtlil.Assignment, rtlil.Switch = _Emitter, _Assignment, _Switch
    platform = platform_of("generic")
    return verilog.convert(
        Accelerator(config), name=TOP, platform=platform, strip_internal_attrs=True
    )


def source(config: Config, note: Callable[[str], None] = lambda text: None) -> str:
    """What `generate` gives for ``config``, made once."""
    folders = Path(resarray.hw.__path__[0]), Path(resarray.spec.__path__[0])
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    parts = [path.read_bytes() for path in (*files, Path(__file__))]
    fields = repr(sorted((asdict(config) | {"name": ""}).items()))
    key = cache.digest(fields, importlib.metadata.version("amaranth"), *parts)
    path = build_folder() / "rtl" / key / "resarray.v"

    def make(folder: Path) -> None:
        note(f"converting the '{config.name}' accelerator to Verilog")
        path.write_text(convert.convert(f"{__name__}:generate", config))

    cache.made(path.parent, [path.name], make, note)
    return path.read_text()
