"""Choice of tiles: output rows and columns of one accumulator tile, and the channel blocks of its
input that are in the input buffer together.

Candidates are compared by estimated cycles (array, memory, drain), not by a rule. Every M-tile
streams its weights once, for all its column tiles: weights are not kept on chip, so an order with
the column tiles outside would read the input several times and save nothing.
"""

import itertools
from dataclasses import dataclass, replace

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.layout import ceil_div

from .lowering import AveragePool, Layer, MaxPool
from .timing import MemoryTiming

MAX_EXTENT = 1023  # of a LOAD's rows and columns and of a COMPUTE's pixel loops
MAX_IMAGES = 31  # of a COMPUTE's image loop


# Cycles that a word of input is held to cost beside the time that its own layer waits for it.
READ_COST = 1 / 16


@dataclass(frozen=True)
class Window:
    """Input lines that a range of outputs reads along one axis.

    ``start`` and ``count``: data in the map; ``before`` and ``after``: padding lines; ``step``: map
    lines from one loaded line to the next; ``stride``: loaded lines from output to output;
    ``skip``: loaded lines before the first output's.
    """

    start: int
    count: int
    before: int
    after: int
    step: int
    stride: int
    skip: int = 0

    @property
    def lines(self) -> int:
        return self.before + self.count + self.after


def window(
    first: int, count: int, kernel: int, stride: int, before: int, size: int, sparse: bool = False
) -> Window:
    """What outputs [first, first + count) read; ``sparse`` loads only every ``stride``-th line
    (for a kernel of 1). At least one line of data is loaded, also where all is padding."""
    top = first * stride - before
    bottom = top + (count - 1) * stride + kernel - 1
    if sparse and kernel == 1 and stride > 1 and top >= 0 and bottom < size:
        return Window(top, count, 0, 0, stride, 1)
    skip = 0
    if top > size - 1:
        skip, top = top - (size - 1), size - 1
    bottom = max(bottom, 0)
    start, stop = max(top, 0), min(bottom, size - 1)
    return Window(start, stop - start + 1, start - top, bottom - stop, 1, stride, skip)


@dataclass(frozen=True)
class Tiling:
    """``n_rows`` x ``n_cols`` balanced tiles of the output map, each of (up to) ``images`` images;
    the first ``resident`` channel blocks of the input stay in the buffer for all column tiles, the
    others are loaded again for each, ``k_blocks`` at a time; ``cycles``: estimate for the whole
    batch."""

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


def producer(layer: Layer, tiling: Tiling, batch: int, config: Config) -> Producer | None:
    """What consumers of ``layer`` wait for; None where something else hides it: other column tiles
    or images, whose sums they can begin with."""
    if tiling.images < batch or (not layer.identity and layer.shape[0] > config.columns):
        return None
    first, _ = balanced(layer.shape[1], tiling.n_rows)[-1]
    delay = _drain_cycles(layer, tiling, config)
    if isinstance(layer.pool, MaxPool):
        first = layer.pool.rows_done(first, layer.shape[1])
    return Producer(0 if layer.identity or tiling.n_cols > 1 else first, delay)


def _drain_cycles(layer: Layer, tiling: Tiling, config: Config) -> int:
    """Cycles that draining the last tile takes."""
    _, rows = balanced(layer.shape[1], tiling.n_rows)[-1]
    width = max(count for _, count in column_tiles(layer, tiling.n_cols))
    blocks = ceil_div(layer.shape[0], config.rows)
    blocks = 1 if layer.identity else (blocks - 1) % config.column_blocks + 1
    return rows * width * tiling.images * blocks * config.block_groups


