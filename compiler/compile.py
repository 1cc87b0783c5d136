"""`compile_graph`: from the integer graph to a memory image."""

import dataclasses
from collections.abc import Callable

import numpy as np

from resarray.golden.graph import QGraph, digest
from resarray.golden.ops import QConstant
from resarray.spec import image, layout
from resarray.spec.config import LIMITS, Config
from resarray.spec.errors import ResarrayError
from resarray.spec.image import DIRECT, WINOGRAD
from resarray.spec.isa import ADDR_BITS, INSTRUCTION_BYTES, WAIT_BITS, Engine

from .allocate import Memory, Place, place_maps
from .checks import check_graph
from .cost import predict
from .ir import Layer
from .liveness import require_ending
from .lowering import Placed, lower
from .passes import fuse_pools, fuse_tables, pack_input
from .placement import place
from .program import Program, tensor_symbol, weights_symbol
from .schedule import schedule
from .tiles import Tile, build_tiles
from .tiling import Producer, Tiling, choose, producer
from .timing import MemoryTiming
from .weights import WeightStream, pack_weights
from .winograd import has_tiles, refusal

# Instructions; longer programs get the tiling's estimate instead of the simulated prediction.
MAX_SIMULATED = 40_000
# Layers times instructions of a program that is short enough to try its layers' tilings in it; how
# many row tiles more are tried; the part of all cycles that is worth reading weights again; and the
# cycles that all tiles together must gain, since the prediction misses some. In longer programs the
# layers' ends are a small part.
MAX_REFINED = 25_000
MORE_ROWS = 4
MIN_GAIN = 1 / 500
MIN_GAINED = 200
# Why a layer that could be computed by tiles is not.
FASTER = "fewer cycles"
TOO_LONG = "no room for a row of tiles"


def compile_graph(
    graph: QGraph,
    config: Config,
    *,
    batch: int = 1,
    fuse_pool: bool = True,
    bytes_per_cycle: float | None = None,
    latency: int = 32,
    memory_bytes: int | None = None,
    winograd: bool = True,
) -> image.Image:
    """Compile ``graph`` for ``config``.

    Parameters
    ----------
    batch:            images per run; where several fit one accumulator tile they share its weights
    fuse_pool:        let convolutions pool while they drain, where whole rows fit
    bytes_per_cycle:  memory bandwidth that tiles are chosen and cycles predicted for, reads and
                      writes together; None: one word of each per cycle
    latency:          memory latency in cycles, likewise
    memory_bytes:     bytes of memory that there are; None: as many as addresses reach
    winograd:         let kernels three wide be computed by Winograd's tiles, where that is exact,
                      faster, and the configuration has them

    `ResarrayError` for an operator, size or value that the accelerator cannot run, and for a batch
    that does not fit memory or the instruction counters.
    """
    timing = MemoryTiming(latency, bytes_per_cycle)
    check_graph(graph)
    placed = Placed(*place(graph, config))
    layers = pack_input(fuse_tables(lower(placed), graph), graph, config)
    if fuse_pool:
        layers = fuse_pools(layers, graph, config)
    image = compile_layers(layers, placed.graph, config, timing, batch, memory_bytes, winograd)
    image.manifest["digest"] = digest(graph)
    return image


