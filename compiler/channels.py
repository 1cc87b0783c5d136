"""Which channel blocks of its input each output-channel tile of a layer sums over.

A dense convolution's tiles all read every block. With groups a tile reads the blocks of its own
groups; tiles that read the same blocks follow each other and share the loaded input: a *run*.
"""

import itertools
from dataclasses import dataclass

from resarray.spec.config import Config
from resarray.spec.layout import ceil_div

from .ir import AveragePool, Layer, MaxPool, Range


@dataclass(frozen=True)
class ChannelTile:
    """Channel blocks of an output-channel tile and of the input that it sums over; ``number``
    counts the layer's tiles."""

    number: int
    outputs: Range
    inputs: Range

    @property
    def n_outputs(self) -> int:
        return self.outputs[1] - self.outputs[0]

    @property
    def n_inputs(self) -> int:
        return self.inputs[1] - self.inputs[0]


def tile_blocks(layer: Layer, config: Config) -> int:
    """Channel blocks of an output-channel tile: as many as the columns hold, but one where the
    drain averages, and no more than the line buffer holds where it pools without needing all."""
    if isinstance(layer.pool, AveragePool):
        return 1
    if isinstance(layer.pool, MaxPool) and layer.depthwise:
        return max(1, min(config.column_blocks, config.pool_words // layer.pool.size[1]))
    return config.column_blocks


def channel_tiles(layer: Layer, config: Config) -> list[ChannelTile]:
    """The output-channel tiles of ``layer``, in order."""
    rows, step = config.rows, tile_blocks(layer, config)
    channels_in, channels_out = layer.source.shape[0], layer.shape[0]
    in_group, out_group = channels_in // layer.groups, channels_out // layer.groups
    tiles = []
    for number, first in enumerate(range(0, ceil_div(channels_out, rows), step)):
        stop = min(first + step, ceil_div(channels_out, rows))
        if layer.packed:
            inputs = 0, 1  # one block of packed bytes, whatever the channels
        else:
            groups = first * rows // out_group, (min(stop * rows, channels_out) - 1) // out_group
            inputs = groups[0] * in_group // rows, ceil_div((groups[1] + 1) * in_group, rows)
        tiles.append(ChannelTile(number, (first, stop), inputs))
    return tiles


def channel_runs(layer: Layer, config: Config) -> list[list[ChannelTile]]:
    """The output-channel tiles in runs that read the same input blocks."""
    tiles = channel_tiles(layer, config)
    return [list(run) for _, run in itertools.groupby(tiles, key=lambda tile: tile.inputs)]
