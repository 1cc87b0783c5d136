"""``python -m resarray.verification.coverage``: presets measured, a page, figures recorded."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ...cli.status import status_of
from ...spec.config import PRESETS
from ...spec.presets import preset as preset_of
from . import campaign, page, record, score, waivers

HELP = """What the tests reach: lines, toggles and functions of the hardware, for each preset.

Directed and random networks, random programs, and programs that nobody should make, with errors and
resets, run on a simulation that counts. Writes build/coverage/coverage.html, which shows every line
of hw/ and what was missed, and verification/results/coverage.json. Status: 0 all bars are reached
(lines 99 %, toggles 95 %, functions 100 %), 1 one is not, or a run was not exact; 2 bad input."""
PAGE = Path("build/coverage/coverage.html")
SHOWN = ("tiny", "25f", "small")
STEPS = 600
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=HELP)
def main(
    preset: Annotated[
        str,
        typer.Option(help="presets, separated by semicolons; default takes an hour more"),
    ] = ";".join(SHOWN),
    seeds: Annotated[
        int, typer.Option(min=0, help="random networks of each preset, a third of the programs")
    ] = 40,
    steps: Annotated[
        int, typer.Option(min=3, help="wild programs of each preset; fewer are not recorded")
    ] = STEPS,
    first: Annotated[int, typer.Option(min=0, max=10**9, help="the first seed")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="presets at a time")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(help="address of a Dask cluster that runs them, as tcp://host:8786"),
    ] = None,
    output: Annotated[Path, typer.Option(help="the page")] = PAGE,
    save: Annotated[
        bool, typer.Option(help="write the figures to verification/results/coverage.json")
    ] = True,
) -> int:
    known = waivers.read()
    names = list(dict.fromkeys(preset.split(";")))
    configs = [preset_of(name) for name in names]
    save = save and set(names) <= set(PRESETS) and steps >= STEPS and not first
    scores, failures = [], []
    for measured in campaign.each(configs, first, seeds, steps, jobs, scheduler):
        scores.append(score.score(measured, known))
        failures += [f"{measured.config.name}: {text}" for text in measured.failures]
        page.write(output, scores, known)
        print(record.sentence(scores[-1]), flush=True)
        if save:
            name = measured.config.name
            record.save(scores[-1:], f"make coverage PRESET='{name}' SEEDS={seeds}")
    print("\n".join(failures) if failures else f"all runs were exact; {output}")
    if set(names) >= set(SHOWN):
        waivers.require_used(known, names)
    return int(bool(failures) or not all(map(record.reached, scores)))


def run() -> int:
    """Run the command line; its exit status."""
    return status_of(lambda: app(standalone_mode=False, prog_name=f"python -m {__package__}"))


if __name__ == "__main__":
    sys.exit(run())
