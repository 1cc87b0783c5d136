"""A simulation that is built while its network is still being prepared.

What it is built of is known from the start, and together they take little longer than either.
"""

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from resarray.spec.config import Config
from resarray.spec.errors import Stop

from . import build, children
from .simulators import Simulator

END_SECONDS = 0.1
GIVE_UP_SECONDS = 5.0


class Ahead:
    """What the builder tells, kept until somebody waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._step = ""
        self._given_up = False
        self._note: Callable[[str], None] = lambda text: None
        self._compiled: build.Compiled = lambda files, of: None
        self._done: concurrent.futures.Future[None] = concurrent.futures.Future()

    def wait(self, note: Callable[[str], None], compiled: build.Compiled) -> None:
        """Until it is built; told what is being done, as by `build.build`. Raises its errors."""
        with self._lock:
            self._note, self._compiled = note, compiled
            if self._step and not self._done.done():
                note(self._step)
        self._done.result()

    def _build(self, simulator: Simulator, config: Config, waves: bool) -> None:
        try:
            design = build.verilog(config, self._tell)
            build.build(simulator, design, config.rows, 0, self._tell, waves, self._tell_compiled)
        except BaseException as error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def _tell(self, text: str) -> None:
        with self._lock:
            if self._given_up:
                raise Stop("given up")
            self._step = text
            self._note(text)

    def _tell_compiled(self, files: int, of: int) -> None:
        self._compiled(files, of)

    def _give_up(self) -> None:
        """End it: what it runs, and what it would run next."""
        self._given_up = True
        end = time.monotonic() + GIVE_UP_SECONDS
        # Between two of its commands there is none to end. It may also wait for another process.
        while not self._done.done() and time.monotonic() < end:
            children.end_all()
            concurrent.futures.wait([self._done], END_SECONDS)


@contextlib.contextmanager
def started(simulator: Simulator, config: Config, waves: bool) -> Iterator[Ahead]:
    """Begin to build the accelerator's simulation, with the smallest memory, for a block, into the
    cache, where `build.build` finds it. Where the block fails, so does the building."""
    ahead = Ahead()
    # A daemon: while it waits for another process's lock, nothing ends it but this process's end.
    threading.Thread(target=ahead._build, args=(simulator, config, waves), daemon=True).start()
    try:
        yield ahead
    except BaseException:
        ahead._give_up()
        raise
