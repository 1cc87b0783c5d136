"""A preset's figures, and ``verification/results/coverage.json``."""

from pathlib import Path

from .. import results
from ..results import Figure
from .score import Score, Share

LINE, TOGGLE, FUNCTION = 0.99, 0.95, 1.0
KINDS = ("lines", "branches", "toggles", "functions")
MOST = 40  # signals named in the file, of each preset


def figures(score: Score) -> list[Figure]:
    """Lines, their branches and toggles as they were reached, nothing waived but what Yosys proves
    constant; of the functional bins those that are not waived. A line is reached where all its
    branches are."""
    name = score.config.name
    functions = score.functions.reached + score.functions.missed
    lines = sum(share.reached == share.of for share in score.lines.values())
    return [
        Figure(f"{name}: lines", lines, len(score.lines), asked=LINE),
        Figure(f"{name}: branches", score.branches.reached, score.branches.of, asked=LINE),
        Figure(f"{name}: toggles", score.toggles.reached, score.toggles.of, asked=TOGGLE),
        Figure(f"{name}: functional bins", score.functions.reached, functions, asked=FUNCTION),
        Figure(f"{name}: toggles neither reached nor waived", score.toggles.missed),
    ]


def reached(score: Score) -> bool:
    return all(figure.reached for figure in figures(score))


def sentence(score: Score) -> str:
    """One line for the terminal."""
    kinds = zip(KINDS, figures(score), strict=False)
    parts = [f"{k} {f.value / (f.of or 1):.2%} of {f.of:,}" for k, f in kinds]
    open_ = f"{score.toggles.missed} toggles neither reached nor waived"
    return f"{score.config.name}: {', '.join(parts)}; {open_}"


def save(scores: list[Score], command: str) -> Path:
    """Record ``scores``, beside what is there of other presets."""
    new = {score.config.name: _details(score) | {"command": command} for score in scores}
    kept: list[Figure] = []
    details: dict = {}
    if (results.FOLDER / "coverage.json").exists():
        _, old, found = results.read("coverage")
        details = found if isinstance(found, dict) else {}
        kept = [figure for figure in old if figure.what.partition(":")[0] not in new]
    mine = [figure for score in scores for figure in figures(score)]
    return results.record("coverage", command, kept + mine, details | new)


def _details(score: Score) -> dict:
    missing = [
        f"{unit}.{signal}: {count}"
        for unit, signals in score.missing.items()
        for signal, count in signals.most_common()
    ]
    return {
        "programs": score.programs,
        "cycles": score.cycles,
        "lines": _share(score.branches),
        "toggles": _share(score.toggles) | {"constant": score.constant},
        "functions": _share(score.functions),
        "lines missed": [line for line, share in sorted(score.lines.items()) if share.missed],
        "toggles missed": missing[:MOST],
        "bins missed": [
            name
            for group in score.bins.values()
            for name, (count, waived) in group.items()
            if not count and not waived
        ],
    }


def _share(share: Share) -> dict:
    return {"reached": share.reached, "waived": share.waived, "missed": share.missed}
