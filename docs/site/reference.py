"""Writes docs/reference/ from the code: command line, instructions, registers, image file.

    python docs/site/reference.py [FOLDER]

tests/docs checks that the pages are what this writes.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import typer.main
from docstrings import to_markdown

import resarray.spec.image
from resarray.cli.main import app
from resarray.spec import isa, layout, registers
from resarray.spec.isa import Engine, Field

KINDS = {
    str: "text",
    Path: "path",
    int: "whole number",
    float: "number",
    list[str]: "text",
    list[Path]: "paths",
}
FOLDER = Path(__file__).parents[1] / "reference"
NOTE = "<!-- Written by docs/site/reference.py: change the code, then run it. -->\n\n"


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [tuple(heads), *map(tuple, rows)]
    cells = [" | ".join(str(cell).replace("|", "\\|") for cell in line) for line in lines]
    rule = "|".join("---" for _ in lines[0])
    return "\n".join([f"| {cells[0]} |", f"|{rule}|", *(f"| {row} |" for row in cells[1:])]) + "\n"


def command_line() -> str:
    """Every command with its options, as ``--help`` shows them."""
    group: Any = typer.main.get_command(app)
    text = "# Command line\n\n" + prose(group.help or "") + prose(group.epilog or "")
    names = group.commands
    text += "\n" + table(
        ("command", "what it does"),
        ((f"[`{name}`](#resarray-{name})", first_line(names[name].help)) for name in names),
    )
    for name, command in names.items():
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join([f"resarray {name}", "[OPTIONS]", *map(placeholder, arguments)])
        text += f"\n## resarray {name}\n\n{prose(command.help or '')}\n```text\n{usage}\n```\n\n"
        text += table(("option", "value", "default", "meaning"), map(option, command.params))
        text += "\n" + prose(command.epilog or "")
    return text


def first_line(help_text: str | None) -> str:
    return escaped((help_text or "").strip().split("\n")[0])


def escaped(text: str) -> str:
    """Plain text in Markdown."""
    return re.sub(r"([*<])", r"\\\1", text)


def placeholder(parameter: Any) -> str:
    return parameter.name.upper() + ("..." if parameter.nargs == -1 else "")


def option(parameter: Any) -> tuple[str, str, str, str]:
    """Cells of an option or argument."""
    positional = parameter.param_type_name == "argument"
    flag = not positional and parameter.is_flag
    names = [placeholder(parameter)] if positional else parameter.opts + parameter.secondary_opts
    value = "" if flag else KINDS[parameter.type_descriptor.annotation]
    if parameter.min is not None:
        value += f" from {parameter.min}"
    if not positional and parameter.multiple:
        value += ", repeatable"
    if flag:
        default = "on" if parameter.default else "off"
    elif parameter.required:
        default = "required"
    else:
        default = "" if parameter.default in (None, ()) else f"`{parameter.default}`"
    text = escaped(parameter.help or "")
    return ", ".join(f"`{name}`" for name in names), value, default, text


def prose(text: str) -> str:
    """Help text: paragraphs, and what follows ``\\b`` and is indented as code."""
    found = ""
    for part in re.split(r"\n\s*\n", text.strip()):
        kept = part.startswith("\b\n")
        lines = part.removeprefix("\b\n").splitlines()
        if kept and lines[0].endswith(":"):
            code = "\n".join(line.removeprefix("  ") for line in lines[1:])
            found += f"{lines[0]}\n\n```text\n{code}\n```\n\n"
        else:
            found += escaped(" ".join(line.strip() for line in lines if line != "\b")) + "\n\n"
    return found


def instructions() -> str:
    """Every engine's fields with their bits."""
    doc = to_markdown(isa.__doc__ or "")
    text = "# Instruction fields\n\nFrom `spec/isa.py`; [isa.md](../isa.md) says what they do.\n\n"
    text += f"{doc}\n\nAn instruction has {isa.INSTRUCTION_BYTES} bytes, little endian.\n\n"
    waits = (
        (
            e.opcode,
            f"[{e.name}](#{e.name.lower()})",
            *("–" if w is None else w.name for w in isa.WAITS[e]),
        )
        for e in Engine
    )
    text += table(("opcode", "engine", "`wait_a` counts", "`wait_b` counts"), waits)
    for engine in Engine:
        text += f"\n## {engine.name}\n\n{fields(isa.LAYOUTS[engine])}"
        used = sum(field.width for field in isa.LAYOUTS[engine])
        text += f"\n{used} of {isa.INSTRUCTION_BITS} bits; the rest is 0.\n"
    text += f"\n## Parameter record\n\n8 bytes for each channel.\n\n{fields(isa.PARAMS)}"
    text += f"\nA table is {isa.TABLE_BYTES} bytes: the output for q at byte q + 128.\n"
    return text


def awaited(engine: Engine | None) -> str:
    return "–" if engine is None else engine.name


def fields(layout_of: list[Field]) -> str:
    starts = accumulate((field.width for field in layout_of), initial=0)
    return table(("bits", "field", "range", "meaning"), map(bits, layout_of, starts))


def bits(field: Field, start: int) -> tuple[str, str, str, str]:
    stop = start + field.width - 1
    place = str(start) if field.width == 1 else f"{stop}:{start}"
    low, high = field.range
    return place, f"`{field.name}`", f"{low:,} to {high:,}", field.doc


def register_map() -> str:
    """Registers, profile records and causes of errors."""
    text = f"# Registers\n\nFrom `spec/registers.py`.\n\n{to_markdown(registers.__doc__ or '')}\n\n"
    text += f"ID is `{registers.ID:#010x}`, VERSION {registers.VERSION}.\n\n"
    rows = (
        (f"`{r.offset:#06x}`", f"`{r.name}`", r.access, r.doc) for r in registers.REGISTERS.values()
    )
    text += table(("offset", "register", "access", "meaning"), rows)
    text += (
        f"\n## Profile records\n\nFrom offset `{registers.PROFILE_OFFSET:#x}` on, one of "
        f"{registers.PROFILE_RECORD_BYTES} bytes for each layer: the counters at its last COMPUTE."
        "\n\n"
    )
    names = enumerate(registers.PROFILE_FIELDS)
    text += table(("byte", "counter"), ((4 * i, f"`{name}`") for i, name in names))
    text += "\n## Causes of errors\n\n"
    causes = ((c.value, c.name.lower().replace("_", " ")) for c in registers.ErrorCause)
    return text + table(("ERROR_CAUSE", "meaning"), causes)


def image_file() -> str:
    """The file's format and the tensors' layouts, by their docstrings."""
    text = "# Image file\n\nFrom `spec/image.py` and `spec/layout.py`.\n\n"
    text += to_markdown(resarray.spec.image.__doc__ or "")
    text += f"\n\nThe format's version is {resarray.spec.image.VERSION}; its magic is "
    text += f"`{resarray.spec.image.MAGIC.decode()}`.\n\n## Tensors in memory\n\n"
    text += to_markdown(layout.__doc__ or "")
    return text + f"\n\nTensors begin at multiples of {layout.ALIGNMENT} bytes.\n"


def pages() -> Iterator[tuple[str, str]]:
    """(name of the file, text)"""
    yield "command-line.md", command_line()
    yield "instructions.md", instructions()
    yield "registers.md", register_map()
    yield "image-file.md", image_file()


def write(folder: Path) -> None:
    for name, text in pages():
        (folder / name).write_text(NOTE + text.strip() + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
