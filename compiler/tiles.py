"""The work of a layer as a list of accumulator tiles, in execution order.

A `Tile` is one filling and draining of an accumulator bank: the compute steps that sum it up, the
input slabs that they read, and its residual, drain and store. Addresses are still relative: words
from the start of a tensor, words from the start of a slab, words of a layer's weight stream.
"""

from dataclasses import dataclass

from resarray.spec.config import Config
from resarray.spec.isa import LAYOUTS, Engine, Pool
from resarray.spec.layout import Layout, ceil_div

from .lowering import AveragePool, Layer, MaxPool
from .tiling import (
    Tiling,
    Window,
    balanced,
    column_tiles,
    column_window,
    row_window,
    source_blocks,
)
from .weights import WeightStream

FIRST_CHUNK = 256  # words of a LOAD that the first compute waits for
_FIELDS = {(engine, f.name): f for engine, layout in LAYOUTS.items() for f in layout}
MAX_RUN = _FIELDS[Engine.LOAD, "run_len"].range[1]  # words of a contiguous run
MAX_K_BLOCKS = _FIELDS[Engine.COMPUTE, "n_k0"].range[1]  # channel blocks of one COMPUTE
MAX_STREAM = _FIELDS[Engine.WEIGHTS, "length"].range[1]  # words of one WEIGHTS

Range = tuple[int, int]  # [start, stop)


@dataclass(frozen=True)
class Region:
    """A box of one image's tensor, ranges in channel blocks, rows and columns."""

    tensor: str
    image: int
    blocks: Range
    rows: Range
    cols: Range


@dataclass(frozen=True)
class Transfer:
    """An instruction's memory pattern in ``region``; its ``addr`` is relative to the tensor."""

    region: Region
    fields: dict[str, int]


@dataclass(frozen=True)
class Chunk:
    """One LOAD: ``words`` words of the buffer from ``offset`` words into its slab, ``n_blocks``
    channel blocks."""

    transfer: Transfer
    offset: int
    words: int
    n_blocks: int


@dataclass(frozen=True, eq=False)
class Slab:
    """A contiguous part of the input buffer, filled by several chunks: image after image, channel
    block after channel block. ``chunks`` are in order of use: channels first, then images."""

    chunks: list[Chunk]
    images: int

    @property
    def words(self) -> int:
        return self.chunks[-1].offset + self.chunks[-1].words


@dataclass(frozen=True)
class Step:
    """One COMPUTE over chunks [first, last] of a slab; ``fields["base"]`` is relative to it."""

    slab: Slab
    first: int
    last: int
    fields: dict[str, int]


@dataclass(frozen=True)
class Output:
    """Draining of one image's pixels: DRAIN fields, and what it takes and gives."""

    drain: dict[str, int]
    store: Transfer | None
    residual: Transfer | None


@dataclass
class Tile:
    """One filling and draining of an accumulator bank. ``weights``: (first word, words) of the
    layer's stream that begin to be read here, or None. ``params``: the stream's next words are
    channel parameters."""

    layer: int
    steps: list[Step]
    outputs: list[Output]
    weights: Range | None
    params: bool = True
    layer_end: bool = False


def build_tiles(
    index: int,
    layer: Layer,
    tiling: Tiling,
    stream: WeightStream,
    source: Layout,
    output: Layout,
    batch: int,
    config: Config,
) -> list[Tile]:
    """Tiles of layer number ``index``; ``source`` and ``output`` are its tensors' layouts."""
    build = _identity_tiles if layer.identity else _conv_tiles
    tiles = []
    for images in balanced(batch, ceil_div(batch, tiling.images)):
        tiles += build(index, layer, tiling, stream, source, output, images, config)
    tiles[-1].layer_end = True
    return tiles


