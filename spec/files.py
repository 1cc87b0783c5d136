"""Writing files: whole or not at all, and known to be possible before the work is done."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import ResarrayError

# In the current folder; folders in it are made as needed.
BUILD = "build"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or nothing; `ResarrayError` where that is not possible.

    Links are followed; a device or a pipe takes the bytes as they come.
    """
    write_together({path: data})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write whole files, all or none: as `write_atomic`, but where one cannot be written, the
    others stay as they were."""
    targets = {path: _target(path) for path in files}
    fresh: dict[Path, Path] = {}  # what is written, in a temporary file beside its target
    old: dict[Path, Path | None] = {}  # what was there before, under another name
    path: Path
    try:
        for path, target in targets.items():
            if not _takes_bytes(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                fresh[path] = _temporary(target)
                fresh[path].write_bytes(files[path])
                os.chmod(fresh[path], _mode(target))
        for path, target in targets.items():
            if path not in fresh:
                with contextlib.suppress(BrokenPipeError):  # its reader has seen enough
                    target.write_bytes(files[path])
        for path, temporary in fresh.items():
            if len(fresh) > 1:  # else nothing can fail after it, and there is always a file
                old[path] = _put_aside(targets[path])
            os.replace(temporary, targets[path])
    except BaseException as error:
        for done, before in old.items():
            if before is not None:
                os.replace(before, targets[done])
            elif not fresh[done].exists():  # it has taken its place
                targets[done].unlink()
        for temporary in fresh.values():
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _refused(path, error) from error
        raise
    for before in old.values():
        if before is not None:
            before.unlink()


def require_writable(path: Path, make_folder: bool = False) -> None:
    """`ResarrayError` now, where `write_atomic` to ``path`` would fail after long work, or would
    make folders that nobody asked for: but for those in ``build``, and ``path``'s own with
    ``make_folder``, they must be there."""
    path = Path(path)
    if str(path) == "-":
        raise ResarrayError("cannot write '-': name a file; /dev/stdout is standard output")
    target = _target(path)
    try:
        if target.is_dir():
            raise ResarrayError(
                f"cannot write '{path}': it is a folder; remove it or choose another name"
            )
        if _takes_bytes(target):
            if not os.access(target, os.W_OK):
                raise PermissionError(0, "permission denied")
            return
        folder = target.parent.parent if make_folder else target.parent
        if not folder.exists() and not folder.is_relative_to(Path(BUILD).resolve()):
            raise ResarrayError(
                f"cannot write '{path}': there is no folder '{_shown(folder)}'; make it first, or "
                "choose another"
            )
        there = next(parent for parent in target.parents if parent.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise _refused(path, error) from error


def same_file(first: Path, second: Path) -> bool:
    """Whether two paths are of one file, also by links; of files that are not there yet, whether
    they might be, as on a disk where letters' case does not count."""
    try:
        return os.path.samefile(first, second)
    except OSError:  # one is not there
        # Not `_target`: neither need be written, and either may be a link that leads nowhere.
        return os.path.realpath(first).casefold() == os.path.realpath(second).casefold()


def _target(path: Path) -> Path:
    """The file that ``path`` leads to; of a device or a pipe ``path`` itself, since a pipe that
    `/dev/stdout` leads to has no path of its own."""
    try:
        return Path(path) if _takes_bytes(Path(path)) else Path(path).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise _refused(path, error) from error


def _takes_bytes(target: Path) -> bool:
    """Whether it is a device or a pipe, which cannot be replaced."""
    return target.exists() and not target.is_file() and not target.is_dir()


def _temporary(target: Path) -> Path:
    """A new, empty file beside ``target``."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    os.close(handle)
    return Path(name)


def _put_aside(target: Path) -> Path | None:
    """Give a file another name; that, or None where there is none."""
    if not target.exists():
        return None
    name = _temporary(target)
    try:
        os.replace(target, name)
    except OSError:
        name.unlink()
        raise
    return name


def _shown(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _refused(path: Path, error: Exception) -> ResarrayError:
    reason = getattr(error, "strerror", None) or str(error)
    return ResarrayError(f"cannot write '{path}': {reason}; choose a folder that can be written")


def _mode(target: Path) -> int:
    """Permissions of a file that is replaced; of a new one, those that the user's mask leaves."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
