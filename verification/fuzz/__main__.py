"""``python -m resarray.verification.fuzz``: the campaign, or one of its cases again."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ...cli.status import status_of
from ...golden import distribute
from ...spec.errors import ResarrayError
from . import campaign, cases, execute, files
from .cases import KINDS, Case
from .machines import machines
from .shrink import Smallest, shrink

HELP = """Random networks and programs on random memories, RTL against its models, bit for bit.

Each number (seed) is one network and one program on one of the accelerators: four presets with both
elements and twenty small random configurations. What failed is cut down to the smallest case that
still does, written to build/fuzz and can be run again with one line. A second call goes on where
the first one stopped. Status: 0 all exact, 1 something failed, 2 bad input."""
FOLDER = Path("build/fuzz")
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=HELP)
def main(
    seeds: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="how many numbers are drawn")
    ] = 200,
    first: Annotated[int, typer.Option(min=0, max=10**9, help="the first of them")] = 0,
    preset: Annotated[
        str | None,
        typer.Option(
            help="accelerators, separated by semicolons: presets (both elements of each), changes "
            "to them (tiny,element=mac), random0 to random19, or 'random' for these; default: all"
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help="program, network, or both: all")] = "all",
    jobs: Annotated[int, typer.Option(min=1, help="processes on this machine")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(help="address of a Dask cluster that runs them, as tcp://host:8786"),
    ] = None,
    results: Annotated[
        Path, typer.Option(help="file of outcomes, which a later call goes on with")
    ] = FOLDER / "results.jsonl",
    simulator: Annotated[
        str, typer.Option(help="of --replay and --case: verilator or icarus")
    ] = "verilator",
    replay: Annotated[
        str | None,
        typer.Option(
            help="run a case again: KIND:SEED:MACHINE, as program:17:tiny; several of one machine "
            "separated by spaces run one after the other in one simulator process"
        ),
    ] = None,
    case: Annotated[
        Path | None, typer.Option(help="run one case again that a failure wrote to build/fuzz")
    ] = None,
    shrink_seconds: Annotated[
        int, typer.Option(min=0, help="that the search for a smaller case may take; 0: none")
    ] = 600,
    record: Annotated[
        bool, typer.Option(help="write all outcomes to verification/results/fuzz.json")
    ] = True,
) -> int:
    if case is not None:
        return _run_case(files.load(case), simulator)
    if replay is not None:
        return _replay(cases.parse(replay), simulator, shrink_seconds)
    if kind not in (*KINDS, "all"):
        raise ResarrayError(f"--kind '{kind}' is none: give {', '.join(KINDS)} or all")
    names = machines(preset)
    planned = campaign.plan(KINDS if kind == "all" else [kind], names, first, seeds)
    if scheduler is None:
        jobs = min(jobs, distribute.cores())
    tally = campaign.campaign(planned, results, jobs, scheduler, _tell)
    for outcome in tally.failures:
        print(f"FAILED {outcome.case}: {outcome.what}\n  {files.COMMAND} --replay '{outcome.case}'")
        if outcome.result == execute.FAILED and shrink_seconds:
            _shrink(outcome.case, outcome.what, simulator, shrink_seconds)
    counts = ", ".join(f"{n} {k}s {r}" for (k, r), n in sorted(tally.counts.items()))
    print(counts or "nothing left to run")
    if tally.drawn:
        print("of the programs " + ", ".join(f"{n} {what}" for what, n in tally.drawn.items()))
    if record:
        text = f"make fuzz SEEDS={first + seeds}" + (f" PRESET='{preset}'" if preset else "")
        print(campaign.summarise(results, text))
    return 1 if tally.failures else 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _replay(again: list[Case], simulator: str, seconds: int) -> int:
    outcomes = execute.run(again, simulator)
    for outcome in outcomes:
        print(f"{outcome.case}: {outcome.result} {outcome.what}".rstrip())
        if outcome.result == execute.FAILED and seconds:
            _shrink(outcome.case, outcome.what, simulator, seconds)
    return int(any(outcome.result == execute.FAILED for outcome in outcomes))


def _shrink(case: Case, what: str, simulator: str, seconds: int) -> None:
    def fails(jobs: Sequence[cases.Job]) -> list[bool]:
        return [found is not None for found, _ in execute.simulate(jobs, simulator)]

    smallest = shrink(case, fails, seconds)
    if smallest is None:
        print("  it does not fail alone")
        return
    path, command = files.save(smallest, what, FOLDER)
    print(f"  {smallest.size} of it fail: {path.with_suffix('.txt')}\n  {command}")


def _run_case(smallest: Smallest, simulator: str) -> int:
    ((what, cycles),) = execute.simulate([smallest.job()], simulator)
    print(f"{smallest.case}, {smallest.size}: {what or f'exact in {cycles} cycles'}")
    return int(what is not None)


def run() -> int:
    """Run the command line; its exit status."""
    return status_of(lambda: app(standalone_mode=False, prog_name=files.COMMAND))


if __name__ == "__main__":
    sys.exit(run())
