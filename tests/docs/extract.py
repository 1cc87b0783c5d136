"""What the documentation tells a reader to type."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Written by docs/site/reference.py.
GENERATED = ROOT / "docs" / "reference"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(p for p in sorted((ROOT / "docs").rglob("*.md")) if p.parent != GENERATED),
)
# First words of a line that is a command; other indented text is pseudo code.
PROGRAMS = r"(?:make|resarray|\.venv/bin/\w+|gtkwave|surfer|pip|python3?|git|sudo|apt|apt-get)"
SHELL_FENCES = ("sh", "bash", "shell", "console")


def blocks(page: str) -> Iterator[tuple[str, list[str]]]:
    """Blocks of code: (language, lines); indented ones have language ""."""
    language, lines = None, []
    for line in [*page.splitlines(), ""]:
        fence = re.match(r"\s*```(\w*)", line)
        if fence and language:
            yield language, lines
            language, lines = None, []
        elif fence:
            language, lines = fence[1] or "text", []
        elif language:
            lines.append(line)
        elif line.startswith("    "):
            yield "", [line[4:]]


def commands(page: str) -> list[str]:
    """Commands in blocks, without comments."""
    return [
        re.sub(r"\s+#.*", "", line).strip()
        for language, lines in blocks(page)
        if language == "" or language in SHELL_FENCES
        for line in lines
        if re.match(rf"{PROGRAMS}( |$)", line)
    ]


def mentions(page: str) -> list[str]:
    """Commands in running text, and those in blocks."""
    spans = re.findall(r"`((?:make|(?:\.venv/bin/)?resarray) [^`]+)`", page.replace("\n", " "))
    return [*spans, *commands(page)]


def snippets(page: str) -> list[str]:
    """Python code."""
    return ["\n".join(lines) for language, lines in blocks(page) if language == "python"]
