"""``make mutation``: small changes to the hardware and the Python code, which tests must notice."""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer

from resarray.cli.status import status_of
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset as find_preset

from . import MUTANTS, SEED

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
FOLDER = Path("build/mutation")
PYTHON = "python"
PRESETS = "tiny;25f"


@app.command()
def mutation(
    preset: Annotated[
        str, typer.Option(help="hardware whose netlists are changed, separated by semicolons")
    ] = PRESETS,
    part: Annotated[str, typer.Option(help="hardware, python, or all")] = "all",
    mutants: Annotated[
        int, typer.Option(min=1, max=5000, help="changes of each preset's netlist")
    ] = MUTANTS,
    python_mutants: Annotated[
        int, typer.Option(min=1, max=3000, help="changes of the compiler and the golden model")
    ] = 330,
    seeds: Annotated[int, typer.Option(min=1, help="the number that they are drawn with")] = SEED,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="processes at a time")] = 1,
    prove: Annotated[
        bool, typer.Option(help="look whether the netlist's survivors change anything at all")
    ] = True,
    mutant: Annotated[
        str | None,
        typer.Option(
            help="only this one, as 'tiny:17', 'tiny:rounding' or 'python:tiles-19dbda': what it "
            "changes, and what shows it"
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="not for this campaign, which runs on one machine")
    ] = None,
    record: Annotated[
        bool, typer.Option(help="write the figures to verification/results/mutation.json")
    ] = True,
) -> int:
    """Change one bit of the netlist, or one operator or number of the Python code, and see that the
    quick suites notice.

    What has been run is kept in build/mutation, by mutant, and not run again. Status: 0 the bars
    are reached, 1 they are not, 2 bad input or a missing tool.
    """
    if scheduler is not None:
        raise ResarrayError("'make mutation' runs on this machine alone: use --jobs")
    if part not in ("all", "hardware", PYTHON):
        raise ResarrayError(f"--part '{part}' is none: give hardware, python or all")
    if importlib.util.find_spec("tests") is None or not Path("tests").is_dir():
        raise ResarrayError("mutants are run against the tests: go to the repository's folder")
    configs = [find_preset(text) for text in preset.split(";")]
    from . import campaign  # with it comes PyTorch

    if mutant is not None:
        return _one(mutant, mutants, seeds)
    print(f"seed {seeds}")
    scores = []
    if part != PYTHON:
        for config in configs:
            score = campaign.run_hardware(config, mutants, seeds, jobs, FOLDER, prove, _note)
            print("\n".join(score.lines()), flush=True)
            scores.append(score)
    if part != "hardware":
        score = campaign.run_python(python_mutants, seeds, jobs, FOLDER / PYTHON, _note)
        print("\n".join(score.lines()), flush=True)
        scores.append(score)
    if record and part == "all" and preset == PRESETS:
        print(campaign.keep(scores, "make mutation"))
    return 0 if all(score.figure.reached for score in scores) else 1


def _one(name: str, count: int, seed: int) -> int:
    """Run one mutant alone; status 1 where it survives."""
    from . import hardware, software, source

    kind, _, number = name.partition(":")
    if kind == PYTHON:
        everything = [m for file in software.files() for m in source.mutants_of(file)]
        chosen = [m for m in everything if m.name == number]
        _require(chosen, name)
        verdict = software.run(chosen, 1, FOLDER / PYTHON / "alone", note=_note)[number]
        print(f"{chosen[0]}\n  {chosen[0].text}\n{verdict.killer or 'survives'}")
        return int(not verdict.killed)
    campaign = hardware.prepare(find_preset(kind), count, seed, FOLDER, _note)
    found = [m for m in campaign.mutants if m.name == number]
    _require(found, name)
    of_netlist = campaign.run([number], 1)[number]
    print(found[0])
    for change in found[0].changes[1:]:
        print(change)
    print(f"{of_netlist.scenario}: {of_netlist.kind}" if of_netlist.killed else "survives")
    return int(not of_netlist.killed)


def _require(found: list, name: str) -> None:
    if not found:
        raise ResarrayError(
            f"--mutant '{name}' is none: give PRESET:NUMBER, PRESET:rounding, or python:NAME as a "
            "run prints it"
        )


def _note(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


def run() -> int:
    """Run the command line; its exit status."""
    return status_of(lambda: app(standalone_mode=False, prog_name="make mutation"))


if __name__ == "__main__":
    sys.exit(run())
