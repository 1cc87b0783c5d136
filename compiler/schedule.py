"""Program order and waits.

Every instruction waits only for earlier ones. Computes are in tile order; loads, in the order of
their use, run ahead of them as far as buffer space, their producers' stores and the length of the
load queue allow; a tile's residual, drain and store follow its last compute at once.
"""

from collections import defaultdict

import numpy as np

from resarray.spec.config import Config
from resarray.spec.isa import Engine

from .allocate import InputRing, Place
from .drains import Output
from .program import Program, tensor_symbol, weights_symbol
from .slabs import Chunk, Slab
from .tiles import Step, Tile
from .transfers import Region

# Computes between the one that frees a load's space and the load: the load waits in its queue and
# must not hold back the fetch of the computes that run meanwhile.
SLACK = 1


class _Load:
    """A chunk to be loaded, with the compute numbers (from 0) that first and last read it."""

    def __init__(self, slab: Slab, chunk: Chunk, layer: int, reader: int):
        self.slab, self.chunk, self.layer = slab, chunk, layer
        self.first_reader = self.last_reader = reader
        self.release = 0  # computes that must be complete before its space is overwritten
        self.after_store = 0  # stores that must be complete before its data is read
        self.position = 0  # computes that precede it in the program


class _Stores:
    """Which STORE wrote what; regions are boxes of blocks, rows and columns."""

    def __init__(self):
        self._boxes = defaultdict(list)
        self._arrays: dict[tuple[str, int], np.ndarray] = {}

    def add(self, region: Region, number: int, compute: int) -> None:
        """Store ``number`` (from 1) writes ``region`` after compute ``compute`` (from 0)."""
        box = (*region.blocks, *region.rows, *region.cols, number, compute)
        self._boxes[region.tensor, region.image].append(box)

    def latest(self, region: Region) -> tuple[int, int]:
        """(store number, compute number) of the last store into ``region``; (0, -1) for none."""
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


class _Scratchpad:
    """The scratchpad's fields of instructions, and who read what last."""

    def __init__(self, places: dict[tuple[str, int], Place]):
        self._places = places
        self._read_by: dict[tuple[str, int], dict[Engine, int]] = defaultdict(dict)

    def read(self, engine: Engine, region: Region, program: Program) -> dict[str, int]:
        """Fields of the LOAD or RESIDUAL of ``region`` that is ``program``'s next instruction."""
        key = region.tensor, region.image
        if key not in self._places:
            return {}
        self._read_by[key][engine] = program.counts[engine] + 1
        return {"kept": 1, "mirror": self._places[key].start}

    def written(self, region: Region) -> dict[str, int]:
        """Fields of a STORE of ``region``: it waits for the last reads of what it overwrites."""
        place = self._places.get((region.tensor, region.image))
        if place is None:
            return {}
        waits = {Engine.LOAD: 0, Engine.RESIDUAL: 0}
        for key, other in self._places.items():
            if other.last_layer < place.first_layer and other.overlaps(place):
                for engine, number in self._read_by[key].items():
                    waits[engine] = max(waits[engine], number)
        return {
            "kept": 1,
            "mirror": place.start,
            "wait_a": waits[Engine.LOAD],
            "wait_b": waits[Engine.RESIDUAL],
        }


def schedule(
    tiles: list[Tile], config: Config, places: dict[tuple[str, int], Place] | None = None
) -> Program:
    """The program of all layers' tiles; ``places``: in the scratchpad, by tensor and image."""
    program = Program()
    scratchpad = _Scratchpad(places or {})
    loads, steps = _collect(tiles)
    stores = _number_stores(tiles)
    bases = _place(loads, config)
    _order(loads, stores, config)
    numbers = {(id(load.slab), load.chunk.offset): i + 1 for i, load in enumerate(loads)}
    pending = iter(loads)
    load = next(pending, None)
    streamed = 0
    compute = 0
    drained = [0, 0]  # drains that free each bank
    # The first input goes before the weights, whose stream would take half the port to fill its
    # FIFO.
    _emit_load(program, load, bases, scratchpad)
    load = next(pending, None)
    for index, tile in enumerate(tiles):
        # Weights wait for nothing, so the next tiles' are prefetched as far as the queue reaches.
        while streamed <= min(index + max(1, config.queue_depth - 2), len(tiles) - 1):
            _emit_weights(program, tiles[streamed])
            streamed += 1
        for position, step in enumerate(tile.steps):
            while load is not None and load.position <= compute:
                _emit_load(program, load, bases, scratchpad)
                load = next(pending, None)
            last = position == len(tile.steps) - 1
            chunk = step.slab.chunks[step.last]
            program.add(
                Engine.COMPUTE,
                step.fields
                | {
                    "base": step.fields["base"] + bases[id(step.slab)] * config.rows,
                    "wait_a": numbers[id(step.slab), chunk.offset],
                    "wait_b": drained[index % 2] if position == 0 else 0,
                    "bank": index % 2,
                    "clear": position == 0,
                    "params": position == 0 and tile.params,
                    "mark": last and tile.layer_end,
                },
                tile.layer,
            )
            compute += 1
        for output in tile.outputs:
            _emit_output(program, output, tile.layer, index % 2, compute, stores, scratchpad)
        drained[index % 2] = program.counts[Engine.DRAIN]
    assert load is None and compute == len(steps)
    return program


