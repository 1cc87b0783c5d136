"""What the ``resarray`` script calls: light to import, so that Ctrl-C finds it prepared."""

import contextlib
import os
import sys
import threading


def main() -> None:
    """Run the command line and end the process with its status."""
    try:
        status = _run()
    except KeyboardInterrupt:  # while Python imports; later `run` says so
        print("error: interrupted", file=sys.stderr)
        status = 130
    main_thread = threading.main_thread()
    if any(not thread.daemon and thread is not main_thread for thread in threading.enumerate()):
        # Of a user's model file: Python would wait for it, maybe for ever.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


def _run() -> int:
    from .main import run

    return run()
