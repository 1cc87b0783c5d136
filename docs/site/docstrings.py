"""The project's docstrings as Markdown: lists of "name: what it is", code after "::"."""

import re
import textwrap
from itertools import pairwise

import griffe

# "size:    height and width", "note, progress: told what is built"; an indented line goes on.
ITEM = re.compile(r"([*\w]+(?:(?:, | / )[*\w]+)*)\s?:\s+(\S.*)")
UNDERLINE = re.compile(r"-{3,}")


# Code, which stays as it is; and a shape as [N][C][H][W], which would be a reference to a link.
CODE = re.compile(r"(```.*?```|`[^`]*`)", re.DOTALL)
SHAPE = re.compile(r"(?:\[[^\]\[\n]+\]){2,}")


def shapes(markdown: str) -> str:
    """``markdown`` with shapes as code."""
    parts = CODE.split(markdown)
    parts[::2] = [SHAPE.sub(r"`\g<0>`", part) for part in parts[::2]]
    return "".join(parts)


def to_markdown(docstring: str) -> str:
    """``docstring`` with fenced code and lists where the source has aligned text."""
    found: list[str] = []
    lines = [*docstring.replace("``", "`").splitlines(), "."]
    code = item = False
    for line, following in pairwise(lines):
        indented = line.startswith(" ")
        if code and (indented or not line):
            found += [line[4:]] if line or found[-1] != "```text" else []
            continue
        if code:
            found = [*stripped(found), "```", ""]
            code = False
        if UNDERLINE.fullmatch(line.strip()):
            continue
        if UNDERLINE.fullmatch(following.strip()):
            found += [f"**{line.strip()}**", ""]
        elif line.endswith("::"):
            found += [line[:-1], ""] if line[:-2].strip() else []
            found.append("```text")
            code = True
        elif match := ITEM.fullmatch(line):
            found += [] if item else [""]
            found.append(f"- `{match[1]}`: {match[2]}")
            item = True
        elif item and indented:
            found.append("    " + line.strip())
        else:
            item = False
            found.append(line)
    return "\n".join([*stripped(found), "```"] if code else stripped(found))


def stripped(lines: list[str]) -> list[str]:
    """``lines`` without empty ones at the end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


class Docstrings(griffe.Extension):
    """Griffe's hook: every docstring, before it is rendered."""

    def on_object(self, *, obj: griffe.Object, **rest: object) -> None:
        if obj.docstring:
            obj.docstring.value = shapes(to_markdown(textwrap.dedent(obj.docstring.value)))
