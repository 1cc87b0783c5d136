"""What a user sees while something takes long: bars on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

DETAIL_SECONDS = 20.0


class Reporter:
    """Progress on standard error.

    `note` starts a step without a known length; `measured` one that is counted. Each ends when the
    next begins or the reporter closes.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True, emoji=False)
        self._progress: Progress | None = None
        self._started = 0.0
        self._detailed = 0.0  # seconds into the step when it last told how far it is
        self._text = ""

    def note(self, text: str) -> None:
        """Begin a step of unknown length."""
        self._begin(text, None)

    def measured(self, text: str, total: float | None, unit: str) -> Callable[[float], None]:
        """Begin a step of ``total`` units (None: unknown); returns what to call with the units done
        so far. Where there is no terminal, that is told now and then."""
        self._begin(text, total)

        def update(done: float) -> None:
            rate = done / max(time.monotonic() - self._started, 1e-9)
            digits = 0 if rate >= 10 else 1
            self._update(completed=done, rate=f"{rate:,.{digits}f} {unit}/s")
            self._detail(f"{done:,.0f} {unit}", done / total if total else None)

        return update

    def fraction(self, done: float | None, text: str) -> None:
        """How far step ``text`` ("step", or "step: what it is doing") is, as the golden model and
        the FPGA flow tell it; where there is no terminal, now and then."""
        step, _, doing = text.partition(": ")
        if step != self._text:
            self._begin(step, None if done is None else 1.0)
        if done is None:
            return
        self._update(completed=done, description=text)
        self._detail(doing, done)

    def close(self) -> None:
        """End the last step."""
        if self._text and not self.console.is_terminal:
            self.console.print(
                f"  {time.monotonic() - self._started:.1f} s", highlight=False, soft_wrap=True
            )
        self._text = ""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _update(self, **fields) -> None:
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], **fields)

    def _detail(self, doing: str, done: float | None) -> None:
        elapsed = time.monotonic() - self._started
        if self._progress is None and elapsed - self._detailed >= DETAIL_SECONDS:
            self._detailed = elapsed
            share = "" if done is None else f", {done:.0%}"
            self.console.print(
                f"  {elapsed:.0f} s{share}: {doing}", highlight=False, markup=False, soft_wrap=True
            )

    def _begin(self, text: str, total: float | None) -> None:
        self.close()
        self._text, self._started, self._detailed = text, time.monotonic(), 0.0
        if not self.console.is_terminal:
            self.console.print(f"{text} ...", highlight=False, markup=False, soft_wrap=True)
            return
        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
        if total is not None:
            columns.append(BarColumn())
        columns += [TextColumn("{task.fields[rate]}"), TimeElapsedColumn()]
        if total is not None:
            columns += [TextColumn("left"), TimeRemainingColumn()]
        self._progress = Progress(*columns, console=self.console, transient=True)
        self._progress.add_task(text, total=total, rate="")
        self._progress.start()


@contextlib.contextmanager
def reporter() -> Iterator[Reporter]:
    """A `Reporter` that is closed on the way out."""
    made = Reporter()
    try:
        yield made
    finally:
        made.close()
