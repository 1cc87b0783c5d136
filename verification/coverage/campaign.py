"""All of a preset's stimuli, on any of the processes that presets are divided among."""

import functools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

from ...golden import distribute
from ...spec.config import Config
from ...spec.errors import ResarrayError
from . import measure, score, stimuli, waivers, wild
from .measure import Measured


def measured(config: Config, first: int, seeds: int, steps: int) -> Measured:
    """``steps`` wild programs, the directed stimuli and ``seeds`` networks from ``first`` on; then
    programs that reach functional bins which all these have not."""

    def note(text: str) -> None:
        print(f"{config.name}: {text}", file=sys.stderr, flush=True)

    found = measure.begin(config, note)
    wild.run(found, first, steps, note)
    measure.run(found, stimuli.directed(config), note)
    measure.run(found, stimuli.random(config, first, seeds), note)
    measure.run(found, stimuli.missing(config, first + 3 * seeds, _wanted(found)), note)
    return found


def _wanted(found: Measured) -> set[str]:
    """Functional bins that are neither reached nor waived."""
    known = waivers.read()
    reached = score.score(found, known).bins.values()
    return {
        name
        for group in reached
        for name, (count, waived) in group.items()
        if not count and not waived
    }


def each(
    configs: Sequence[Config],
    first: int,
    seeds: int,
    steps: int,
    jobs: int,
    scheduler: str | None = None,
) -> Iterator[Measured]:
    """`measured` of each of ``configs`` in their order: in ``jobs`` processes, or on the Dask
    cluster at ``scheduler``. `ResarrayError` where one was killed."""
    compute = functools.partial(measured, first=first, seeds=seeds, steps=steps)
    try:
        yield from distribute.each(compute, _same, configs, jobs, scheduler)
    except BrokenProcessPool as error:
        raise ResarrayError(
            "a process was killed: what was measured before is recorded; give the other presets, "
            "and a smaller --jobs where memory is short"
        ) from error


def _same(config: Config) -> Config:
    return config
