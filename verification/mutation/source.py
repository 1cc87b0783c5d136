"""Mutants of Python functions: what is changed, how it is drawn, and how it is put in place.

A change is made in the body of a function of a module that is imported already: the function gets
the code of its changed twin (``__code__``), so nothing is imported again. Left alone are texts,
annotations, what is said in errors, and what runs while a module is imported, but for the numbers
in its constants. Whole statements are left out or turned around only within blocks of a function.
"""

import ast
import copy
import functools
import hashlib
import importlib
import random
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change.

    name:     of the change, which stays while its line and what stands before it in its function do
    file:     from the repository's root
    function: its qualified name in the module; "" for a constant
    line, text: of the statement's line
    change:   what is made of what, as "a + b -> a - b"
    index:    of the change among the function's
    """

    name: str
    file: str
    function: str
    line: int
    text: str
    change: str
    index: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.change} in {self.function or 'a constant'}"


def draw(files: list[str], count: int, seed: int) -> list[Mutant]:
    """``count`` mutants: from each file in turn, from each of its functions in turn."""
    rng = random.Random(seed)
    queues = []
    for file in files:
        functions: dict[str, list[Mutant]] = {}
        for mutant in mutants_of(file):
            functions.setdefault(mutant.function, []).append(mutant)
        for group in functions.values():
            rng.shuffle(group)
        groups = list(functions.values())
        rng.shuffle(groups)
        queues.append([m for row in _columns(groups) for m in row])
    drawn = [mutant for row in _columns(queues) for mutant in row]
    return drawn[:count]


def _columns(rows: list[list[Mutant]]) -> Iterator[list[Mutant]]:
    """The first of each, the second of each, ..."""
    for i in range(max(map(len, rows), default=0)):
        yield [row[i] for row in rows if i < len(row)]


def mutants_of(file: str) -> Iterator[Mutant]:
    """All mutants of a file."""
    source = (ROOT / file).read_text()
    lines = source.splitlines()
    tree = ast.parse(source)
    for function, node in _functions(tree):
        for index, (line, change, _) in enumerate(_changes(node)):
            text = lines[line - 1].strip()
            key = f"{file} {function} {index} {text} {change}"
            name = f"{Path(file).stem}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"
            yield Mutant(name, file, function, line, text, change, index)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions and methods, not those inside others, by qualified name; and constants, as ""."""

    def inside(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                yield prefix + node.name, node
            elif isinstance(node, ast.ClassDef):
                yield from inside(node.body, f"{prefix}{node.name}.")

    yield from inside(tree.body, "")
    for node in tree.body:
        if isinstance(node, ast.Assign) and _constant_name(node):
            yield "", node


def _constant_name(node: ast.Assign) -> str | None:
    """The name of a constant that is made of numbers alone."""
    target = node.targets[0]
    numbers = all(
        isinstance(n, ast.BinOp | ast.operator | ast.UnaryOp | ast.unaryop)
        or (isinstance(n, ast.Constant) and type(n.value) in (int, float))
        for n in ast.walk(node.value)
    )
    if numbers and isinstance(target, ast.Name) and target.id.lstrip("_").isupper():
        return target.id
    return None


def _changes(function: ast.AST) -> Iterator[tuple[int, str, Any]]:
    """Line, description and the undoing of each change of ``function``, which is changed while the
    iteration stands there."""
    body = function.body if isinstance(function, ast.FunctionDef) else [function]
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        yield from _changes_in(statement)


def _changes_in(node: ast.AST) -> Iterator[tuple[int, str, Any]]:
    for name, child in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        if isinstance(node, ast.Raise | ast.JoinedStr):
            continue
        for at, value in enumerate(child if isinstance(child, list) else [child]):
            if not isinstance(value, ast.AST):
                continue
            for new in _replacements(value):
                before, after = _show(value), _show(new)
                ast.copy_location(new, value)
                ast.fix_missing_locations(new)
                _put(node, name, at, new)
                line = getattr(value, "lineno", None) or node.lineno  # type: ignore[attr-defined]
                yield line, f"{before} -> {after}", None
                _put(node, name, at, value)
            yield from _changes_in(value)


def _put(node: ast.AST, name: str, at: int, value: ast.AST) -> None:
    if isinstance(getattr(node, name), list):
        getattr(node, name)[at] = value
    else:
        setattr(node, name, value)


def _show(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}"
    text = ast.unparse(node).split("\n")[0]
    return text if len(text) <= 90 else text[:87] + "..."


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What ``node`` may be changed to."""
    new: Any = copy.deepcopy(node)
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            new.ops = [COMPARISONS[type(op)]()]
            yield new
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            if not isinstance(node.left, ast.JoinedStr) and not isinstance(
                node.right, ast.JoinedStr
            ):
                new.op = OPERATORS[type(op)]()
                yield new
        case ast.AugAssign(op=op) if type(op) in OPERATORS:
            new.op = OPERATORS[type(op)]()
            yield new
            yield ast.Pass()
        case ast.BoolOp(op=op):
            new.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield new
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield new.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
        case ast.If() | ast.While() | ast.IfExp():
            new.test = ast.UnaryOp(ast.Not(), new.test)
            yield new
        case ast.Call(func=ast.Name(id=called)) if called in CALLS:
            new.func.id = CALLS[called]
            yield new
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()


def apply(mutant: Mutant) -> None:
    """Put ``mutant`` in place in this process, for good."""
    source = (ROOT / mutant.file).read_text()
    tree = ast.parse(source)
    module = importlib.import_module(
        "resarray." + mutant.file.removesuffix(".py").replace("/", ".")
    )
    for function, node in _functions(tree):
        if function != mutant.function:
            continue
        for index, (_, change, _) in enumerate(_changes(node)):
            if index == mutant.index and change == mutant.change:
                if function:
                    _replace_code(module, tree, function)
                else:
                    assert isinstance(node, ast.Assign)
                    _replace_constant(module, node)
                _clear_caches()
                return
    raise LookupError(f"mutant {mutant.name} is not in {mutant.file} any longer")


def _replace_code(module: types.ModuleType, tree: ast.Module, function: str) -> None:
    code: Any = compile(tree, str(module.__file__), "exec")
    *classes, name = function.split(".")
    for part in (*classes, name):
        # Of those of one name, as a property and its setter, the last one counts in the end.
        code = [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == part][
            -1
        ]
    owner: Any = module
    for part in classes:
        owner = getattr(owner, part)
    found = vars(owner)[name]
    for member in ("fget", "func", "__func__", "__wrapped__"):
        while hasattr(found, member) and not isinstance(found, types.FunctionType):
            found = getattr(found, member)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    found.__code__ = code.replace(co_freevars=found.__code__.co_freevars)


def _replace_constant(module: types.ModuleType, node: ast.Assign) -> None:
    """Wherever it has been imported."""
    name = _constant_name(node)
    assert name is not None
    before = getattr(module, name)
    code = compile(ast.Expression(node.value), str(module.__file__), "eval")
    value = eval(code, vars(module))
    for other in list(sys.modules.values()):
        if other.__name__.startswith(("resarray.", "tests.")) and vars(other).get(name) is before:
            setattr(other, name, value)


def _clear_caches() -> None:
    """What the unchanged functions have remembered."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith(("resarray.", "tests.")):
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()
