"""Processes that end with this one, together with everything that they started themselves.

Each runs in a process group of its own with a watcher: a shell that waits for the end of a pipe
whose other end this process alone holds. However this process ends, SIGKILL included, the kernel
closes the pipe and the watcher kills the group. What leaves the group (a daemon) is not reached.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from resarray.spec.errors import Stop

GRACE_SECONDS = 2.0  # from SIGTERM to SIGKILL: make and g++ remove what is half-written
WATCHER = ("/bin/sh", "-c", 'trap "" HUP INT TERM; read -r line; kill -KILL 0')

_groups: set[int] = set()  # of the blocks that run
_given_up: set[int] = set()  # of these, what `end_all` has ended


@contextlib.contextmanager
def start(command: Sequence[str], **options) -> Iterator[subprocess.Popen]:
    """`subprocess.Popen` of ``command``, without input, for a block; with the block, its process
    group ends: by SIGTERM first where ``command`` still runs.

    ``OSError`` where it cannot be started; `Stop` after a block that `end_all` has ended, whose
    command has not failed.
    """
    with subprocess.Popen(
        WATCHER,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as watcher:
        group = watcher.pid
        try:
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, process_group=group, **options
            ) as process:
                _groups.add(group)
                try:
                    yield process
                finally:
                    if process.poll() is None:
                        os.killpg(group, signal.SIGTERM)
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            process.wait(GRACE_SECONDS)
                    # The watcher is not waited for before: its number is nobody else's yet.
                    os.killpg(group, signal.SIGKILL)
            if group in _given_up:
                raise Stop("given up")
        finally:
            _groups.discard(group)
            _given_up.discard(group)
            watcher.kill()


def run(command: Sequence[str], **options) -> subprocess.CompletedProcess:
    """`subprocess.run` of ``command`` by `start`: to its end, whatever its status is."""
    with start(command, **options) as process:
        output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def python_environment() -> dict[str, str]:
    """Environment in which another Python finds the modules that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def end_all() -> None:
    """SIGTERM to every group that this process's threads wait for: when the work is given up."""
    for group in tuple(_groups):
        _given_up.add(group)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
