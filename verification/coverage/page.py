"""``coverage.html``: the presets' figures, every line of ``hw/``, units, bins and waivers."""

from dataclasses import dataclass
from pathlib import Path

import jinja2

from ...report import template
from ...spec.files import write_atomic
from .record import figures
from .score import Score, Share
from .verilog import HW
from .waivers import Waiver

TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class Line:
    """A line of a source file; ``state``: "" where nothing is counted, "hit", "part" (reached on
    some presets or in some units only), "waived" or "missed"."""

    number: int
    text: str
    state: str
    note: str


def write(path: Path, scores: list[Score], waivers: list[Waiver]) -> None:
    """Replace the page at ``path``."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    html = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        style=template.read("report.css"),
        scores=scores,
        rows=[figures(score) for score in scores],
        files=[(file.name, lines, _total(lines)) for file, lines in _files(scores)],
        units=sorted({unit for score in scores for unit in score.units}),
        waivers=waivers,
        groups=list(dict.fromkeys(group for score in scores for group in score.bins)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, html.encode())


def _files(scores: list[Score]) -> list[tuple[Path, list[Line]]]:
    found = []
    for file in sorted(HW.glob("*.py")):
        lines = [
            _line(scores, f"{file.name}:{number}", number, text)
            for number, text in enumerate(file.read_text().splitlines(), 1)
        ]
        if any(line.state for line in lines):
            found.append((file, lines))
    return found


def _line(scores: list[Score], name: str, number: int, text: str) -> Line:
    shares = [(s.config.name, s.lines[name]) for s in scores if name in s.lines]
    note = ", ".join(f"{preset}: {s.reached} of {s.of} branches" for preset, s in shares)
    return Line(number, text, _state([share for _, share in shares]), note)


def _state(shares: list[Share]) -> str:
    if not shares:
        return ""
    if any(share.missed for share in shares):
        return "part" if any(share.reached for share in shares) else "missed"
    return "hit" if any(share.reached for share in shares) else "waived"


def _total(lines: list[Line]) -> str:
    counted = [line for line in lines if line.state]
    hit = sum(line.state == "hit" for line in counted)
    return f"{hit} of {len(counted)} lines"
