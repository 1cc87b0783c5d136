"""Proofs that a mutant of the netlist changes nothing, by Yosys' ``equiv`` passes.

The unit with the change is compared with the unit without: each register and output has the same
next value where all have the same value now (by induction, so for ever), whatever its inputs are.
First the module that holds the change alone, all within it opaque; then with all within it but its
memories; then the unit of the core that it is in, and the core around that. Without a proof nothing
is known.
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from resarray.fpga import tools
from resarray.sim import cache, children

from .netlist import Mutant

BETWEEN = ("resarray.core.scratchpad", "resarray.core.arbiter")  # of most units and memory
SECONDS = 30  # of one attempt
LARGE = ("resarray", "resarray.core")  # too much to be opened


def prove(design: Path, mutant: Mutant) -> str | None:
    """Within which module ``mutant`` changes nothing; None: unknown.

    design: RTLIL without processes
    """
    text = design.read_text()
    memories, modules = _memories(text), _modules(text)
    for scope, opened in _scopes(mutant, text):
        inside = [m for m in modules if any(m == o or m.startswith(f"{o}.") for o in opened)]
        closed = [m for m in modules if m != scope and (m not in inside or m in memories)]
        if scope not in memories and _equal(design, mutant, scope, closed):
            return scope
    return None


def _scopes(mutant: Mutant, text: str) -> Iterator[tuple[str, list[str]]]:
    """Modules that hold the change, and the modules within each that are opened, with all that is
    in them."""
    change = mutant.changes[0]
    yield change.module, []
    body = text.partition(f"\nmodule \\{change.module}\n")[2].partition("\nmodule ")[0]
    cell = re.search(rf"^  cell \\(\S+) \\{re.escape(change.cell)}$", body, re.M)
    if cell:
        yield change.module, [cell[1]]
    if change.module in LARGE:
        return
    yield change.module, [change.module]
    core = LARGE[-1]
    if change.module.startswith(f"{core}."):
        # What the core gives a unit is constant in part, and in part not read.
        unit = ".".join(change.module.split(".")[:3])
        yield unit, [unit]
        yield core, [unit, *(u for u in BETWEEN if f"\nmodule \\{u}\n" in text)]


def _modules(text: str) -> list[str]:
    return re.findall(r"^module \\(\S+)", text, re.M)


def _memories(text: str) -> list[str]:
    """Modules with memories."""
    parts = re.split(r"^module \\(\S+)", text, flags=re.M)[1:]
    return [n for n, body in zip(parts[::2], parts[1::2], strict=True) if "cell $mem" in body]


def _equal(design: Path, mutant: Mutant, scope: str, closed: list[str]) -> bool:
    one = [f"blackbox {name}" for name in closed]
    # What is opaque becomes ports: what it is given must be equal, what it gives may be anything.
    one += [f"hierarchy -top {scope}", "flatten", "expose -evert", "opt_clean"]
    script = [
        "read_rtlil design.il",
        "design -save start",
        *one,
        f"rename {scope} gold",
        "design -stash gold",
        "design -load start",
        *(f"mutate {change.options()}" for change in mutant.changes),
        *one,
        f"rename {scope} gate",
        "design -stash gate",
        "design -copy-from gold -as gold gold",
        "design -copy-from gate -as gate gate",
        "equiv_make gold gate equiv",
        "hierarchy -top equiv",
        "equiv_struct",
        "equiv_simple",
        "equiv_induct -seq 3",
        "equiv_status -assert",
    ]
    with cache.scratch() as folder:
        (folder / "design.il").write_bytes(design.read_bytes())
        (folder / "proof.ys").write_text("\n".join(script) + "\n")
        command = [*tools.find_yosys().command, "-q", "-s", "proof.ys"]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with (
            children.start(command, cwd=folder, **silent) as process,
            contextlib.suppress(subprocess.TimeoutExpired),
        ):
            return process.wait(SECONDS) == 0
    return False
