"""Who imports whom: a folder what CONTRIBUTING.md's table says, and no module in a circle.

By the source alone, so that imports inside functions count, and so do the modules that another
process imports, whose names are in strings.
"""

import ast
import graphlib
import re
from importlib.util import resolve_name
from pathlib import Path

import pytest

pytestmark = pytest.mark.verifies("plan", by="text")

ROOT = Path(__file__).parents[1]
# As "resarray.hw.verilog:generate".
IN_STRING = re.compile(r"resarray(?:\.\w+)+(?::\w+)?")


def allowed() -> dict[str, set[str]]:
    """Folder -> the other ones that it may import, from the table."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)/` \|.*\| (.*) \|$", text, re.M))
    for folder in ("tests", "docs", "examples"):  # not of the package
        del rows[folder]
    return {
        folder: set(rows)
        if cell == "all"
        else set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", cell)))
        for folder, cell in rows.items()
    }


def modules() -> dict[str, Path]:
    """Every module of the package by its whole name."""
    found = {"resarray": ROOT / "resarray" / "__init__.py"}
    for folder in allowed():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(("resarray", *parts)).removesuffix(".__init__")] = path
    return found


def imports(source: str, module: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the package that ``module``, with this source and path, imports."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = resolve_name("." * node.level + (node.module or ""), package)
            names += [f"{start}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names += [node.value.partition(":")[0]] if IN_STRING.fullmatch(node.value) else []
    found = set()
    for name in names:
        while name and name not in known:  # what a module defines, or another package
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {"", module}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Module -> those that it imports."""
    known = modules()
    return {name: imports(path.read_text(), name, path, known) for name, path in known.items()}


def folder_of(module: str) -> str:
    return f"{module}.".split(".")[1]


def test_every_folder_is_in_the_table():
    links = {path.name for path in (ROOT / "resarray").iterdir() if path.is_symlink()}
    assert links == allowed().keys()


def test_folders_import_what_they_may(graph):
    table = allowed()
    # "": the package itself, for its version.
    # The package hands on what the API has.
    table[""] = {"api", "spec"}
    wrong = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if folder_of(other) not in {"", folder_of(module), *table.get(folder_of(module), ())}
    ]
    assert wrong == []


def test_no_import_circles(graph):
    # The package imports the API only when that is asked for; others import its version.
    del graph["resarray"]
    graphlib.TopologicalSorter(graph).prepare()  # its CycleError has the modules


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy.linalg, resarray.spec.isa", {"resarray.spec.isa"}),
        ("from resarray.spec.config import Config", {"resarray.spec.config"}),
        (
            "from resarray.spec import config as c, isa",
            {"resarray.spec.config", "resarray.spec.isa"},
        ),
        ("from . import cache, waves", {"resarray.sim.cache", "resarray.sim.waves"}),
        ("from .cache import digest", {"resarray.sim.cache"}),
        ("from ..hw.top import Accelerator", {"resarray.hw.top"}),
        ("def f():\n    from .waves import Waves", {"resarray.sim.waves"}),
        ("convert('resarray.hw.verilog:generate')", {"resarray.hw.verilog"}),
        ("from resarray import __version__", {"resarray"}),
        ("'see resarray.hw.verilog'", set()),
    ],
)
def test_imports_are_found(source, expected):
    known = modules()
    assert imports(source, "resarray.sim.build", known["resarray.sim.build"], known) == expected
