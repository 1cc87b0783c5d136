"""The folder of everything that is built, so that nothing is made twice and nothing stale is used.

``rtl/``, ``sim/``, ``fpga/``, ``soc/`` and ``formal/`` in `build_folder` hold a folder for each
thing made, under the hash of what it was made from, with a stamp: the digests of its files.
``run/`` holds the folders of runs while they run, ``logs/`` the last logs of what failed. A file
``.<name>.lock`` beside a folder is there while somebody makes it.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from resarray.spec.cache import BUILD, build_folder, build_limit
from resarray.spec.errors import ResarrayError

STAMP = "complete"
KINDS = ("rtl", "sim", "fpga", "soc", "formal")
RUN, LOGS = "run", "logs"
KEPT_LOGS = 20

Note = Callable[[str], None]

_counter = itertools.count()
# Stamps of what this process uses, by their files, locked until it ends.
_used: dict[Path, int] = {}


def digest(*parts: str | bytes) -> str:
    """Name of what is made from ``parts``."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little") + data)
    return hasher.hexdigest()[:20]


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What fails inside is that ``folder`` cannot be written: `ResarrayError`."""
    try:
        yield
    except OSError as error:
        ours = folder.is_relative_to(build_folder())
        remedy = f"set {BUILD} to a folder" if ours else "go to a folder"
        raise ResarrayError(
            f"cannot write '{folder}': {error.strerror}; {remedy} that can be written"
        ) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time makes ``folder``."""
    with _lock(folder, fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def _lock(folder: Path, how: int) -> Iterator[bool]:
    """The lock of ``folder``; with `fcntl.LOCK_NB` in ``how``, whether it was free."""
    path = folder.parent / f".{folder.name}.lock"
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = _open_locked(path, how)
    if file is None:
        yield False
        return
    with file:
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def _open_locked(path: Path, how: int) -> TextIO | None:
    """The file ``path``, locked; None where it is not free and ``how`` does not wait."""
    while True:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(path, "w"))
            try:
                fcntl.flock(file, how)
            except BlockingIOError:
                return None
            # Whoever had it has removed it: then another process may have locked a new one.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    stack.pop_all()
                    return file


def made(
    folder: Path,
    names: Sequence[str],
    make: Callable[[Path], None],
    note: Note = lambda text: None,
) -> Path:
    """``folder`` with files ``names``, which ``make(folder)`` writes: once, and anew where one is
    not as it was written. Nothing else that ``make`` leaves is kept. ``note`` is told of damage,
    and of waiting for another process.

    It stays until this process ends. `ResarrayError` where the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        if not stack.enter_context(_lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)):
            note("waiting for another command that makes the same")
            stack.enter_context(locked(folder))
        there = intact(folder, names)
        if not there:
            limit = build_limit()
            with writing(folder):
                if (folder / STAMP).exists():
                    note(f"what was kept in '{folder}' is damaged, so it is made anew")
                remove(folder)
                folder.mkdir(parents=True)
            try:
                make(folder)
                for path in folder.iterdir():
                    if path.name not in names:
                        remove(path)
                seal(folder, names)
            except BaseException as error:
                shutil.rmtree(folder, ignore_errors=True)
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    with writing(folder):
                        raise
                raise
        use(folder)
    if not there:
        shrink(limit)
    return folder


def seal(folder: Path, names: Sequence[str], stamp: str = STAMP) -> None:
    """Say in ``stamp`` that files ``names`` of ``folder`` are whole as they are now."""
    digests = {name: _digest_of(folder / name) for name in names}
    # A sealed file without its name does not count, so this need not be whole at once.
    (folder / stamp).write_text(json.dumps(digests))


def intact(folder: Path, names: Sequence[str] | None = None, stamp: str = STAMP) -> bool:
    """Whether the files ``names`` of ``folder`` are as they were when ``stamp`` was written; None:
    all that it names."""
    try:
        digests = json.loads((folder / stamp).read_text())
        wanted = digests if names is None else names
        return all(_digest_of(folder / name) == digests[name] for name in wanted)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        executable = "x" if os.access(path, os.X_OK) else "-"
        return executable + hashlib.file_digest(file, "sha256").hexdigest()


def use(folder: Path) -> None:
    """Until this process ends, ``folder``, which is sealed, is not removed by `shrink`."""
    stamp = folder / STAMP
    held = _used.pop(stamp, None)
    if held is not None:
        os.close(held)
    with contextlib.suppress(OSError):  # gone, or without locks: then it is at risk, no more
        _used[stamp] = os.open(stamp, os.O_RDONLY)
        fcntl.flock(_used[stamp], fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.utime(stamp)


def remove(path: Path) -> None:
    """Whatever ``path`` is, nothing is there then."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one run, removed after it however it ends; also those that runs left which were
    killed."""
    runs = build_folder() / RUN
    for path in _folders(runs):
        _remove_unused(path)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_counter)}"
    folder = runs / name
    with locked(folder):
        try:
            with writing(folder):
                folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def keep_log(log: Path) -> Path:
    """Move ``log`` of something that failed, whose folder goes, to where it can be read; the last
    `KEPT_LOGS` are kept."""
    logs = build_folder() / LOGS
    # The names' order is that of their ages: a count of one width for the logs of one second.
    age = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_counter):06}"
    kept = logs / f"{age}-{log.name}"
    with writing(logs):
        logs.mkdir(parents=True, exist_ok=True)
        shutil.move(log, kept)
        for old in sorted(logs.glob("*.log"))[:-KEPT_LOGS]:
            old.unlink(missing_ok=True)
    return kept


@dataclass(frozen=True)
class _Entry:
    """A folder that was made, when it was last used, its bytes."""

    folder: Path
    used: float
    size: int


def shrink(limit: int) -> None:
    """Remove what was not used for longest until `build_folder` holds at most ``limit`` bytes,
    without what is in use."""
    entries = [_entry(path) for kind in KINDS for path in _folders(build_folder() / kind)]
    total = sum(entry.size for entry in entries)
    for entry in sorted(entries, key=lambda entry: entry.used):
        if total <= limit:
            break
        if _remove_unused(entry.folder):
            total -= entry.size


def clear() -> None:
    """Remove everything in `build_folder` that is not in use."""
    shrink(0)
    for path in _folders(build_folder() / RUN):
        _remove_unused(path)
    shutil.rmtree(build_folder() / LOGS, ignore_errors=True)


def size() -> int:
    """Bytes in the cache's part of `build_folder`."""
    return sum(_size(build_folder() / kind) for kind in (*KINDS, RUN, LOGS))


def _remove_unused(folder: Path) -> bool:
    """Remove ``folder`` if nobody makes or uses it; whether it is gone."""
    try:
        with _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
            if not free or _in_use(folder / STAMP):
                return False
            remove(folder)
    except (OSError, ResarrayError):  # somebody else's
        return False
    return True


def _in_use(stamp: Path) -> bool:
    try:
        with open(stamp) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _folders(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _entry(folder: Path) -> _Entry:
    times = [0.0]
    for path in (folder / STAMP, folder):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return _Entry(folder, max(times[1:2] or times), _size(folder))


def _size(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):  # removed meanwhile
                total += os.lstat(os.path.join(folder, name)).st_size
    return total
