"""Signals that ask a command to end, as an exception: what runs is ended and cleaned up."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from resarray.spec.errors import Stop

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class Ended(Stop):
    """A signal asked the command to end."""

    def __init__(self, number: int):
        self.signal = signal.Signals(number)
        # As shells report it.
        self.status = 128 + number
        interrupted = self.signal is signal.SIGINT  # Ctrl-C
        super().__init__("interrupted" if interrupted else f"ended by {self.signal.name}")


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within the block, the signals raise `Ended`; those that are ignored (``nohup``) stay so."""
    if threading.current_thread() is not threading.main_thread():  # only that one gets signals
        yield
        return

    def end(number: int, frame: object) -> None:
        raise Ended(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number, handler in before.items() if handler in DEFAULTS]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
