"""A simulation that is built while its network is still being prepared.

What it is built of is known from the start, and together they take little longer than either.
"""

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator

from resarray.spec.config import Config

from . import build, children
from .simulators import Simulator

END_SECONDS = 0.1


class Ahead:
    """What the builder tells, kept until somebody waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._step = ""
        self._note: Callable[[str], None] = lambda text: None
        self._compiled: build.Compiled = lambda files, of: None
        self._done: concurrent.futures.Future[None] | None = None

    def wait(self, note: Callable[[str], None], compiled: build.Compiled) -> None:
        """Until it is built; told what is being done, as by `build.build`. Raises its errors."""
        assert self._done is not None
        with self._lock:
            self._note, self._compiled = note, compiled
            if self._step and not self._done.done():
                note(self._step)
        self._done.result()

    def _build(self, simulator: Simulator, config: Config, waves: bool) -> None:
        design = build.verilog(config, self._tell)
        build.build(simulator, design, config.rows, 0, self._tell, waves, self._tell_compiled)

    def _tell(self, text: str) -> None:
        with self._lock:
            self._step = text
            self._note(text)

    def _tell_compiled(self, files: int, of: int) -> None:
        self._compiled(files, of)


@contextlib.contextmanager
def started(simulator: Simulator, config: Config, waves: bool) -> Iterator[Ahead]:
    """Begin to build the accelerator's simulation, with the smallest memory, for a block, into the
    cache, where `build.build` finds it. Where the block fails, so does the building."""
    ahead = Ahead()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ahead._done = pool.submit(ahead._build, simulator, config, waves)
        try:
            yield ahead
        except BaseException:
            # Between two of its commands there is none to end.
            while not ahead._done.done():
                children.end_all()
                concurrent.futures.wait([ahead._done], END_SECONDS)
            raise
