"""Choice of tiles: output rows and columns of one accumulator tile, and the channel blocks of its
input that are in the input buffer together.

Candidates are compared by estimated cycles (array, memory, drain), not by a rule. Every M-tile
streams its weights once, for all its output-channel tiles: weights are not kept on chip, so an
order with those outside would read the input several times and save nothing.
"""

from collections import Counter
from dataclasses import dataclass, replace

from resarray.spec import winograd
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import Engine, highest
from resarray.spec.layout import ceil_div

from . import rates
from .channels import channel_runs, tile_blocks
from .ir import AveragePool, Layer, MaxPool, Part
from .timing import MemoryTiming
from .windows import Window, balanced, column_parts, column_window, row_window

# Of a LOAD's rows and columns and of a COMPUTE's pixel loops; of its image loop.
MAX_EXTENT = highest(Engine.COMPUTE, "n_m1")
MAX_IMAGES = highest(Engine.COMPUTE, "n_m0")

# Cycles that a word of input is held to cost beside the time that its own layer waits for it: of
# near equals the tiling wins that reads its input less often, since the layers around need the
# port and the buffer too.
READ_COST = 1 / 16
# Cycles in which the pipe of accumulator tiles fills and empties.
TILE_COST = 32
# Numbers of column tiles that are compared: narrower tiles of Winograd's are taller, and their
# edges are read less often.
COLUMN_CHOICES = 4


@dataclass(frozen=True)
class Tiling:
    """``n_rows`` x ``n_cols`` balanced tiles of the output map, each of (up to) ``images`` images;
    the first ``resident`` channel blocks of a run's input stay in the buffer for all its
    output-channel tiles, the others are loaded again for each, ``k_blocks`` at a time; ``cycles``:
    estimate for the whole batch."""

    n_rows: int
    n_cols: int
    images: int
    resident: int
    k_blocks: int
    cycles: int


@dataclass(frozen=True)
class Producer:
    """End of the layer that makes a source: stored rows from ``last_row`` on come ``delay`` cycles
    after the array has finished it. The network's input is there from the start: nothing hides the
    first load."""

    last_row: int
    delay: int


@dataclass(frozen=True)
class _Run:
    """Sizes of a run of output-channel tiles (`channels.channel_runs`)."""

    tiles: int
    in_blocks: int
    out_blocks: int
    k_tiles: int


def producer(layer: Layer, tiling: Tiling, batch: int, config: Config) -> Producer | None:
    """What consumers of ``layer`` wait for; None where something else hides it: other
    output-channel tiles or images, whose sums they can begin with."""
    runs = channel_runs(layer, config)
    if tiling.images < batch or len(runs[-1]) > 1:
        return None
    first, _ = balanced(layer.shape[1], tiling.n_rows)[-1]
    delay = _last_drain(layer, tiling, config)
    if isinstance(layer.pool, MaxPool):
        first = layer.pool.done(0, first, layer.shape[1])
    first *= layer.upsample[0]
    return Producer(0 if len(runs) > 1 or tiling.n_cols > 1 else first, delay)


def _last_drain(layer: Layer, tiling: Tiling, config: Config) -> int:
    """Cycles that draining the last tile takes."""
    _, rows = balanced(layer.shape[1], tiling.n_rows)[-1]
    width = max(count for _, count in column_parts(layer, tiling.n_cols))
    blocks = channel_runs(layer, config)[-1][-1].n_outputs
    accumulators = rows * layer.accumulators(width) * tiling.images
    return layer.upsample[0] * rates.drain(accumulators, blocks, config)


