"""What is counted in the accelerator's Verilog, and what of ``hw/`` it stands for.

A net is counted once, where it is driven: not its names in other units, the fields of a layout, or
what Amaranth has no name for. A branch is counted once for each condition, though every signal
that is assigned in it has it again; resets, which are no line of ``hw/``, are not counted.
"""

import itertools
import re
from dataclasses import dataclass, field

from ...hw.verilog import TOP
from ...spec.isa import Engine
from .verilog import ATTRIBUTE

OFF, ON = "/*verilator coverage_off*/", "/*verilator coverage_on*/"
NAME = r"(?:\\\S+ |[A-Za-z_][\w$]*)"
DECLARATION = re.compile(rf"  (input|output|wire|reg) (?:\[\d+:0\] )?({NAME})(?: = .*)?;$")
CONSTANT = re.compile(r"\d*'s?[bdho][0-9a-fxz]+")
LINES = re.compile(rf' *\(\* {ATTRIBUTE} = "(.*)" \*\)$')
IF = re.compile(r" *(?:end else )?if \((.*)\) begin$")
ELSE = re.compile(r" *end else begin$")
CASEZ = re.compile(r" *casez \((.*)\)$")
ITEM = re.compile(r" *(\d+'h.*|\d+'b.*|default):$")


@dataclass(frozen=True)
class Branch:
    """A branch: the module, the conditions around it with the case of each that it is in, and the
    lines ``file.py:line`` of the statements in it; with ``taken`` false it is that an ``If`` is
    passed by."""

    module: str
    path: tuple[tuple[str, int], ...]
    lines: tuple[str, ...]
    taken: bool = True


@dataclass
class Points:
    """By line of the Verilog (from 1): branches by whether they are an ``else``, nets, and where
    two engines are seen busy in the same cycle."""

    branches: dict[tuple[int, bool], Branch] = field(default_factory=dict)
    nets: dict[int, tuple[str, str]] = field(default_factory=dict)
    overlaps: dict[int, tuple[Engine, Engine]] = field(default_factory=dict)


@dataclass
class _Switch:
    """A switch that is open: of which line, its cases' lines, which case is being read."""

    indent: int
    condition: str
    cases: list[tuple[str, ...]]
    counted: bool
    case: int = 0


def annotate(verilog: str) -> tuple[str, Points]:
    """``verilog`` with Verilator's marks of what is counted, and that."""
    points = Points()
    text: list[str] = [OFF]
    for module in re.split(r"(?m)^(?=module )", verilog):
        _annotate_module(module.splitlines(), text, points)
    _watch_overlaps(text, points)
    return "\n".join(text) + "\n", points


def _watch_overlaps(text: list[str], points: Points) -> None:
    """Append a module, bound into the accelerator, with a branch for each pair of engines."""
    text += ["module overlaps(input clk, input [5:0] busy);", "  reg [5:0] seen;"]
    text += ["  always @(posedge clk) begin", "    seen <= 0;"]
    for pair in itertools.combinations(Engine, 2):
        text += [ON, f"    if (busy[{pair[0]}] && busy[{pair[1]}]) begin seen <= busy; end", OFF]
        points.overlaps[len(text) - 1] = pair
    busy = ", ".join(f"core.status__state__{e.value}[0]" for e in reversed(Engine))
    text += ["  end", "endmodule"]
    text += [f"bind {TOP} overlaps overlaps (.clk(clk), .busy({{{busy}}}));"]


def _plain(name: str) -> str:
    return name.strip().removeprefix("\\")


def _names(text: str) -> set[str]:
    """Signals in an expression."""
    return {_plain(name) for name in re.findall(NAME, CONSTANT.sub("", text))}


def _nameless(name: str) -> bool:
    return re.fullmatch(r"\$\d+", name) is not None


def _driven(module: list[str]) -> set[str]:
    """The signals that are driven in ``module`` by more than another name."""
    driven: set[str] = set()
    aliases: dict[str, str] = {}
    for line in module:
        statement = line.strip()
        if statement.startswith("assign "):
            left, _, right = statement[7:-1].partition(" = ")
            if re.fullmatch(r"[\[\]:{}, \d]*", re.sub(NAME, "", CONSTANT.sub("", right))):
                aliases[left] = right
            else:
                driven |= _names(left)
        elif match := re.match(rf"({NAME})\s*(?:\[[\d:]+\] *)?<?= ", statement):
            driven.add(_plain(match[1]))
    # A second name of what has none is the net's name.
    named: set[str] = set()
    for left, right in aliases.items():
        if right not in named and any(_nameless(n) and n in driven for n in _names(right)):
            driven |= _names(left)
            named.add(right)
    return {name for name in driven if not _nameless(name)}


def _annotate_module(module: list[str], text: list[str], points: Points) -> None:
    name = _plain(match[1]) if (match := re.match(rf"module ({NAME})", module[0])) else ""
    driven = _driven(module)
    if "." not in name:  # the top's inputs are nobody else's outputs
        found = filter(None, map(DECLARATION.match, module))
        driven |= {_plain(m[2]) for m in found if m[1] == "input"}
    seen: set[tuple] = set()
    open_: list[_Switch] = []
    cases: list[tuple[str, ...]] = []

    def path(further: int = 0) -> tuple[tuple[str, int], ...]:
        """Where we are; ``further``: in so many cases after this one."""
        whole = [(s.condition, s.case) for s in open_]
        if whole:
            whole[-1] = whole[-1][0], whole[-1][1] + further
        return tuple(whole)

    for line in module:
        indent = len(line) - len(line.lstrip())
        while open_ and (indent, line.strip()) in ((open_[-1].indent, "end"), (0, "endmodule")):
            open_.pop()
        if declaration := DECLARATION.match(line):
            if _plain(declaration[2]) in driven:
                text += [ON, line, OFF]
                points.nets[len(text) - 1] = (name, _plain(declaration[2]))
                continue
        elif lines := LINES.match(line):
            cases = [tuple(filter(None, case.split(","))) for case in lines[1].split("|")]
            continue
        elif branch := IF.match(line) or CASEZ.match(line):
            if "else if" in line:
                open_[-1].case += 1
            elif cases:
                reset = branch[1].endswith("_rst") or branch[1] == "rst"
                key = (path(), branch[1], tuple(cases))
                counted = any(cases) and not reset and key not in seen
                seen.add(key)
                open_.append(_Switch(indent, branch[1], cases, counted))
                cases = []
        elif ELSE.match(line) and open_ and open_[-1].indent == indent:
            open_[-1].case += 1
        elif line.strip() == "endcase":
            open_.pop()
        if not (open_ and open_[-1].counted):
            text.append(line)
            if ITEM.match(line) and open_ and open_[-1].indent + 2 == indent:
                open_[-1].case += 1
            continue
        top = open_[-1]
        if IF.match(line):
            text += [ON, line, OFF]
            at = len(text) - 1
            if top.case < len(top.cases):
                points.branches[at, False] = Branch(name, path(), top.cases[top.case])
            rest = top.cases[top.case + 1 :]
            lines_after = rest[0] if rest else ()
            points.branches[at, True] = Branch(name, path(1), lines_after, bool(rest))
        elif ITEM.match(line) and top.indent + 2 == indent:
            text += [ON, line, OFF]
            points.branches[len(text) - 1, False] = Branch(name, path(), top.cases[top.case])
            top.case += 1
        else:
            text.append(line)
