"""A property's component as RTLIL, in a process of its own, where the source of a unit can be
edited before anything imports it."""

import importlib
import importlib.abc
import importlib.machinery
import subprocess
import sys
from pathlib import Path

from resarray.sim import children

from .properties import Edit, Property

TOP = "top"


class _Editor(importlib.abc.MetaPathFinder):
    """Finds the module of an `Edit`, edited."""

    def __init__(self, edit: Edit):
        self._edit = edit
        self._name = f"resarray.{edit.module}"

    def find_spec(self, name, path, target=None):
        if name != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None and spec.origin is not None
        text = edited(self._edit, source_of(self._edit).read_text())
        loader = importlib.machinery.SourceFileLoader(name, spec.origin)
        loader.get_code = lambda _: compile(text, spec.origin, "exec")  # type: ignore[method-assign]
        spec.loader = loader
        return spec


def source_of(edit: Edit) -> Path:
    """The file that ``edit`` is of."""
    return Path(__file__).parents[2].joinpath(*edit.module.split(".")).with_suffix(".py")


def edited(edit: Edit, text: str) -> str:
    """The source ``text`` with the edit; `ValueError` where it does not apply."""
    count = text.count(edit.old)
    if count != 1:
        raise ValueError(f"the twin '{edit.says}' must find once in {edit.module}: {edit.old!r}")
    return text.replace(edit.old, edit.new)


def rtlil_of(prop: Property, twin: int | None) -> str:
    """RTLIL of the property's component, or of its twin number ``twin``; the top is `TOP`.

    `RuntimeError` where it cannot be made, as of a twin that no longer applies.
    """
    module = next(
        name
        for name, module in sys.modules.items()
        if name.startswith(f"{__package__}.specs.") and prop in getattr(module, "PROPERTIES", ())
    )
    result = children.run(
        [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
        + [module, prop.name, "" if twin is None else str(twin)],
        env=children.python_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f"property '{prop.name}', twin {twin}:\n{result.stderr}")
    return result.stdout


def _property(module: str, name: str) -> Property:
    return next(p for p in importlib.import_module(module).PROPERTIES if p.name == name)


def main() -> None:
    """The other process: its arguments are module, property and the twin's number."""
    module, name, twin = sys.argv[1:]
    prop = _property(module, name)
    build = prop.build
    if twin:
        broken = prop.twins[int(twin)]
        if isinstance(broken, Edit):
            # What the look at the property imported is imported once more, now edited.
            for known in [n for n in sys.modules if n.startswith("resarray.")]:
                del sys.modules[known]
            sys.meta_path.insert(0, _Editor(broken))
            build = _property(module, name).build
        else:
            build = broken.build
    from amaranth.back import rtlil

    sys.stdout.write(rtlil.convert(build(), name=TOP, emit_src=False))
