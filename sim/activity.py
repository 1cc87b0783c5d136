"""What the engines did over time, as activity.v recorded it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resarray.spec.errors import ResarrayError
from resarray.spec.layout import ceil_div


@dataclass(frozen=True)
class Activity:
    """Counts in windows that follow each other from a program's first cycle to its last.

    window: cycles of each window but the last, which may be shorter
    cycles: int64 [windows], cycles of each
    counts: int64 [windows] by event; each is at most the window's cycles:

        fetch, load, weights, residual  words that came for the engine, from memory or scratchpad
        compute                         cycles in which the array took a pixel
        drain                           cycles in which accumulators were read
        store                           words written to memory
        wait_*                          cycles in which the array was idle, by reason
    """

    window: int
    cycles: np.ndarray
    counts: dict[str, np.ndarray]


def read_activity(path: Path, most: int) -> Activity:
    """The recording in file ``path``, neighbours added until there are at most ``most`` windows.

    `ResarrayError` where there is none: the design is not the accelerator of ``hw/``.
    """
    if not path.exists():
        raise ResarrayError(
            "no activity was recorded: the simulated design has none of the accelerator's signals; "
            "run it without recording"
        )
    with open(path) as file:
        names = file.readline().split()
        table = np.loadtxt(file, np.int64, ndmin=2)
    joined = ceil_div(len(table), most)
    table = np.add.reduceat(table, np.arange(0, len(table), joined))
    columns = dict(zip(names, table.T, strict=True))
    cycles = columns.pop("cycles")
    return Activity(int(cycles[0]), cycles, columns)
