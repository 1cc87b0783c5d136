"""``make formal``: prove the properties, see their broken twins fail, write down the figures."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from resarray.cli.progress import reporter
from resarray.cli.status import status_of

app = typer.Typer(add_completion=False)


@app.command()
def formal(
    names: Annotated[
        list[str] | None, typer.Argument(help="properties to prove; default: all", metavar="NAME")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="only those that 'make test' proves too")
    ] = False,
    show: Annotated[
        bool, typer.Option("--list", help="list the properties and prove nothing")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="proofs at a time; default: one for each core")
    ] = None,
) -> int:
    """Prove properties of the hardware; see each fail on broken twins of its unit.

    All of them together write verification/results/formal.json. What was proven once is kept and
    not proven again ('resarray doctor' shows where, and removes it).

    Status: 0 all as it should be, 1 a property does not hold or a twin passes, 2 bad input.
    """
    from . import campaign, engines, properties

    chosen = properties.choose(names or [], quick)
    if show:
        for prop in chosen:
            typer.echo(f"{prop.name} ({prop.unit}, {prop.method}): {prop.says}")
        return 0
    engines.require()
    with reporter() as progress:
        outcomes = campaign.check(chosen, jobs or os.cpu_count() or 1, progress.fraction)
    Console().print(campaign.table(outcomes))
    found = campaign.complaints(outcomes)
    for sentence in found:
        typer.echo(sentence)
    if not names and not quick:
        campaign.record(outcomes, "make formal")
    return 1 if found else 0


def run(arguments: list[str]) -> int:
    """Run the command line; its exit status."""
    return status_of(lambda: app(arguments, standalone_mode=False, prog_name="formal"))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