def _collect(tiles: list[Tile]) -> tuple[list[_Load], list[Step]]:
    """Loads in order of first use and compute steps in order."""
    loads: list[_Load] = []
    of_slab: dict[int, list[_Load]] = {}
    steps: list[Step] = []
    for tile in tiles:
        for step in tile.steps:
            number = len(steps)
            if id(step.slab) not in of_slab:
                made = [_Load(step.slab, c, tile.layer, number) for c in step.slab.chunks]
                of_slab[id(step.slab)] = made
                loads += made
            for i in range(step.first, step.last + 1):
                of_slab[id(step.slab)][i].last_reader = number
            steps.append(step)
    _first_readers(tiles, of_slab)
    return loads, steps


def _first_readers(tiles: list[Tile], of_slab: dict[int, list[_Load]]) -> None:
    """Chunks that the first step of their slab does not read are needed later."""
    seen = set()
    number = 0
    for tile in tiles:
        for step in tile.steps:
            for i in range(step.first, step.last + 1):
                load = of_slab[id(step.slab)][i]
                if id(load) not in seen:
                    seen.add(id(load))
                    load.first_reader = number
            number += 1


def _number_stores(tiles: list[Tile]) -> _Stores:
    stores, number, compute = _Stores(), 0, -1
    for tile in tiles:
        compute += len(tile.steps)
        for output in tile.outputs:
            if output.store is not None:
                number += 1
                stores.add(output.store.region, number, compute)
    return stores


def _place(loads: list[_Load], config: Config) -> dict[int, int]:
    """First word of every slab, by its id; sets the loads' ``release``."""
    ring = InputRing(config.input_words)
    bases: dict[int, int] = {}
    for load in loads:
        if id(load.slab) not in bases:
            bases[id(load.slab)] = ring.place(load.slab.words, load.first_reader)
        start = bases[id(load.slab)] + load.chunk.offset
        load.release = ring.occupy(start, load.chunk.words, load.last_reader)
    return bases


def _order(loads: list[_Load], stores: _Stores, config: Config) -> None:
    """Sets the loads' ``after_store`` and ``position``."""
    ahead = max(1, config.queue_depth - 2)  # loads before the compute that they serve
    position = 0
    for i, load in enumerate(loads):
        load.after_store, stored = stores.latest(load.chunk.transfer.region)
        earliest = max(load.release + SLACK if load.release else 0, stored + 1)
        if i >= ahead:
            earliest = max(earliest, loads[i - ahead].first_reader + 1)
        position = min(load.first_reader, max(position, earliest))
        load.position = position
        assert position >= load.release and position > stored


def _emit_load(
    program: Program, load: _Load, bases: dict[int, int], scratchpad: _Scratchpad
) -> None:
    transfer = load.chunk.transfer
    fields = transfer.fields | {
        "buf": bases[id(load.slab)] + load.chunk.offset,
        "wait_a": load.release,
        "wait_b": load.after_store,
    }
    fields |= scratchpad.read(Engine.LOAD, transfer.region, program)
    _emit_transfer(program, Engine.LOAD, transfer.region, fields, load.layer)


def _emit_weights(program: Program, tile: Tile) -> None:
    if tile.weights is not None:
        first, length = tile.weights
        wait = int(program.counts[Engine.WEIGHTS] == 0)
        fields = {"addr": first, "length": length, "wait_a": wait}
        program.add(Engine.WEIGHTS, fields, tile.layer, weights_symbol(tile.layer))


def _emit_output(
    program: Program,
    output: Output,
    layer: int,
    bank: int,
    computes: int,
    stores: _Stores,
    scratchpad: _Scratchpad,
) -> None:
    """RESIDUAL, DRAIN and STORE of a tile whose last compute is number ``computes`` (from 1)."""
    residual, store = output.residual, output.store
    if residual is not None:
        number, _ = stores.latest(residual.region)
        fields = residual.fields | {"wait_b": number}
        fields |= scratchpad.read(Engine.RESIDUAL, residual.region, program)
        _emit_transfer(program, Engine.RESIDUAL, residual.region, fields, layer)
    program.add(Engine.DRAIN, output.drain | {"bank": bank, "wait_a": computes}, layer)
    if store is not None:
        fields = store.fields | scratchpad.written(store.region)
        _emit_transfer(program, Engine.STORE, store.region, fields, layer)


def _emit_transfer(program: Program, engine: Engine, region: Region, fields: dict, layer: int):
    program.add(engine, fields, layer, tensor_symbol(region.tensor, region.image))