def compile_layers(
    layers: list[Layer],
    graph: QGraph,
    config: Config,
    timing: MemoryTiming | None = None,
    batch: int = 1,
    memory_bytes: int | None = None,
    winograd: bool = True,
) -> image.Image:
    """The image of ``layers``, whose tensors are those of ``graph``: tiled, scheduled, proved to
    end, and laid out. `ResarrayError` as `compile_graph`."""
    timing = timing or MemoryTiming()
    if batch < 1:
        raise ResarrayError(f"a batch of {batch} images is not possible: choose 1 or more")
    if len(layers) > config.profile_marks:
        raise ResarrayError(
            f"network '{graph.name}' has {len(layers)} layers, configuration '{config.name}' "
            f"profiles {config.profile_marks}: use a larger profile_marks (at most "
            f"{LIMITS['profile_marks'].highest}) or a smaller network"
        )
    layouts = _layouts(graph, layers, config)
    room = _memory_limit(config, memory_bytes)
    _check_memory(batch * sum(stored.size for stored in layouts.values()), batch, room)
    _check_count(batch * len(layers), batch)  # a DRAIN per image and layer: known at once
    words = {name: stored.size // config.rows for name, stored in layouts.items()}
    places = place_maps(layers, words, batch, config.scratch_words)
    # The tiles of a tensor are chosen as for all its images.
    on_chip = frozenset(n for n in layouts if all((n, i) in places for i in range(batch)))

    def scheduled(tiled: list[bool]) -> _Scheduled:
        chosen = _choose(layers, on_chip, timing, batch, graph, config, tiled)
        if not winograd:
            chosen = [dataclasses.replace(choice, method=DIRECT) for choice in chosen]
        return rescheduled(chosen, [pack_weights(choice.layer, config) for choice in chosen])

    def rescheduled(chosen: list[_Choice], streams: list[WeightStream]) -> _Scheduled:
        return _schedule(chosen, streams, places, layouts, timing, batch, config)

    found = scheduled([winograd] * len(layers))
    if any(choice.layer.winograd for choice in found.chosen) and found.predicted:
        # The estimates that tilings are chosen by see each layer alone.
        direct = scheduled([False] * len(layers))
        mixed = [a < b for a, b in zip(found.cycles, direct.cycles, strict=True)]
        candidates = [direct]
        if direct.predicted and not all(mixed):
            candidates.append(scheduled(mixed))
        best = min(candidates, key=lambda candidate: sum(candidate.cycles))
        if not pays(sum(found.cycles), sum(best.cycles)):
            found = best
    found = _refined(found, rescheduled)
    require_ending(found.program.instructions, config)
    return _image(graph, found, layouts, batch, room, config)


def pays(tiled: int, direct: int) -> bool:
    """Whether Winograd's tiles do, by the cycles with and without."""
    return tiled < direct


@dataclasses.dataclass(frozen=True)
class _Choice:
    """A layer with its tiling; ``method``: how its sums are made, in words."""

    layer: Layer
    tiling: Tiling
    method: str


@dataclasses.dataclass(frozen=True)
class _Scheduled:
    """A program; ``cycles`` of each layer are ``predicted`` by simulation, or estimated."""

    chosen: list[_Choice]
    streams: list[WeightStream]
    program: Program
    cycles: list[int]
    predicted: bool


def _schedule(
    chosen: list[_Choice],
    streams: list[WeightStream],
    places: dict[tuple[str, int], Place],
    layouts: dict[str, layout.Layout],
    timing: MemoryTiming,
    batch: int,
    config: Config,
) -> _Scheduled:
    program = schedule(_tile(chosen, streams, layouts, batch, config), config, places)
    _check_count(len(program.instructions), batch)
    predicted = len(program.instructions) <= MAX_SIMULATED
    cycles = [choice.tiling.cycles for choice in chosen]
    if predicted:
        cycles = predict(program.instructions, config, timing).layer_cycles
    return _Scheduled(chosen, streams, program, cycles, predicted)


def _refined(
    found: _Scheduled, rescheduled: Callable[[list[_Choice], list[WeightStream]], _Scheduled]
) -> _Scheduled:
    """A short program with those row tiles of its layers that make the whole of it shorter: small
    ones cost the array cycles, but the next layer waits less for what the last one drains."""
    before = found
    limit = MAX_REFINED // len(found.chosen)
    if len(found.program.instructions) > limit:
        return found
    for index, choice in enumerate(found.chosen):
        tiling = choice.tiling
        if tiling.images > 1:
            continue  # a tile of several images may not have all combinations
        count = len(found.program.instructions)
        own = sum(instruction.layer == index for instruction in found.program.instructions)
        most = min(choice.layer.shape[1], tiling.n_rows + MORE_ROWS)
        for n_rows in range(tiling.n_rows + 1, most + 1):
            # Nor may what is tried be longer: only up to `MAX_SIMULATED` its cycles are predicted.
            if count + own * (n_rows - tiling.n_rows) // tiling.n_rows > limit:
                break
            chosen = list(found.chosen)
            smaller = dataclasses.replace(tiling, n_rows=n_rows)
            chosen[index] = dataclasses.replace(choice, tiling=smaller)
            other = rescheduled(chosen, found.streams)
            if sum(other.cycles) < (1 - MIN_GAIN) * sum(found.cycles):
                found = other
    return found if sum(before.cycles) - sum(found.cycles) >= MIN_GAINED else before


def _choose(
    layers: list[Layer],
    on_chip: frozenset[str],
    timing: MemoryTiming,
    batch: int,
    graph: QGraph,
    config: Config,
    tiled: list[bool],
) -> list[_Choice]:
    """Every layer's tiling, by Winograd's tiles where it may be ``tiled`` and is cheaper so."""
    chosen: list[_Choice] = []
    producers: dict[str, Producer | None] = {graph.input: Producer(0, 0)}
    for index, layer in enumerate(layers):
        before = producers.get(layer.source.tensor)
        last = index == len(layers) - 1
        tiling = choose(layer, config, batch, timing, before, on_chip=on_chip, last=last)
        method = DIRECT
        if config.winograd and has_tiles(layer):
            reason = refusal(layer) or FASTER
            if tiled[index] and reason == FASTER:
                other = dataclasses.replace(layer, winograd=True)
                try:
                    others = choose(other, config, batch, timing, before, False, on_chip, last)
                except ResarrayError:
                    reason = TOO_LONG
                else:
                    if pays(others.cycles, tiling.cycles):
                        layer, tiling = other, others
            method = WINOGRAD if layer.winograd else f"{DIRECT}: {reason}"
        producers[layer.output.tensor] = producer(layer, tiling, batch, config)
        chosen.append(_Choice(layer, tiling, method))
    return chosen


def _tile(
    chosen: list[_Choice],
    streams: list[WeightStream],
    layouts: dict[str, layout.Layout],
    batch: int,
    config: Config,
) -> list[Tile]:
    """All layers' tiles."""
    tiles: list[Tile] = []
    for index, (choice, stream) in enumerate(zip(chosen, streams, strict=True)):
        layer, tiling = choice.layer, choice.tiling
        # At least a DRAIN per image and a COMPUTE per tile, before there are too many to build.
        fewest = tiling.n_rows * tiling.n_cols * len(stream.tiles)
        _check_count(fewest * (batch + batch // tiling.images), batch)
        source = layouts[layer.source.tensor]
        tiles += build_tiles(index, layer, tiling, stream, source, batch, config)
        _check_count(sum(len(t.steps) + len(t.outputs) for t in tiles), batch)
    return tiles


def _image(
    graph: QGraph,
    found: _Scheduled,
    layouts: dict[str, layout.Layout],
    batch: int,
    room: int,
    config: Config,
) -> image.Image:
    """Program, weights and tensors in memory, and the manifest."""
    layers, program, streams = [c.layer for c in found.chosen], found.program, found.streams
    memory = Memory()
    count = len(program.instructions)
    memory.add("program", count * INSTRUCTION_BYTES)
    for index, stream in enumerate(streams):
        memory.add(weights_symbol(index), len(stream.data))
    constants = _constants(graph)
    for name in constants:
        address = memory.add(tensor_symbol(name, 0), layouts[name].size)
        memory.addresses |= {tensor_symbol(name, number): address for number in range(batch)}
    payload = bytearray(memory.end)
    for number in range(batch):
        memory.add(tensor_symbol(graph.input, number), layouts[graph.input].size)
    write_base = memory.align()
    for name in dict.fromkeys(layer.output.tensor for layer in layers):
        for number in range(batch):
            memory.add(tensor_symbol(name, number), layouts[name].size)
    mem_size = memory.align()
    _check_memory(mem_size, batch, room)

    code = program.encode({s: a // config.rows for s, a in memory.addresses.items()})
    payload[: len(code)] = code
    for index, stream in enumerate(streams):
        address = memory.addresses[weights_symbol(index)]
        payload[address : address + len(stream.data)] = stream.data
    for name, value in constants.items():
        address, data = memory.addresses[tensor_symbol(name, 0)], layouts[name].pack(value)
        payload[address : address + layouts[name].size] = data.tobytes()

    def stored(name: str, number: int, addr: int, spec: layout.Layout) -> dict:
        tensor = graph.tensors[name]
        return {
            "image": number,
            "addr": addr,
            "layout": layout.to_dict(spec),
            "scale": float(tensor.scale),
            "zero_point": int(tensor.zero_point),
        }

    def written(layer: Layer, number: int) -> dict:
        view = layer.output
        spec = layout.Blocked(*view.shape, config.rows)
        _, height, width = view.shape
        addr = memory.addresses[tensor_symbol(view.tensor, number)]
        addr += view.first * height * width * config.rows
        return {"name": view.name, "layer": layer.name} | stored(view.name, number, addr, spec)

    manifest = {
        "model": graph.name,
        "digest": digest(graph),
        "config": dataclasses.asdict(config),
        "batch": batch,
        "program": {"addr": 0, "count": count},
        "mem_size": mem_size,
        "write_base": write_base,
        "inputs": [
            stored(
                graph.input,
                number,
                memory.addresses[tensor_symbol(graph.input, number)],
                layouts[graph.input],
            )
            for number in range(batch)
        ],
        "outputs": list(graph.outputs),
        "tensors": [written(layer, number) for layer in layers for number in range(batch)],
        "layers": _describe_layers(found, config, batch),
    }
    return image.Image(config.hash, manifest, bytes(payload))


def _constants(graph: QGraph) -> dict[str, np.ndarray]:
    """Constant maps, int8 [C][H][W] by tensor."""
    return {op.output: op.value for op in graph.ops if isinstance(op, QConstant)}


def _memory_limit(config: Config, memory_bytes: int | None) -> int:
    """Bytes that may be used: what there is, what MEM_SIZE can say and what addresses reach."""
    reachable = min(config.rows << ADDR_BITS, (1 << 32) - layout.ALIGNMENT)
    return reachable if memory_bytes is None else min(memory_bytes, reachable)


def _check_memory(size: int, batch: int, room: int) -> None:
    if size > room:
        raise ResarrayError(
            f"a batch of {batch} needs at least {size} bytes of memory, {room} are there: use a "
            "smaller batch, a smaller input or a larger memory"
        )


def _check_count(count: int, batch: int) -> None:
    if count >> WAIT_BITS:
        raise ResarrayError(
            f"a batch of {batch} needs at least {count} instructions, at most "
            f"{(1 << WAIT_BITS) - 1} can be counted: use a smaller batch or a smaller input"
        )


def _layouts(graph: QGraph, layers: list[Layer], config: Config) -> dict[str, layout.Layout]:
    """Layout of the input and of every stored tensor, in the order in which they are made."""
    names = [graph.input, *_constants(graph), *(layer.output.tensor for layer in layers)]
    layouts: dict[str, layout.Layout] = {
        name: layout.Blocked(*graph.tensors[name].shape, config.rows) for name in names
    }
    for layer in layers:
        if layer.packed:
            layouts[graph.input] = _packed_layout(layer, config)
    return layouts


def _packed_layout(layer: Layer, config: Config) -> layout.Packed:
    """Packed input with enough padding on the right that no read leaves its line."""
    channels, height, width = layer.source.shape
    top, bottom, left, _ = layer.padding
    vectors = layout.ceil_div(layer.kernel[1] * channels, config.rows)
    last = (layer.shape[2] - 1) * layer.stride[1] * channels + vectors * config.rows
    right = max(0, layout.ceil_div(last, channels) - left - width)
    # Lines that no window reaches (a stride that does not divide the map) stay part of the image.
    return layout.Packed(
        channels, height, width, config.rows, top, bottom, left, right, layer.pad_value
    )


def _describe_layers(found: _Scheduled, config: Config, batch: int) -> list[dict]:
    layers = [choice.layer for choice in found.chosen]
    read, written = [0] * len(layers), [0] * len(layers)
    for instruction in found.program.instructions:
        if instruction.kept:
            continue
        moved = written if instruction.engine == Engine.STORE else read
        moved[instruction.layer] += instruction.words * config.rows
    return [
        {
            "name": layer.name,
            "op": layer.op,
            "shape": list(layer.output.shape),
            "macs": batch * int(layer.macs),
            "bytes_read": read[index],
            "bytes_written": written[index],
            "predicted_cycles": found.cycles[index],
            "tensor": layer.output.name,
            "method": found.chosen[index].method,
        }
        for index, layer in enumerate(layers)
    ]
