"""Input slabs: what of a layer's source is in the input buffer together, and the LOADs that bring
it."""

from dataclasses import dataclass

from resarray.spec.config import Config
from resarray.spec.layout import Layout, ceil_div

from .ir import Layer, Part, Range
from .transfers import Transfer, extent, transfer
from .windows import Window

FIRST_CHUNK = 256  # words of a LOAD that the first compute waits for


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
    n_blocks: int

    @property
    def words(self) -> int:
        return self.chunks[-1].offset + self.chunks[-1].words


def build_slab(
    layer: Layer,
    rows: Window,
    cols: Window,
    blocks: Range,
    source: Layout,
    images: Part,
    config: Config,
) -> Slab:
    """The slab of channel blocks ``blocks`` of the source's view and of images (first, count), in
    chunks of one image and one output-channel tile of their producer; of the network's input, which
    is there from the start, in smaller ones."""
    block_words = rows.lines * cols.lines
    n_blocks = blocks[1] - blocks[0]
    per_chunk = config.column_blocks
    if layer.reads_input:
        per_chunk = min(per_chunk, ceil_div(FIRST_CHUNK, block_words))
    chunks = []
    for done in range(0, n_blocks, per_chunk):
        n = min(per_chunk, n_blocks - done)
        for image in range(images[1]):
            moved = transfer(
                layer.source.tensor,
                images[0] + image,
                extent(source),
                layer.source.blocks((blocks[0] + done, blocks[0] + done + n)),
                (rows.start, rows.count),
                (cols.start, cols.count),
                rows.step,
            )
            moved.fields.update(
                rows=rows.count,
                cols=cols.count,
                top=rows.before,
                bottom=rows.after,
                left=cols.before,
                right=cols.after,
                pad_value=layer.pad_value,
            )
            offset = (image * n_blocks + done) * block_words
            chunks.append(Chunk(moved, offset, n * block_words, n))
    return Slab(chunks, images[1], n_blocks)
