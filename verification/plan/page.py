"""docs/verification.md, and the README's table of presets, from the results that are committed."""

import json
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import jinja2

from .. import results
from ..results import Figure
from .features import KINDS, ROOT, Feature, features

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "verification.md"
README = ROOT / "README.md"
TESTS = results.FOLDER / "tests.json"
WAIVERS = HERE.parent / "waivers.toml"
BUGS = HERE / "bugs.toml"
# In the page's order; each is called as its target of make.
CAMPAIGNS = ("formal", "fuzz", "coverage", "mutation", "faults")
MARKS = re.compile(r"(<!-- presets -->\n).*?(<!-- end of presets -->)", re.S)
NOTHING = "–"
HEADINGS = (
    "preset",
    "ResNet-20, 32×32",
    "MACs per multiplier and cycle",
    "LUT4 / multipliers / block RAMs",
    "[verification](docs/verification.md)",
)
AREA = ("LUT4", "multipliers", "block RAMs")


def render() -> str:
    """The page as Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters["cell"] = cell
    tests = json.loads(TESTS.read_text()) if TESTS.exists() else []
    ran = {
        name: results.read(name) for name in CAMPAIGNS if (results.FOLDER / f"{name}.json").exists()
    }
    return environment.get_template("page.md.j2").render(
        kinds=KINDS,
        features=[feature_row(feature, tests) for feature in features().values()],
        totals={
            key: sum(row[key] for row in unique(tests)) for key in ("passed", "failed", "skipped")
        },
        campaigns=[
            (name, command, results.commit_of(name), [figure_row(f) for f in figures])
            for name, (command, figures, _) in ran.items()
        ],
        not_run=[name for name in CAMPAIGNS if name not in ran],
        details={name: details for name, (_, _, details) in ran.items()},
        bugs=tomllib.loads(BUGS.read_text())["bug"],
        waivers=tomllib.loads(WAIVERS.read_text()) if WAIVERS.exists() else {},
    )


def unique(tests: list[dict]) -> list[dict]:
    """One row for each file: a test may verify several features."""
    return list({row["file"]: row for row in tests}.values())


def feature_row(feature: Feature, tests: list[dict]) -> dict:
    """Title and, by kind, the files that verify a feature with how many of their tests passed."""
    found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for row in tests:
        if row["feature"] == feature.name:
            found[row["by"]].append((row["file"], row["passed"], row["failed"]))
    return {"name": feature.name, "title": feature.title, "tests": found}


def figure_row(figure: Figure) -> tuple[str, str, str, str]:
    """What, asked, measured, and whether that is reached."""
    if figure.of is None:
        measured = amount(figure.value, figure.unit)
    else:
        share = figure.value / figure.of if figure.of else 0.0
        measured = f"{figure.value:,.0f} of {figure.of:,.0f} ({100 * share:.1f} %)"
    bars = []
    if figure.asked is not None:
        asked = amount(figure.asked, figure.unit) if figure.of is None else f"{figure.asked:.0%}"
        bars.append(f"at least {asked}")
    if figure.limit is not None:
        bars.append(f"at most {amount(figure.limit, figure.unit)}")
    reached = "" if not bars else "yes" if figure.reached else "**no**"
    return figure.what, ", ".join(bars) or NOTHING, measured, reached


def amount(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def with_presets(readme: str) -> str:
    """The README with its table of presets renewed, between its two marks."""
    return MARKS.sub(lambda found: f"{found[1]}{preset_table()}{found[2]}", readme)


def preset_table() -> str:
    """Presets by performance, area and verification."""
    found = {figure.what: figure.value for figure in results.read("presets")[1]}
    lines: list[tuple[str, ...]] = [HEADINGS, ("---",) * len(HEADINGS)]
    for preset in dict.fromkeys(what.partition(":")[0] for what in found):
        cells = (f"{found[f'{preset}: {what}']:,.0f}" for what in AREA)
        lines.append(
            (
                f"`{preset}`",
                f"{found[f'{preset}: cycles']:,.0f} cycles",
                f"{found[f'{preset}: MACs per multiplier and cycle']:.2f}",
                " / ".join(cells),
                level(preset),
            )
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def level(preset: str) -> str:
    """What campaigns say of a preset: every share whose name begins with it."""
    shares = []
    for name in CAMPAIGNS:
        if (results.FOLDER / f"{name}.json").exists():
            for figure in results.read(name)[1]:
                owner, _, what = figure.what.partition(": ")
                if owner == preset and figure.of:
                    shares.append(f"{what} {100 * figure.value / figure.of:.1f} %")
    return ", ".join(shares) or NOTHING
