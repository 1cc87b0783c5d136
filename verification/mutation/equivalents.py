"""Mutants that change nothing that anyone can see, argued by hand: ``equivalent.toml``.

An entry of ``[[python]]`` is for the change ``change`` of the line ``text`` in ``file``; one of
``[[hardware]]`` for the change at ``where`` (unit, cell, port, bit and kind) that ``text`` in
``file`` leads to, in ``preset``. Each has its ``reason``. An entry that is for no mutant is an
error, of the hardware where the campaign's own mutants are drawn: what it was about has changed.
"""

import tomllib
from pathlib import Path

from resarray.spec.errors import ResarrayError

from . import netlist, source
from .source import ROOT

PATH = Path(__file__).with_name("equivalent.toml")
FIELDS = {
    "python": {"file", "text", "change", "reason"},
    "hardware": {"preset", "file", "text", "where", "reason"},
}


def read() -> dict[str, list[dict[str, str]]]:
    """The entries of both kinds; `ResarrayError` where one lacks a field."""
    found = tomllib.loads(PATH.read_text())
    for kind, entries in found.items():
        for entry in entries:
            if kind not in FIELDS or entry.keys() != FIELDS[kind]:
                raise ResarrayError(
                    f"{PATH.name}: an entry of [[{kind}]] has the fields {', '.join(entry)}: give "
                    f"{', '.join(sorted(FIELDS.get(kind, FIELDS['python'])))}"
                )
    return {kind: found.get(kind, []) for kind in FIELDS}


def of_python(mutants: list[source.Mutant]) -> dict[str, str]:
    """Reasons, by the names of those of ``mutants`` that are equivalent."""
    reasons = {(e["file"], e["text"], e["change"]): e["reason"] for e in read()["python"]}
    for file, text, change in reasons:
        if not any((m.text, m.change) == (text, change) for m in source.mutants_of(file)):
            raise ResarrayError(
                f"{PATH.name}: no mutant makes '{change}' of the line '{text}' in {file}: the line "
                "has changed, so look at the argument again"
            )
    keys = {m.name: (m.file, m.text, m.change) for m in mutants}
    return {name: reasons[key] for name, key in keys.items() if key in reasons}


def of_hardware(preset: str, mutants: list[netlist.Mutant], whole: bool) -> dict[str, str]:
    """Reasons, by the names of those of ``mutants`` of ``preset`` that are equivalent. ``whole``:
    these are the campaign's, and each entry is for one of them."""
    entries = [e for e in read()["hardware"] if e["preset"] == preset]
    reasons = {(e["file"], e["text"], e["where"]): e["reason"] for e in entries}
    keys = {m.name: (*line_of(m), where(m)) for m in mutants}
    for key in reasons.keys() - keys.values() if whole else ():
        raise ResarrayError(
            f"{PATH.name}: no mutant of '{preset}' is at {key[2]} of the line '{key[1]}' in "
            f"{key[0]}: the hardware has changed, so look at the argument again"
        )
    return {name: reasons[key] for name, key in keys.items() if key in reasons}


def where(mutant: netlist.Mutant) -> str:
    """Unit, cell, port, bit and kind of a change. Cells' names change with the unit."""
    c = mutant.changes[0]
    ctrl = "" if c.ctrlbit is None else f" with {c.ctrlbit}"
    return f"{c.module} {c.cell}.{c.port}[{c.portbit}] {c.mode}{ctrl}"


def line_of(mutant: netlist.Mutant) -> tuple[str, str]:
    """File and text of the source line."""
    file, _, line = (mutant.changes[0].source or ("?",))[-1].rpartition(":")
    if not line.isdigit():
        return file, ""
    return file, (ROOT / file).read_text().splitlines()[int(line) - 1].strip()