def _conv_tiles(index, layer, tiling, stream, source, output, images, config) -> list[Tile]:
    blocks = source_blocks(layer, config)
    kept = tiling.resident
    out_blocks = ceil_div(layer.shape[0], config.rows)
    n_tiles = ceil_div(layer.shape[0], config.columns)
    resident = [(0, kept)] if kept else []
    parts = ceil_div(blocks - kept, tiling.k_blocks)
    streamed = [
        (kept + first, count) for first, count in (balanced(blocks - kept, parts) if parts else [])
    ]
    # Column tiles whose weights one WEIGHTS brings.
    per_stream = max(1, min(n_tiles, MAX_STREAM // stream.tile_words))
    tiles = []
    for rows in balanced(layer.shape[1], tiling.n_rows):
        for cols in column_tiles(layer, tiling.n_cols):
            windows = row_window(layer, *rows), column_window(layer, *cols, config)

            def slabs(ranges, windows=windows):
                return [(_slab(layer, *windows, r, source, images, config), r[1]) for r in ranges]

            shared = slabs(resident)
            for tile in range(n_tiles):
                # Middle column tiles need no split: their input is there and stays there.
                middle = 0 < tile < n_tiles - 1
                extent = rows[1], cols[1]
                steps = []
                for slab, count in shared + slabs(streamed):
                    whole = middle and count <= MAX_K_BLOCKS and slab in [s for s, _ in shared]
                    steps += _steps(layer, slab, *windows, extent, count, whole, config)
                weights = None
                if tile % per_stream == 0:
                    words = min(per_stream, n_tiles - tile) * stream.tile_words
                    weights = tile * stream.tile_words, words
                first = tile * config.column_blocks
                stop = min(first + config.column_blocks, out_blocks)
                tiles.append(
                    Tile(
                        index,
                        steps,
                        _outputs(layer, images, rows, cols, (first, stop), first, output),
                        weights,
                    )
                )
    return tiles


def _identity_tiles(index, layer, tiling, stream, source, output, images, config) -> list[Tile]:
    tiles = []
    for block in range(ceil_div(layer.in_shape[0], config.rows)):
        for cols in column_tiles(layer, tiling.n_cols):
            for rows in balanced(layer.shape[1], tiling.n_rows):
                windows = row_window(layer, *rows), column_window(layer, *cols, config)
                slab = _slab(layer, *windows, (block, 1), source, images, config)
                # All blocks share the parameters: only the first use of each bank brings them.
                skip = 0 if len(tiles) < 2 else stream.param_words
                blocks = (block, block + 1)
                tiles.append(
                    Tile(
                        index,
                        _steps(layer, slab, *windows, (rows[1], cols[1]), 1, True, config),
                        _outputs(layer, images, rows, cols, blocks, 0, output),
                        (0, stream.tile_words - skip),
                        params=skip == 0,
                    )
                )
    return tiles


def _slab(
    layer: Layer,
    rows: Window,
    cols: Window,
    blocks: Range,
    source: Layout,
    images: Range,
    config: Config,
) -> Slab:
    """Slab of channel blocks and images (first, count), in chunks of one image and one column tile
    of their producer; of the network's input, which is there from the start, in smaller ones."""
    block_words = rows.lines * cols.lines
    first, count = blocks
    per_chunk = config.column_blocks
    if layer.first:
        per_chunk = min(per_chunk, ceil_div(FIRST_CHUNK, block_words))
    chunks = []
    for done in range(0, count, per_chunk):
        n = min(per_chunk, count - done)
        for image in range(images[1]):
            transfer = _transfer(
                (layer.source, images[0] + image),
                _extent(source),
                (first + done, first + done + n),
                (rows.start, rows.count, rows.step),
                (cols.start, cols.count),
            )
            transfer.fields.update(
                rows=rows.count,
                cols=cols.count,
                top=rows.before,
                bottom=rows.after,
                left=cols.before,
                right=cols.after,
                pad_value=layer.zp_in,
            )
            offset = (image * count + done) * block_words
            chunks.append(Chunk(transfer, offset, n * block_words, n))
    return Slab(chunks, images[1])


def _extent(source: Layout) -> Range:
    """Lines and words per line of a block in memory."""
    if source.kind == "packed":
        return source.lines, source.pitch // source.rows
    return source.height, source.width


def _transfer(
    tensor: tuple[str, int], size: Range, blocks: Range, rows: tuple[int, int, int], cols: Range
) -> Transfer:
    """The pattern of rows (first, count, step) and columns (first, count) of a range of blocks of
    a tensor (name, image) whose blocks are ``size``."""
    height, width = size
    first, count, step = rows
    n_blocks = blocks[1] - blocks[0]
    fields = {
        "addr": (blocks[0] * height + first) * width + cols[0],
        "n_blocks": n_blocks,
        "block_stride": height * width if n_blocks > 1 else 0,
    }
    if cols[1] == width and (step == 1 or count == 1) and count * width <= MAX_RUN:
        fields |= {"n_runs": 1, "run_stride": 0, "run_len": count * width}
    else:
        fields |= {"n_runs": count, "run_stride": step * width, "run_len": cols[1]}
    stop = first + (count - 1) * step + 1
    region = Region(*tensor, blocks, (first, stop), (cols[0], cols[0] + cols[1]))
    return Transfer(region, fields)


def _steps(
    layer: Layer,
    slab: Slab,
    rows: Window,
    cols: Window,
    extent: Range,
    n_blocks: int,
    whole: bool,
    config: Config,
) -> list[Step]:
    """COMPUTEs of ``extent`` (rows, columns) outputs over a slab, one over all or one per chunk."""
    line = cols.lines * config.rows  # bytes
    block = rows.lines * line
    kernel_rows, kernel_cols = layer.kernel
    if layer.packed:
        n_k2 = ceil_div(kernel_cols * layer.in_shape[0], config.rows)
        skip, pixel = cols.skip, layer.stride[1] * layer.in_shape[0]
    else:
        n_k2 = kernel_cols
        skip, pixel = cols.skip * config.rows, cols.stride * config.rows
    loops = {
        "n_k0": (n_blocks, block),
        "n_k1": (kernel_rows, line),
        "n_k2": (n_k2, config.rows),
        "n_m0": (slab.images, n_blocks * block),
        "n_m1": (extent[0], rows.stride * line),
        "n_m2": (extent[1], pixel),
    }
    if whole:
        parts = [(0, len(slab.chunks) - 1, n_blocks)]
    else:
        parts = [
            (i, i + slab.images - 1, slab.chunks[i].n_blocks)
            for i in range(0, len(slab.chunks), slab.images)
        ]
    steps = []
    for first, last, count in parts:
        fields = {"base": slab.chunks[first].offset * config.rows + rows.skip * line + skip}
        for name, (n, stride) in (loops | {"n_k0": (count, block)}).items():
            fields |= {name: n, f"s{name[1:]}": stride if n > 1 else 0}
        fields["k_tiles"] = fields["n_k0"] * fields["n_k1"] * fields["n_k2"]
        steps.append(Step(slab, first, last, fields))
    return steps


def _outputs(
    layer: Layer,
    images: Range,
    rows: Range,
    cols: Range,
    blocks: Range,
    line_block: int,
    output: Layout,
) -> list[Output]:
    """Outputs of images, rows and columns (first, count) and a range of channel blocks, of which
    the first is number ``line_block`` in the line buffer."""
    outputs = []
    for i in range(images[1]):
        image = images[0] + i
        drain = _drain(layer, rows, cols, blocks[1] - blocks[0], line_block)
        outputs.append(
            Output(
                drain | {"px_base": i * rows[1] * cols[1]},
                _store(layer, image, rows, cols, blocks, output),
                _residual(layer, image, rows, cols, blocks),
            )
        )
    return outputs


def _drain(layer: Layer, rows: Range, cols: Range, n_blocks: int, first_block: int) -> dict:
    """DRAIN fields of rows and columns (first, count) of the first image, but for the bank and the
    waits."""
    fields = {
        "px_count": rows[1] * cols[1],
        "n_blocks": n_blocks,
        "zp_out": layer.zp_out,
        "lo": layer.lo,
        "hi": layer.hi,
        "width": cols[1],
    }
    if layer.residual is not None:
        fields |= {
            "res_en": 1,
            "res_zp": layer.res_zp,
            "res_mult": layer.res_mult,
            "res_shift": layer.res_shift,
        }
    if isinstance(layer.pool, MaxPool):
        fields |= _drain_max(layer, rows, cols, first_block)
    elif isinstance(layer.pool, AveragePool):
        _, height, width = layer.shape
        fields |= {
            "pool": Pool.AVERAGE,
            "avg_first": rows[0] == 0 and cols[0] == 0,
            "avg_last": rows[0] + rows[1] == height and cols[0] + cols[1] == width,
            "avg_bias": layer.pool.bias,
            "avg_mult": layer.pool.mult,
            "avg_shift": layer.pool.shift,
            "avg_zp": layer.pool.zero_point,
        }
    return fields


def _drain_max(layer: Layer, rows: Range, cols: Range, first_block: int) -> dict:
    pool, (_, height, width) = layer.pool, layer.shape
    left = pool.padding if cols[0] == 0 else 0
    _, pooled = _pooled_columns(layer, cols)
    last_row = rows[0] + rows[1] == height
    last_col = cols[0] + cols[1] == width

    def unfinished(size: int, padding: int, windows: int) -> bool:
        return (size + padding - pool.kernel) // 2 + 1 < windows

    return {
        "pool": Pool.MAX,
        "pool_k": pool.kernel,
        "pool_pad": left,
        "pool_first": rows[0] == 0,
        "pool_odd": (rows[0] + pool.padding) & 1,
        "pool_flush_x": last_col and unfinished(cols[1], left, pooled),
        "pool_flush_y": last_row and unfinished(height, pool.padding, pool.height),
        "pool_width": pooled,
        "line": first_block * pooled,
    }


def _pooled_columns(layer: Layer, cols: Range) -> Range:
    """(first, count) pooled columns that a max pool gives for input columns (first, count)."""
    pool = layer.pool
    if cols[1] == layer.shape[2]:
        return 0, pool.width
    first = ceil_div(cols[0] + (pool.padding if cols[0] else 0), 2)
    left = pool.padding if cols[0] == 0 else 0
    count = (cols[1] + left - pool.kernel) // 2 + 1
    if cols[0] + cols[1] == layer.shape[2]:
        count = pool.width - first
    return first, count


def _store(layer: Layer, image: int, rows: Range, cols: Range, blocks: Range, output: Layout):
    """STORE of what the drain gives, or None when it gives nothing."""
    tensor = layer.output, image
    size = output.height, output.width
    if isinstance(layer.pool, MaxPool):
        height = layer.shape[1]
        first = layer.pool.rows_done(rows[0], height)
        count = layer.pool.rows_done(rows[0] + rows[1], height) - first
        if count == 0:
            return None
        pooled = _pooled_columns(layer, cols)
        return _transfer(tensor, size, blocks, (first, count, 1), pooled)
    if isinstance(layer.pool, AveragePool):
        last = rows[0] + rows[1] == layer.shape[1] and cols[0] + cols[1] == layer.shape[2]
        return _transfer(tensor, size, blocks, (0, 1, 1), (0, 1)) if last else None
    return _transfer(tensor, size, blocks, (*rows, 1), cols)


def _residual(layer: Layer, image: int, rows: Range, cols: Range, blocks: Range):
    if layer.residual is None:
        return None
    return _transfer((layer.residual, image), layer.shape[1:], blocks, (*rows, 1), cols)
