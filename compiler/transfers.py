"""What LOAD, RESIDUAL and STORE move: boxes of tensors as memory patterns."""

from dataclasses import dataclass

from resarray.spec.isa import Engine, highest
from resarray.spec.layout import Layout, Packed

from .ir import Part, Range

MAX_RUN = highest(Engine.LOAD, "run_len")  # words


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


def extent(stored: Layout) -> Part:
    """Lines and words per line of a channel block in memory."""
    if isinstance(stored, Packed):
        return stored.lines, stored.pitch // stored.rows
    return stored.height, stored.width


def transfer(
    tensor: str, image: int, size: Part, blocks: Range, rows: Part, cols: Part, step: int = 1
) -> Transfer:
    """The pattern of ``rows`` (first, count), every ``step``-th, and ``cols`` (first, count) of a
    range of blocks of a tensor whose blocks are ``size`` (lines, words per line)."""
    height, width = size
    first, count = rows
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
    region = Region(tensor, image, blocks, (first, stop), (cols[0], cols[0] + cols[1]))
    return Transfer(region, fields)