def balanced(size: int, parts: int) -> list[tuple[int, int]]:
    """(first, count) of ``parts`` ranges of [0, size) that differ by at most one."""
    edges = [size * i // parts for i in range(parts + 1)]
    return [(a, b - a) for a, b in itertools.pairwise(edges)]


def source_blocks(layer: Layer, config: Config) -> int:
    """Channel blocks of the source that one accumulator tile sums over."""
    return 1 if layer.packed or layer.identity else ceil_div(layer.in_shape[0], config.rows)


def row_window(layer: Layer, first: int, count: int) -> Window:
    """Input lines of output rows [first, first + count)."""
    size = layer.in_shape[1]
    if layer.packed:
        stride, kernel = layer.stride[0], layer.kernel[0]
        lines = (count - 1) * stride + kernel
        return Window(first * stride, lines, 0, 0, 1, stride)
    return window(first, count, layer.kernel[0], layer.stride[0], layer.padding[0], size, True)


def column_window(layer: Layer, first: int, count: int, config: Config) -> Window:
    """Input words per line of output columns [first, first + count). ``skip`` is in bytes for a
    packed source."""
    if layer.packed:
        channels, rows = layer.in_shape[0], config.rows
        vectors = ceil_div(layer.kernel[1] * channels, rows)
        begin = first * layer.stride[1] * channels
        end = begin + (count - 1) * layer.stride[1] * channels + vectors * rows
        start = begin // rows
        return Window(start, ceil_div(end, rows) - start, 0, 0, 1, 0, begin % rows)
    return window(
        first, count, layer.kernel[1], layer.stride[1], layer.padding[2], layer.in_shape[2]
    )


def pooled_columns(layer: Layer, n_cols: int) -> list[tuple[int, int, int, int]]:
    """(first, count, first pooled, pooled count) of the column tiles of a max pool's input: tiles
    overlap so that each holds whole windows."""
    pool, width = layer.pool, layer.shape[2]
    tiles = []
    for first, count in balanced(pool.width, n_cols):
        start = max(0, 2 * first - pool.padding)
        stop = min(width, 2 * (first + count - 1) - pool.padding + pool.kernel)
        tiles.append((start, stop - start, first, count))
    return tiles


def column_tiles(layer: Layer, n_cols: int) -> list[tuple[int, int]]:
    """(first, count) of the accumulator tiles along the columns."""
    if isinstance(layer.pool, MaxPool) and n_cols > 1:
        return [tile[:2] for tile in pooled_columns(layer, n_cols)]
    return balanced(layer.shape[2], n_cols)


def choose(
    layer: Layer,
    config: Config,
    batch: int = 1,
    timing: MemoryTiming | None = None,
    before: Producer | None = None,
    full_width: bool = False,
    kept: frozenset[str] = frozenset(),
    last: bool = False,
) -> Tiling:
    """The cheapest tiling for ``batch`` images; ``before`` is the source's producer, ``full_width``
    allows no split of the columns; ``kept``: tensors that are in the scratchpad; ``last``: no other
    layer hides the drain of the last tile.

    `ResarrayError` when not even one row or one pixel fits.
    """
    timing = timing or MemoryTiming()
    # Of equals the first is taken: the one that begins with the fewest channels of its input, or,
    # where words are dear, the one that reads the fewest.
    order = 1 if timing.bytes_per_cycle is None else -1
    _, height, width = layer.shape
    blocks = source_blocks(layer, config)
    best = None
    full_width |= isinstance(layer.pool, MaxPool) and not layer.identity
    column_choices = [1] if full_width else _column_choices(layer, config)
    for n_cols in column_choices:
        columns = column_tiles(layer, n_cols)
        widest = max(count for _, count in columns)
        line = max(column_window(layer, f, c, config).lines for f, c in columns)
        for images in _image_choices(min(batch, config.acc_depth // widest), batch):
            limit = min(height, config.acc_depth // (widest * images))
            for n_rows in _row_choices(ceil_div(height, limit), height):
                if images > 1 and layer.pool is not None and n_rows * n_cols > 1:
                    continue  # the pool stage holds one image's unfinished windows
                rows = max(row_window(layer, f, c).lines for f, c in balanced(height, n_rows))
                if line > MAX_EXTENT or rows > MAX_EXTENT:
                    continue
                for choice in _block_choices(blocks, line * rows * images, config)[::order]:
                    tiling = Tiling(n_rows, n_cols, images, *choice, 0)
                    cycles = estimate(layer, config, tiling, batch, timing, kept)
                    cycles += _exposed(layer, config, tiling, before)
                    cycles += _drain_cycles(layer, tiling, config) if last else 0
                    if best is None or cycles < best.cycles:
                        best = replace(tiling, cycles=cycles)
        if best is not None:
            return best
    line = min(
        max(column_window(layer, f, c, config).lines for f, c in column_tiles(layer, n))
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
    width = layer.shape[2]
    limit = width
    if isinstance(layer.pool, MaxPool):
        limit = layer.pool.width
        if layer.pool.width > config.pool_words:
            return list(range(ceil_div(limit, config.pool_words), limit + 1))
    return list(range(1, limit + 1))


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
    the buffer; or all but what two column tiles' worth of blocks leave no room for.
    ``block_words``: words of one block, all images of a tile together."""
    choices = set()
    for room in (config.input_words // 2, config.input_words):
        fit = room // block_words
        if fit >= blocks:
            choices.add((blocks, blocks))
        elif fit > 0:
            choices.add((0, ceil_div(blocks, ceil_div(blocks, fit))))
    # Chunks of a column tile of the producer, as loads are.
    chunk = config.column_blocks
    kept = (config.input_words // block_words - 2 * chunk) // chunk * chunk
    if kept > 0 and (blocks, blocks) not in choices:
        choices.add((kept, chunk))
    return sorted(choices)


def estimate(
    layer: Layer,
    config: Config,
    tiling: Tiling,
    batch: int,
    timing: MemoryTiming,
    kept: frozenset[str] = frozenset(),
) -> int:
    """Cycles of the layer: per accumulator row of tiles, the slowest of array, memory and drain."""
    total = 0.0
    columns = column_tiles(layer, tiling.n_cols)
    for images, n_groups in _sizes(batch, ceil_div(batch, tiling.images)):
        for first_row, count_rows in balanced(layer.shape[1], tiling.n_rows):
            rows = row_window(layer, first_row, count_rows)
            for first_col, count_cols in columns:
                cols = column_window(layer, first_col, count_cols, config)
                pixels = count_rows * count_cols
                cycles = _tile_cycles(
                    layer, config, tiling, timing, rows, cols, pixels, images, kept
                )
                total += n_groups * cycles
    return round(total)


def _exposed(layer: Layer, config: Config, tiling: Tiling, before: Producer | None) -> int:
    """Cycles that the array waits for the first tile's input when it needs the producer's last
    rows."""
    if before is None:
        return 0
    rows = row_window(layer, *balanced(layer.shape[1], tiling.n_rows)[0])
    if rows.start + (rows.count - 1) * rows.step < before.last_row:
        return 0
    cols = column_window(layer, *column_tiles(layer, tiling.n_cols)[0], config)
    return before.delay + rows.lines * cols.lines * tiling.images * min(
        tiling.resident or tiling.k_blocks, config.column_blocks
    )


def _sizes(size: int, parts: int) -> list[tuple[int, int]]:
    """(size, how many) of the ranges of `balanced`."""
    least, larger = divmod(size, parts)
    return [(n, count) for n, count in ((least, parts - larger), (least + 1, larger)) if count]


def _tile_cycles(
    layer: Layer,
    config: Config,
    tiling: Tiling,
    timing: MemoryTiming,
    rows: Window,
    cols: Window,
    pixels: int,
    images: int,
    kept: frozenset[str],
) -> float:
    """Cycles of ``pixels`` pixels of ``images`` images, all column tiles."""
    blocks = source_blocks(layer, config)
    repeats, out_blocks, n_tiles = 1, 1, 1
    if layer.identity:
        repeats = ceil_div(layer.in_shape[0], config.rows)
    else:
        out_blocks = ceil_div(layer.shape[0], config.rows)
        n_tiles = ceil_div(layer.shape[0], config.columns)
    k_tiles = layer.k_vectors(config)
    params = config.columns * config.param_words
    passes = tiling.resident + (blocks - tiling.resident) * n_tiles

    stream = max(pixels * images, config.columns)
    array = n_tiles * ((k_tiles - 1) * stream + max(stream, params + config.columns))
    drain = pixels * images * out_blocks * config.block_groups
    # The buffer is written a word a cycle, padding included.
    filled = rows.lines * cols.lines * images * passes
    loaded = 0 if layer.source in kept else rows.count * cols.count * images * passes
    reads = loaded + n_tiles * (params + k_tiles * config.columns)
    writes = pixels * images * out_blocks
    if layer.residual is not None and layer.residual not in kept:
        reads += writes
    if isinstance(layer.pool, MaxPool):
        writes //= 4
    elif isinstance(layer.pool, AveragePool):
        writes = 0
    load = max(filled, timing.cycles(loaded, 0, config.rows))
    first_load = load * (tiling.resident or blocks) / passes
    cycles = max(array, drain, filled, timing.cycles(reads, writes, config.rows))
    held = max(tiling.resident, tiling.k_blocks)
    if 2 * rows.lines * cols.lines * images * held > config.input_words:
        # No room for the next load until the last column tile frees its input.
        # Fragments of the layer before make this worse than the sizes alone say: half of a load.
        waits = max(first_load / 2, first_load - array // n_tiles)
        cycles += waits if tiling.resident else load
    # Filling and emptying the pipe of accumulator tiles; and of near equals the one that reads its
    # input less often, since the layers around need the port and the buffer too.
    return repeats * cycles + 32 * n_tiles + loaded * READ_COST
