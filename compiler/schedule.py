"""Program order and waits.

Every instruction waits only for earlier ones. Computes are in tile order; loads come when `loads`
says; a tile's residual, drain and store follow its last compute at once.
"""

from collections import defaultdict

from resarray.spec.config import Config
from resarray.spec.isa import Engine

from .allocate import Place
from .drains import Output
from .loads import Load, plan_loads
from .program import Program, tensor_symbol, weights_symbol
from .stores import Stores
from .tiles import Step, Tile
from .transfers import Region


def schedule(
    tiles: list[Tile], config: Config, places: dict[tuple[str, int], Place] | None = None
) -> Program:
    """The program of all layers' tiles; ``places``: in the scratchpad, by tensor and image."""
    return _Scheduler(tiles, config, places or {}).run()


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


class _Scheduler:
    def __init__(self, tiles: list[Tile], config: Config, places: dict[tuple[str, int], Place]):
        self.tiles, self.config = tiles, config
        self.program = Program()
        self.scratchpad = _Scratchpad(places)
        self.stores = Stores(tiles)
        self.loads = plan_loads(tiles, self.stores, config)
        # The number (from 1) of the LOAD that brings a slab's chunk.
        self.load_of = {(load.slab, load.chunk.offset): n for n, load in enumerate(self.loads, 1)}
        self.loaded = 0  # loads in the program
        self.streamed = 0  # tiles whose weights are in the program
        self.drains_of_bank = [0, 0]  # that must be complete before the bank is filled again

    def run(self) -> Program:
        # The first input goes before the weights, whose stream would take half the port to fill its
        # FIFO.
        self._load()
        for number, tile in enumerate(self.tiles):
            bank = number % 2
            self._stream_weights(number)
            for position, step in enumerate(tile.steps):
                computes = self.program.counts[Engine.COMPUTE]
                while self.loaded < len(self.loads) and self._next.position <= computes:
                    self._load()
                self._compute(tile, step, position, bank)
            for output in tile.outputs:
                self._output(tile, output, bank)
            self.drains_of_bank[bank] = self.program.counts[Engine.DRAIN]
        assert self.loaded == len(self.loads)
        return self.program

    @property
    def _next(self) -> Load:
        return self.loads[self.loaded]

    def _load(self) -> None:
        load = self._next
        region = load.chunk.transfer.region
        fields = load.chunk.transfer.fields | {
            "buf": load.start,
            "wait_a": load.release,
            "wait_b": load.after_store,
        }
        fields |= self.scratchpad.read(Engine.LOAD, region, self.program)
        self._transfer(Engine.LOAD, region, fields, load.layer)
        self.loaded += 1

    def _stream_weights(self, number: int) -> None:
        """WEIGHTS wait for nothing: those of the tiles after ``number`` are prefetched as far as
        the queue reaches."""
        ahead = max(1, self.config.queue_depth - 2)
        waiting = sum(len(tile.weights) for tile in self.tiles[number : self.streamed])
        for position in range(self.streamed, min(number + ahead + 1, len(self.tiles))):
            tile = self.tiles[position]
            waiting += len(tile.weights)
            if position > number and waiting > ahead + 1:
                return
            self.streamed += 1
            for first, length in tile.weights:
                wait = int(self.program.counts[Engine.WEIGHTS] == 0)
                fields = {"addr": first, "length": length, "wait_a": wait}
                symbol = weights_symbol(tile.layer)
                self.program.add(Engine.WEIGHTS, fields, tile.layer, symbol)

    def _compute(self, tile: Tile, step: Step, position: int, bank: int) -> None:
        """Step number ``position`` of a tile."""
        first, last = position == 0, position == len(tile.steps) - 1
        offset = step.slab.chunks[step.last].offset
        load = self.load_of[step.slab, offset]
        base = self.loads[load - 1].start - offset  # the slab's first word
        fields = step.fields | {
            "base": step.fields["base"] + base * self.config.rows,
            "wait_a": load,
            "wait_b": self.drains_of_bank[bank] if first else 0,
            "bank": bank,
            "clear": first,
            "params": first and tile.params,
            "table": first and tile.table,
            "mark": last and tile.layer_end,
        }
        self.program.add(Engine.COMPUTE, fields, tile.layer)

    def _output(self, tile: Tile, output: Output, bank: int) -> None:
        """RESIDUAL, DRAIN and STORE of a tile whose last compute is the program's."""
        residual, store = output.residual, output.store
        if residual is not None:
            number, _ = self.stores.latest(residual.region)
            fields = residual.fields | {"wait_b": number}
            fields |= self.scratchpad.read(Engine.RESIDUAL, residual.region, self.program)
            self._transfer(Engine.RESIDUAL, residual.region, fields, tile.layer)
        computes = self.program.counts[Engine.COMPUTE]
        self.program.add(
            Engine.DRAIN, output.drain | {"bank": bank, "wait_a": computes}, tile.layer
        )
        if store is not None:
            fields = store.fields | self.scratchpad.written(store.region)
            self._transfer(Engine.STORE, store.region, fields, tile.layer)

    def _transfer(self, engine: Engine, region: Region, fields: dict[str, int], layer: int) -> None:
        self.program.add(engine, fields, layer, tensor_symbol(region.tensor, region.image))
