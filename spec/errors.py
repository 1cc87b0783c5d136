"""The one exception a user sees: a sentence, never a traceback."""

import re

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f]")


class ResarrayError(Exception):
    """What was given, what is allowed, what to do, in one clear sentence.

    The command line prints it and exits with status 2. Everything else that escapes is a bug.
    """


class Stop(BaseException):
    """Ends what runs, wherever it is: nothing may hold it, so it is no Exception."""


def reason(error: BaseException, length: int = 300) -> str:
    """What somebody else's ``error`` says, fit to stand in a sentence: its first line, at most
    ``length`` characters, without the codes of a terminal."""
    lines = [_CONTROL.sub("", line).strip() for line in str(error).splitlines()]
    text = next(filter(None, lines), type(error).__name__).rstrip(".:")
    return text if len(text) <= length else text[: length - 3] + "..."
