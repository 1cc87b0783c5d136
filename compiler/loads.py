"""When each LOAD comes and where its words go: every chunk of every slab, in order of use."""

from resarray.spec.config import Config

from .allocate import InputRing
from .slabs import Chunk, Slab
from .stores import Stores
from .tiles import Tile

# Computes between the one that frees a load's space and the load: the load waits in its queue and
# must not hold back the fetch of the computes that run meanwhile.
SLACK = 1


class Load:
    """A chunk to be loaded; ``reader``: number (from 0) of the first compute that reads it."""

    def __init__(self, slab: Slab, chunk: Chunk, layer: int, reader: int):
        self.slab, self.chunk, self.layer = slab, chunk, layer
        self.first_reader = self.last_reader = reader
        self.start = 0  # first word in the input buffer
        self.release = 0  # computes that must be complete before its space is overwritten
        self.after_store = 0  # stores that must be complete before its data is read
        self.position = 0  # computes that precede it in the program


def plan_loads(tiles: list[Tile], stores: Stores, config: Config) -> list[Load]:
    """The program's loads in order, placed and timed. They run ahead of their computes as far as
    buffer space, their producers' stores and the length of the queue allow."""
    loads = _collect(tiles)
    _place(loads, config)
    _order(loads, stores, config)
    return loads


def _collect(tiles: list[Tile]) -> list[Load]:
    """Loads in the order in which their slabs are first read, with their readers."""
    loads: list[Load] = []
    of_slab: dict[Slab, list[Load]] = {}
    read: set[Load] = set()
    number = 0
    for tile in tiles:
        for step in tile.steps:
            if step.slab not in of_slab:
                made = [Load(step.slab, chunk, tile.layer, number) for chunk in step.slab.chunks]
                of_slab[step.slab] = made
                loads += made
            for load in of_slab[step.slab][step.first : step.last + 1]:
                if load not in read:  # chunks that a slab's first step does not read come later
                    read.add(load)
                    load.first_reader = number
                load.last_reader = number
            number += 1
    return loads


def _place(loads: list[Load], config: Config) -> None:
    """Sets the loads' ``start`` and ``release``."""
    ring = InputRing(config.input_words)
    bases: dict[Slab, int] = {}
    for load in loads:
        if load.slab not in bases:
            bases[load.slab] = ring.place(load.slab.words, load.first_reader)
        load.start = bases[load.slab] + load.chunk.offset
        load.release = ring.occupy(load.start, load.chunk.words, load.last_reader)


def _order(loads: list[Load], stores: Stores, config: Config) -> None:
    """Sets the loads' ``after_store`` and ``position``."""
    ahead = max(1, config.queue_depth - 2)  # loads before the compute that they serve
    position = 0
    for number, load in enumerate(loads):
        load.after_store, stored = stores.latest(load.chunk.transfer.region)
        earliest = max(load.release + SLACK if load.release else 0, stored + 1)
        if number >= ahead:
            earliest = max(earliest, loads[number - ahead].first_reader + 1)
        position = min(load.first_reader, max(position, earliest))
        load.position = position
        assert position >= load.release and position > stored
