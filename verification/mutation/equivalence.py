"""Proofs that a mutant of the netlist changes nothing, by Yosys' ``equiv`` passes.

The unit with the change is compared with the unit without: each register and output has the same
next value where all have had the same values for three cycles, whatever its inputs are. That they
have at the start, after a reset, is what the suite has seen: the mutant has survived it.
First the module that holds the change, by itself, then with all within it but its memories; then
the unit of the core that it is in; then the core around that, whose other units are opaque. Without
a proof nothing is known.
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
ATTEMPTS = 8
UNPROVEN = re.compile(r"Unproven \$equiv \S+ \\(\S+)_gold\b")
PROVEN = re.compile(r"[1-9]\d* are proven and 0 are unproven")
SECONDS = 90  # of one attempt
LARGE = ("resarray", "resarray.core")  # too much to be opened


def prove(design: Path, mutant: Mutant) -> str | None:
    """Within which module ``mutant`` changes nothing; None: unknown.

    design: RTLIL without processes
    """
    places = {change.module for change in mutant.changes}
    if len(places) > 1:
        return None
    text = design.read_text()
    memories, modules = _memories(text), _modules(text)
    tried = []
    for scope, opened in _scopes(mutant, text):
        inside = [m for m in modules if any(m == o or m.startswith(f"{o}.") for o in opened)]
        closed = [m for m in modules if m != scope and (m not in inside or m in memories)]
        # What is closed is opaque, and a change within it with it.
        if scope in memories or not places.isdisjoint(closed) or (scope, closed) in tried:
            continue
        tried.append((scope, closed))
        if _equal(design, mutant, scope, closed):
            return scope
    return None


def _scopes(mutant: Mutant, text: str) -> Iterator[tuple[str, list[str]]]:
    """Modules that hold the change, and the modules within each that are opened, with all that is
    in them."""
    change = mutant.changes[0]
    core = LARGE[-1]
    between = [u for u in BETWEEN if f"\nmodule \\{u}\n" in text]
    if change.module not in LARGE:
        yield change.module, []
        yield change.module, [change.module]
        # What a unit is given is constant in part, and what it gives in part not read.
        parts = change.module.split(".")
        if change.module.startswith(f"{core}."):
            for count in range(len(parts) - 1, 2, -1):
                unit = ".".join(parts[:count])
                yield unit, [unit]
            yield core, [".".join(parts[:3]), *between]
        return
    yield change.module, []
    body = text.partition(f"\nmodule \\{change.module}\n")[2].partition("\nmodule ")[0]
    cell = re.search(rf"^  cell \\(\S+) \\{re.escape(change.cell)}$", body, re.M)
    if cell:
        yield change.module, [cell[1]]
        yield change.module, [cell[1], *between]


def _modules(text: str) -> list[str]:
    return re.findall(r"^module \\(\S+)", text, re.M)


def _memories(text: str) -> list[str]:
    """Modules with memories."""
    parts = re.split(r"^module \\(\S+)", text, flags=re.M)[1:]
    return [n for n, body in zip(parts[::2], parts[1::2], strict=True) if "cell $mem" in body]


def _equal(design: Path, mutant: Mutant, scope: str, closed: list[str]) -> bool:
    """Whether the outputs of ``scope`` are the same for ever. A bit inside that differs is left out
    of what is assumed and of what is shown, and all is tried again."""
    one = [f"blackbox {name}" for name in closed]
    # What is opaque becomes ports: what it is given must be equal, what it gives may be anything.
    # A register that becomes a constant must have no initial value, in neither.
    one += [
        *(
            f"setattr -unset init {change.module}/w:{change.wire}"
            for change in mutant.changes
            if change.port == "Q" and change.wire
        ),
        f"hierarchy -top {scope}",
        "flatten",
        "expose -evert c:*",
        "opt -purge",
        # Bits of a register that nobody reads are no registers.
        "splitcells",
        "opt -purge",
        "splitnets -ports",
    ]
    script = [
        "read_rtlil design.il",
        "design -save start",
        *one,
        f"rename {scope} gold",
        "select -write outputs.txt gold/o:*",
        "design -stash gold",
        "design -load start",
        *(f"mutate {change.options()}" for change in mutant.changes),
        *one,
        f"rename {scope} gate",
        "design -stash gate",
        "design -copy-from gold -as gold gold",
        "design -copy-from gate -as gate gate",
        "equiv_make -blacklist differ.txt gold gate equiv",
        "hierarchy -top equiv",
        "equiv_struct",
        "equiv_simple -short",
        "equiv_induct -seq 3",
        "tee -o status.txt equiv_status",
    ]
    differ: set[str] = set()
    with cache.scratch() as folder:
        (folder / "design.il").write_bytes(design.read_bytes())
        (folder / "proof.ys").write_text("\n".join(script) + "\n")
        for _ in range(ATTEMPTS):
            (folder / "differ.txt").write_text("".join(f"\\{name}\n" for name in differ))
            if not _run(folder):
                return False
            found = set(UNPROVEN.findall((folder / "status.txt").read_text()))
            if not found:
                return PROVEN.search((folder / "status.txt").read_text()) is not None
            outputs = (folder / "outputs.txt").read_text().split()
            if found & {name.removeprefix("gold/") for name in outputs} or found <= differ:
                return False
            differ |= found
    return False


def _run(folder: Path) -> bool:
    """Run ``proof.ys``; whether it came to its end in time."""
    (folder / "status.txt").unlink(missing_ok=True)
    yosys = tools.find_yosys().command
    tools.prepare(Path(yosys[0]))
    command = [*yosys, "-q", "-s", "proof.ys"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        children.start(command, cwd=folder, **silent) as process,
        contextlib.suppress(subprocess.TimeoutExpired),
    ):
        return process.wait(SECONDS) == 0
    return False
