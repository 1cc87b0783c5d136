"""What a front end cannot read, and how what a file says stands in a sentence."""

MAX_REASON = 1500


class Refused(Exception):
    """An operator that cannot be read; the message says why, fit to be shown whatever texts of a
    file are in it."""

    def __init__(self, why: str):
        super().__init__(shown(why, MAX_REASON))


def shown(text: str, most: int) -> str:
    """``text`` on one line, without the codes of a terminal, of at most so many characters."""
    text = printable(text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str) -> str:
    """``text`` without newlines and the codes of a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
