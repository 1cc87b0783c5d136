"""Which STORE wrote what."""

from collections import defaultdict

import numpy as np

from .tiles import Tile
from .transfers import Region


class Stores:
    """All STOREs of a program, numbered from 1; regions are boxes of blocks, rows and columns."""

    def __init__(self, tiles: list[Tile]):
        self._boxes: dict[tuple[str, int], list[tuple[int, ...]]] = defaultdict(list)
        self._arrays: dict[tuple[str, int], np.ndarray] = {}
        number, compute = 0, -1
        for tile in tiles:
            compute += len(tile.steps)
            for output in tile.outputs:
                if output.store is not None:
                    number += 1
                    region = output.store.region
                    box = (*region.blocks, *region.rows, *region.cols, number, compute)
                    self._boxes[region.tensor, region.image].append(box)

    def latest(self, region: Region) -> tuple[int, int]:
        """(store number, number of the compute before it, from 0) of the last store into
        ``region``; (0, -1) for none."""
        key = region.tensor, region.image
        if key not in self._boxes:
            return 0, -1
        if key not in self._arrays:
            self._arrays[key] = np.array(self._boxes[key])
        boxes = self._arrays[key]
        hit = np.ones(len(boxes), bool)
        for axis, (start, stop) in enumerate((region.blocks, region.rows, region.cols)):
            hit &= (boxes[:, 2 * axis] < stop) & (boxes[:, 2 * axis + 1] > start)
        if not hit.any():
            return 0, -1
        last = boxes[hit.nonzero()[0][-1]]
        return int(last[6]), int(last[7])