def choose(
    layer: Layer,
    config: Config,
    batch: int = 1,
    timing: MemoryTiming | None = None,
    before: Producer | None = None,
    full_width: bool = False,
    on_chip: frozenset[str] = frozenset(),
    last: bool = False,
) -> Tiling:
    """The cheapest tiling for ``batch`` images; ``before`` is the source's producer, ``full_width``
    allows no split of the columns; ``on_chip``: tensors that are in the scratchpad; ``last``: no
    other layer hides the drain of the last tile.

    `ResarrayError` when not even one row or one pixel fits.
    """
    timing = timing or MemoryTiming()
    # Of equals the first is taken: the one that begins with the fewest channels of its input, or,
    # where words are dear, the one that reads the fewest.
    order = 1 if timing.bytes_per_cycle is None else -1
    _, height, width = layer.shape
    runs = _runs(layer, config)
    blocks = max(run.in_blocks for run in runs)
    best, tried = None, 0
    # The line buffer holds one part of the columns: a pool that other tiles' sums wait for would
    # need the parts of all.
    full_width |= isinstance(layer.pool, MaxPool) and not layer.depthwise
    column_choices = [1] if full_width else _column_choices(layer, config)
    for n_cols in column_choices:
        columns = column_parts(layer, n_cols)
        if not _fits_line_buffer(layer, columns, config):
            continue
        widest = layer.accumulators(max(count for _, count in columns))
        if widest > config.acc_depth:
            continue
        line = max(column_window(layer, f, c, config).lines for f, c in columns)
        most, repeats = min(batch, config.acc_depth // widest), layer.upsample[1] > 1
        for images in _image_choices(min(most, 1) if repeats else most, batch):
            limit = min(height, config.acc_depth // (widest * images))
            if repeats:  # rows take the loop of the images
                limit = min(limit, MAX_IMAGES)
            for n_rows in _row_choices(ceil_div(height, limit), height):
                if images > 1 and layer.pool is not None and n_rows * n_cols > 1:
                    continue  # the pool stage holds one image's unfinished windows
                rows = max(row_window(layer, f, c).lines for f, c in balanced(height, n_rows))
                if line > MAX_EXTENT or rows > MAX_EXTENT:
                    continue
                for choice in _block_choices(blocks, line * rows * images, config)[::order]:
                    tiling = Tiling(n_rows, n_cols, images, *choice, 0)
                    cycles = _estimate(layer, runs, config, tiling, batch, timing, on_chip)
                    cycles += _exposed(layer, config, tiling, before)
                    cycles += _last_drain(layer, tiling, config) if last else 0
                    if best is None or cycles < best.cycles:
                        best = replace(tiling, cycles=cycles)
        if best is not None:
            tried += 1
            if tried == (COLUMN_CHOICES if layer.winograd else 1):
                return best
    if best is not None:
        return best
    line = min(
        max(column_window(layer, f, c, config).lines for f, c in column_parts(layer, n))
        for n in column_choices
    )
    lines = row_window(layer, height // 2, 1).lines
    raise ResarrayError(
        f"layer '{layer.name}': one output row needs {lines} lines of {line} words in the input "
        f"buffer (of {config.input_words} words) and {width} pixels of accumulators (of "
        f"{config.acc_depth}); at most {MAX_EXTENT} lines of {MAX_EXTENT} words are allowed: use a "
        "configuration with larger buffers, or a smaller map or kernel"
    )


def full_width_fits(layer: Layer, config: Config) -> bool:
    """Whether whole rows of the output can be tiles."""
    try:
        choose(layer, config, full_width=True)
    except ResarrayError:
        return False
    return True


def _column_choices(layer: Layer, config: Config) -> list[int]:
    """Numbers of column tiles to try, fewest first."""
    if layer.winograd:
        return list(range(1, winograd.tiles(layer.shape[2]) + 1))
    if not isinstance(layer.pool, MaxPool):
        return list(range(1, layer.shape[2] // layer.upsample[1] + 1))
    limit = layer.pool.size[1]
    return list(range(ceil_div(limit * tile_blocks(layer, config), config.pool_words), limit + 1))


def _fits_line_buffer(layer: Layer, columns: list[Part], config: Config) -> bool:
    """Whether a max pool's windows in each part of the columns do: at an edge of the map a part
    can hold one more than its share."""
    pool, width = layer.pool, layer.shape[2]
    if not isinstance(pool, MaxPool) or not layer.depthwise:
        return True
    most = max(pool.windows_of(1, part, width)[1] for part in columns)
    return most * tile_blocks(layer, config) <= config.pool_words


def _image_choices(most: int, batch: int) -> list[int]:
    """Images per tile to try, fewest first: every balanced division of the batch."""
    sizes = range(1, min(most, MAX_IMAGES) + 1)
    return sorted({ceil_div(batch, ceil_div(batch, n)) for n in sizes})


def _row_choices(fewest: int, height: int) -> list[int]:
    """A few numbers of row tiles from the fewest on, and the most."""
    choices = {n for n in range(fewest, min(height, fewest + 8) + 1)}
    n = fewest
    while n < height:
        choices.add(n)
        n *= 2
    choices.add(height)
    # Equal tallest tiles: keep the fewest.
    return sorted({ceil_div(height, n): n for n in sorted(choices, reverse=True)}.values())


def _block_choices(blocks: int, block_words: int, config: Config) -> list[tuple[int, int]]:
    """(resident, k_blocks): all resident; none, and as many at a time as fit in half or in all of
    the buffer; or all but what two output-channel tiles' worth of blocks leave no room for.
    ``block_words``: words of one block, all images of a tile together."""
    choices = set()
    for room in (config.input_words // 2, config.input_words):
        fit = room // block_words
        if fit >= blocks:
            choices.add((blocks, blocks))
        elif fit > 0:
            choices.add((0, ceil_div(blocks, ceil_div(blocks, fit))))
    # Chunks of an output-channel tile of the producer, as loads are, or of half or a quarter of it.
    chunk = config.column_blocks
    while chunk and (blocks, blocks) not in choices:
        resident = (config.input_words // block_words - 2 * chunk) // chunk * chunk
        if resident > 0:
            choices.add((resident, chunk))
        chunk //= 2
    return sorted(choices)


def _runs(layer: Layer, config: Config) -> Counter[_Run]:
    """The layer's runs by their sizes, and how many there are of each."""
    return Counter(
        _Run(
            len(run),
            run[0].n_inputs,
            sum(tile.n_outputs for tile in run),
            layer.k_tiles(run[0].n_inputs, config),
        )
        for run in channel_runs(layer, config)
    )


def _estimate(
    layer: Layer,
    runs: Counter[_Run],
    config: Config,
    tiling: Tiling,
    batch: int,
    timing: MemoryTiming,
    on_chip: frozenset[str],
) -> int:
    """Cycles of the layer: per accumulator row of tiles, the slowest of array, memory and drain."""
    total = 0.0
    columns = column_parts(layer, tiling.n_cols)
    for images, n_groups in _sizes(batch, ceil_div(batch, tiling.images)):
        for first_row, count_rows in balanced(layer.shape[1], tiling.n_rows):
            rows = row_window(layer, first_row, count_rows)
            for first_col, count_cols in columns:
                cols = column_window(layer, first_col, count_cols, config)
                pixels = count_rows * count_cols
                accumulators = count_rows * layer.accumulators(count_cols)
                for run, count in runs.items():
                    cycles = _run_cycles(
                        layer,
                        run,
                        config,
                        tiling,
                        timing,
                        rows,
                        cols,
                        (pixels, accumulators),
                        images,
                        on_chip,
                    )
                    total += n_groups * count * cycles
    return round(total)


def _exposed(layer: Layer, config: Config, tiling: Tiling, before: Producer | None) -> int:
    """Cycles that the array waits for the first tile's input when it needs the producer's last
    rows."""
    if before is None:
        return 0
    rows = row_window(layer, *balanced(layer.shape[1], tiling.n_rows)[0])
    if rows.start + (rows.count - 1) * rows.step < before.last_row:
        return 0
    cols = column_window(layer, *column_parts(layer, tiling.n_cols)[0], config)
    return before.delay + rows.lines * cols.lines * tiling.images * min(
        tiling.resident or tiling.k_blocks, config.column_blocks
    )


def _sizes(size: int, parts: int) -> list[tuple[int, int]]:
    """(size, how many) of the ranges of `balanced`."""
    least, larger = divmod(size, parts)
    return [(n, count) for n, count in ((least, parts - larger), (least + 1, larger)) if count]


def _run_cycles(
    layer: Layer,
    run: _Run,
    config: Config,
    tiling: Tiling,
    timing: MemoryTiming,
    rows: Window,
    cols: Window,
    size: Part,
    images: int,
    on_chip: frozenset[str],
) -> float:
    """Cycles of so many (pixels, accumulators) of ``images`` images, all output-channel tiles of a
    run."""
    resident = min(tiling.resident, run.in_blocks)
    passes = resident + (run.in_blocks - resident) * run.tiles
    params = rates.parameters(config, layer.winograd)

    outputs, accumulators = (n * images for n in size)
    stream = rates.k_tile(accumulators, config, layer.winograd)
    shift = run.k_tiles * rates.weights(config, layer.winograd) + params
    array = run.tiles * max(run.k_tiles * stream, shift)
    drain = layer.upsample[0] * rates.drain(accumulators, run.out_blocks, config)
    # The buffer is written a word a cycle, padding included.
    filled = rows.lines * cols.lines * images * passes
    loaded = 0 if layer.source.tensor in on_chip else rows.count * cols.count * images * passes
    words = rates.weight_words(config, layer.winograd)
    reads = loaded + run.tiles * (params + run.k_tiles * words)
    writes = layer.upsample[0] * outputs * run.out_blocks
    if layer.residual is not None and layer.residual.view.tensor not in on_chip:
        reads += writes
    if isinstance(layer.pool, MaxPool):
        writes //= layer.pool.stride[0] * layer.pool.stride[1]
    elif isinstance(layer.pool, AveragePool):
        writes = 0
    load = max(filled, timing.cycles(loaded, 0, config))
    first_load = load * (resident or run.in_blocks) / passes
    cycles = max(array, drain, filled, timing.cycles(reads, writes, config))
    held = max(tiling.resident, tiling.k_blocks)
    if 2 * rows.lines * cols.lines * images * held > config.input_words:
        # No room for the next load until the last output-channel tile frees its input.
        # Fragments of the layer before make this worse than the sizes alone say: half of a load.
        waits = max(first_load / 2, first_load - array // run.tiles)
        cycles += waits if resident else load
    return cycles + TILE_COST * run.tiles + loaded * READ_COST
