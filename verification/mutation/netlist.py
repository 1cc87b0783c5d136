"""Mutants of the accelerator's netlist: one design holds them all, and an input chooses one.

Yosys draws the changes (``mutate -list``), spread evenly over the source lines that the netlist
comes from, its units, cells and wires, and builds them in (``mutate -ctrl``): one bit at a port of
a cell becomes 0, 1, its inverse, or its exclusive or with another bit of that port. Left out are
clocks, which no simulation without time can change, and the contents that memories start with,
which the hardware never relies on.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import resarray.hw
from resarray.fpga import tools
from resarray.fpga.process import run_tool
from resarray.hw.verilog import TOP
from resarray.sim import cache, convert
from resarray.spec.cache import build_folder
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError

HW = Path(resarray.hw.__path__[0])
CONTROL, CONTROL_BITS = "mutant", 16
READ = f"read_rtlil design.il; hierarchy -top {TOP}; proc -norom; opt_clean"
SPARE = 1.5  # drawn for each that is wanted: some are left out


@dataclass(frozen=True)
class Change:
    """One bit at the port of a cell, as Yosys' ``mutate`` names it; ``source`` as hw/FILE.py:LINE,
    the innermost last."""

    mode: str
    module: str
    cell: str
    port: str
    portbit: int
    ctrlbit: int | None
    wire: str
    source: tuple[str, ...]

    def options(self) -> str:
        """What ``mutate`` is told."""
        names = f"-mode {self.mode} -module {self.module} -cell {self.cell} -port {self.port}"
        ctrl = "" if self.ctrlbit is None else f" -ctrlbit {self.ctrlbit}"
        return f"{names} -portbit {self.portbit}{ctrl}"

    def __str__(self) -> str:
        other = "" if self.ctrlbit is None else f" with bit {self.ctrlbit}"
        what = {"inv": "inverted", "const0": "0", "const1": "1"}.get(self.mode, self.mode + other)
        wire = f" ({self.wire})" if self.wire else ""
        where = self.source[-1] if self.source else "?"
        return f"{where}: bit {self.portbit} of {self.module} {self.cell}.{self.port}{wire} {what}"


@dataclass(frozen=True)
class Mutant:
    """``name`` is that of its number, or a word; its changes are made together."""

    name: str
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        more = f" and {len(self.changes) - 1} more" if len(self.changes) > 1 else ""
        return f"{self.changes[0]}{more}"


def rtlil(config: Config) -> str:
    """The accelerator as Yosys reads it, with its source lines."""
    from amaranth.back import rtlil

    from resarray.hw.top import Accelerator
    from resarray.hw.verilog import TARGETS

    return rtlil.convert(Accelerator(config), name=TOP, platform=TARGETS["generic"])


def draw(
    config: Config, count: int, seed: int, note: Callable[[str], None] = lambda text: None
) -> tuple[Path, list[Mutant]]:
    """The design's file, RTLIL, and ``count`` different mutants of it, drawn with ``seed``."""
    yosys = tools.find_yosys()
    note(f"drawing {count} mutants of preset '{config.name}'")
    text = convert.convert(f"{__name__}:rtlil", config)
    wanted = round(SPARE * count)
    script = (
        f"{READ}; write_rtlil processed.il; mutate -list {wanted} -seed {seed} -o list.txt; "
        "select -write contents.txt t:$meminit*"
    )
    names = ("design.il", "processed.il", "list.txt", "contents.txt")

    def make(folder: Path) -> None:
        (folder / "design.il").write_text(text)
        run_tool(yosys, ["-q", "-p", script], folder, "yosys.log", "list.txt")

    key = cache.digest(text, script, yosys.version)
    folder = cache.made(build_folder() / "fpga" / f"mutants-{key}", names, make, note)
    contents = set((folder / "contents.txt").read_text().split())
    lines = dict.fromkeys((folder / "list.txt").read_text().splitlines())
    changes = [_parse(line) for line in lines]
    possible = [
        c
        for c in changes
        if f"{c.module}/{c.cell}" not in contents and not c.port.lower().endswith("clk")
    ]
    if len(possible) < count:
        raise ResarrayError(
            f"preset '{config.name}' gives only {len(possible)} mutants: ask for at most as many"
        )
    chosen = random.Random(seed).sample(possible, count)
    found = [Mutant(str(i), (change,)) for i, change in enumerate(chosen, 1)]
    rounding = _rounding((folder / "processed.il").read_text())
    return folder / "design.il", [Mutant("rounding", rounding), *found]


def mutated(design: Path, mutants: list[Mutant], folder: Path) -> Path:
    """Verilog of ``design`` with all ``mutants``, number 1 the first, in ``folder``; its top has
    the input `CONTROL`."""
    commands = [READ]
    for number, mutant in enumerate(mutants, 1):
        commands += [
            f"mutate -ctrl {CONTROL} {CONTROL_BITS} {number} {change.options()}"
            for change in mutant.changes
        ]
    # What nothing drives is 0, as in the simulation of the unchanged design.
    commands += ["memory_collect", "setattr -unset src *", "write_verilog -noattr mutants.v"]
    script = "\n".join(";".join(commands).split(";"))
    (folder / "design.il").write_bytes(design.read_bytes())
    (folder / "mutants.ys").write_text(script)
    run_tool(tools.find_yosys(), ["-q", "-s", "mutants.ys"], folder, "yosys.log", "mutants.v")
    return folder / "mutants.v"


def _parse(line: str) -> Change:
    """A line of Yosys' list."""
    values: dict[str, list[str]] = {}
    for name, value in re.findall(r"-(\w+) (\S+)", line):
        values.setdefault(name, []).append(value)
    sources = []
    for source in values.get("src", []):
        path, _, at = source.rpartition(":")
        parts = Path(path).parts
        if "hw" in parts:
            sources.append("/".join(parts[parts.index("hw") :]) + f":{at}")
    ctrl = values.get("ctrlbit")
    return Change(
        mode=values["mode"][0],
        module=values["module"][0],
        cell=values["cell"][0],
        port=values["port"][0],
        portbit=int(values["portbit"][0]),
        ctrlbit=int(ctrl[0]) if ctrl else None,
        wire=values.get("wire", [""])[0],
        source=tuple(sources),
    )


def _rounding(text: str) -> tuple[Change, ...]:
    """The rounding constant of every requantisation lane, 0x8000, becomes 0x7fff."""
    changes = []
    module = ""
    for block in re.finditer(r"^module (\S+)|^  cell \$add (\S+)\n(.*?)^  end", text, re.M | re.S):
        if block[1]:
            module = block[1].removeprefix("\\")
        elif ".lane" in module and re.search(r"connect \\B \{.* 16'1000000000000000 \}", block[3]):
            cell = block[2].removeprefix("\\")
            source = ("hw/requantise.py:rounding",)
            changes += [
                Change("inv", module, cell, "B", bit, None, "", source) for bit in range(16)
            ]
    if not changes:
        raise ResarrayError("the netlist has no rounding constant: mend _rounding in netlist.py")
    return tuple(changes)
