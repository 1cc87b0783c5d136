"""Standard output and error of the command: nobody need read them."""

import io
import os
import sys
from typing import Any


def prepare() -> None:
    """Make what is closed lead nowhere, and what somebody stops reading, as ``head`` does, lead
    nowhere from then on."""
    # In this order: the lowest free number is taken, and a file that is opened later must not
    # become somebody's standard output.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name)  # None where it was closed
        buffer = io.BufferedWriter(_Patient(number, "w", closefd=False))
        options = (
            {}
            if before is None
            else {
                "encoding": before.encoding,
                "errors": before.errors,
                "line_buffering": before.line_buffering,
            }
        )
        setattr(sys, name, io.TextIOWrapper(buffer, **options))


def drop_output() -> None:
    """What is still to be written would fail again when Python ends."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


class _Patient(io.FileIO):
    """A file that nobody need read."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            return super().write(data)
