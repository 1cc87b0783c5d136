"""What commands write: JSON for other programs, and files that must not destroy others.

An option that writes has a callback from `written` or `written_folder`; a `Command` then refuses,
before it does anything, outputs that are its inputs or each other. A file that is there already is
replaced only where it is of the kind that is written.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from resarray.spec.errors import ResarrayError
from resarray.spec.files import require_writable, same_file, write_atomic
from resarray.spec.image import MAGIC

if TYPE_CHECKING:  # slow to import, for each press of the tab key
    from rich.console import Console

# In a context's `meta`: what a command is to write.
_OUTPUTS = "resarray.outputs"


@dataclass(frozen=True)
class Kind:
    """What a file is: by the end of its name, or how its content begins and ends."""

    what: str
    suffix: str
    begins: bytes
    ends: bytes = b""

    def require_replaceable(self, path: Path) -> None:
        """`ResarrayError` where ``path`` holds something that is evidently of another kind."""
        if path.suffix == self.suffix or not path.is_file() or not path.stat().st_size:
            return
        with path.open("rb") as file:
            start = file.read(64).lstrip()
            file.seek(-min(64, path.stat().st_size), os.SEEK_END)
            end = file.read().rstrip()
        if not (start.startswith(self.begins) and end.endswith(self.ends)):
            raise ResarrayError(
                f"'{path}' is there already and is no {self.what}: remove it first, or choose "
                f"another name, as in 'out{self.suffix}'"
            )


JSON = Kind("JSON", ".json", b"{", b"}")
HTML = Kind("page", ".html", b"<!DOCTYPE html>", b"</html>")
IMAGE = Kind("compiled image", ".rsa", MAGIC)


@dataclass(frozen=True)
class _Output:
    """A file that ``option`` writes; of which kind; whether the folder that it lies in is made."""

    option: str
    path: Path
    kind: Kind | None
    make_folder: bool


Callback = Callable[[typer.Context, typer.CallbackParam, Path | None], Path | None]


def written(
    kind: Kind | None = None, files: Callable[[Path], list[Path]] = lambda path: [path]
) -> Callback:
    """Callback of an option that names an output, for `Command`.

    kind:  what it must be where it is there already; None: anything
    files: all that are written
    """
    return _remember(lambda path: [(file, kind, False) for file in files(path)])


def written_folder(*names: str) -> Callback:
    """Callback of an option that names a folder for the files called ``names``; the folder is made
    where its parent is there."""
    return _remember(lambda folder: [(folder / name, None, True) for name in names])


def _remember(outputs: Callable[[Path], list[tuple[Path, Kind | None, bool]]]) -> Callback:
    def remember(
        context: typer.Context, param: typer.CallbackParam, path: Path | None
    ) -> Path | None:
        if path is not None:
            found = [_Output(param.opts[-1], *output) for output in outputs(path)]
            context.meta.setdefault(_OUTPUTS, []).extend(found)
        return path

    return remember


class Command(TyperCommand):
    """A command that writes over none of its inputs, and begins only where it will be able to write
    its outputs."""

    def invoke(self, context: Any) -> Any:  # the base of `typer.Context` has no public name
        outputs: list[_Output] = context.meta.get(_OUTPUTS, [])
        writing = {output.option for output in outputs}
        inputs = [
            (param.opts[-1], path)
            for param in self.params
            if param.opts[-1] not in writing
            for path in _read_by(context.params.get(param.name))
        ]
        made = {output.path.parent for output in outputs if output.make_folder}
        for number, output in enumerate(outputs):
            option, path = output.option, output.path
            if path.is_file() or not path.exists():  # a device may be both
                for other, read in inputs:
                    if same_file(path, read):
                        raise ResarrayError(
                            f"{option} would write over '{path}', which {_named(other)} reads: "
                            "choose another name"
                        )
                for second in outputs[:number]:
                    if same_file(path, second.path):
                        raise ResarrayError(
                            f"{second.option} and {option} would both write '{path}': choose two "
                            "names"
                        )
            require_writable(path, make_folder=path.parent in made)
            if output.kind is not None:
                output.kind.require_replaceable(path)
        return super().invoke(context)


def _read_by(value: object) -> Iterator[Path]:
    """The files that the value of an option may stand for; text stands for those that are there."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, str):
        # file.py:function, and file.toml,field=value
        for text in {value, value.rpartition(":")[0], value.partition(",")[0]}:
            if text and os.path.isfile(text):
                yield Path(text)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _read_by(item)


def _named(option: str) -> str:
    return option if option.startswith("-") else option.upper()


def to_json(value: object) -> bytes:
    """The file that `write_json` writes."""
    return (json.dumps(value, indent=2) + "\n").encode()


def write_json(path: Path | None, value: object) -> None:
    """``value`` to ``path``, whole or not at all; nothing where no file was asked for."""
    if path is not None:
        JSON.require_replaceable(path)
        write_atomic(path, to_json(value))


def json_file(path: Path | None, value: object) -> dict[Path, bytes]:
    """What `write_json` would write, to be written together with other files."""
    return {} if path is None else {path: to_json(value)}


def wide_console() -> "Console":
    """Standard output, wide enough for tables where it is not a terminal."""
    from rich.console import Console

    console = Console(emoji=False)  # a layer may be called :fire:
    if console.is_terminal:
        return console
    return Console(width=max(120, console.width), emoji=False)
