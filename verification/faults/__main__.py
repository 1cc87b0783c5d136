"""``make faults``: what goes wrong outside the accelerator, at every place and time."""

import sys
from typing import Annotated

import typer

from resarray.cli.status import status_of
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset as find_preset

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
SEED = 1


@app.command()
def faults(
    preset: Annotated[
        str, typer.Option(help="configuration of the accelerator, run with either element")
    ] = "tiny",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="some of every kind, one element; nothing is recorded"),
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="times that all is drawn anew")] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="simulator processes at a time")] = 1,
    damaged: Annotated[
        int, typer.Option(min=1, help="damaged files and replies on the host's side")
    ] = 10_000,
    scheduler: Annotated[
        str | None, typer.Option(help="not for this campaign, which takes minutes on one machine")
    ] = None,
) -> int:
    """Put faults into the memory, the programs, the settings and the host's files, and see that
    each ends as it must.

    The accelerator must end in a defined state with cause, engine and address, write nothing
    outside its window, and run the next program bit for bit; a damaged file or reply must be
    refused or change nothing. Prints a table and records it in verification/results/faults.json.
    Status: 0 all survived, 1 some did not, 2 bad input or a missing tool.
    """
    if scheduler is not None:
        raise ResarrayError("'make faults' runs on this machine alone: use --jobs, not --scheduler")
    config = find_preset(preset)
    from . import table  # with it comes PyTorch

    if quick:
        rows, problems = table.quick(config, SEED, _note)
    else:
        rows, problems = table.full(config, range(SEED, SEED + seeds), jobs, damaged, _note)
    typer.echo(table.text(rows))
    for problem in problems[:20]:
        typer.echo(problem)
    if not quick:
        given = "".join(
            f" {name}={value}"
            for name, value, usual in (("PRESET", preset, "tiny"), ("SEEDS", seeds, 1))
            if value != usual
        )
        table.record_rows(f"make faults{given}", rows)
    return 1 if problems else 0


def _note(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


def main() -> int:
    """Run the command line; its exit status."""
    return status_of(lambda: app(standalone_mode=False, prog_name="make faults"))


if __name__ == "__main__":
    sys.exit(main())
