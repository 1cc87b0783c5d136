"""How a long computation tells how far it is, whoever shows it."""

from collections.abc import Callable

# Called with the fraction of the current step that is done, None where that is not known, and with
# the step's name: "step", or "step: what it is doing".
Progress = Callable[[float | None, str], None]


def silent(fraction: float | None, text: str) -> None:
    """No progress shown."""
