"""Writing files: whole or not at all, and known to be possible before the work is done."""

import os
import stat
import tempfile
from pathlib import Path

from .errors import ResarrayError


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or nothing; `ResarrayError` where that is not possible.

    Links are followed; a device or a pipe takes the bytes as they come.
    """
    try:
        target = Path(path).resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise _refused(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise _refused(path, error) from error
        raise


def require_writable(path: Path) -> None:
    """`ResarrayError` now, where `write_atomic` to ``path`` would fail after long work."""
    path = Path(path)
    if str(path) == "-":
        raise ResarrayError("cannot write '-': name a file; /dev/stdout is standard output")
    try:
        target = path.resolve()
        if target.is_dir():
            raise ResarrayError(f"cannot write '{path}': it is a folder; choose another name")
        if target.exists() and not target.is_file():
            if not os.access(target, os.W_OK):
                raise PermissionError(0, "permission denied")
            return
        folder = next(parent for parent in target.parents if parent.exists())
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:
        raise _refused(path, error) from error


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
