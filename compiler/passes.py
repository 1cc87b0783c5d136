"""What is done to a network's layers before they are tiled: each pass takes the list and returns
one that computes the same."""

from dataclasses import replace

from resarray.golden.graph import QGraph
from resarray.spec.config import Config
from resarray.spec.isa import Engine, highest

from .channels import channel_runs
from .ir import Layer, MaxPool, View
from .tiling import full_width_fits

# Bytes from pixel to pixel that a COMPUTE can step.
MAX_PIXEL_STEP = highest(Engine.COMPUTE, "s_m2")


def fuse_tables(layers: list[Layer], graph: QGraph) -> list[Layer]:
    """A function that is all that reads a layer happens in that layer's drain."""
    fused: list[Layer] = []
    makers: dict[View, int] = {}
    for layer in layers:
        maker = makers.get(layer.source)
        if (
            maker is not None
            and layer.table is not None
            and replace(layer, table=None).copies
            and fused[maker].table is None
            and fused[maker].pool is None
            and layer.source.name not in graph.outputs
            and len(_readers(layers, layer.source.tensor)) == 1
        ):
            first = fused[maker]
            op = f"{first.op}+{layer.op}"
            fused[maker] = replace(first, op=op, output=layer.output, table=layer.table)
            makers[layer.output] = maker
            continue
        makers[layer.output] = len(fused)
        fused.append(layer)
    return fused


def fuse_pools(layers: list[Layer], graph: QGraph, config: Config) -> list[Layer]:
    """A max pool that is all that reads a layer happens in that layer's drain, where whole rows
    fit a tile and every row of windows the line buffer."""
    fused: list[Layer] = []
    makers: dict[View, int] = {}
    for layer in layers:
        maker = makers.get(layer.source)
        if (
            maker is not None
            and isinstance(layer.pool, MaxPool)
            and layer.copies
            and fused[maker].pool is None
            and fused[maker].upsample == (1, 1)
            and layer.source.name not in graph.outputs
            and len(_readers(layers, layer.source.tensor)) == 1
        ):
            first = fused[maker]
            op = f"{first.op}+{layer.op}"
            pooled = replace(first, op=op, output=layer.output, pool=layer.pool)
            if _fits_line_buffer(pooled, config) and full_width_fits(first, config):
                fused[maker] = pooled
                continue
        makers[layer.output] = len(fused)
        fused.append(layer)
    return fused


def _fits_line_buffer(layer: Layer, config: Config) -> bool:
    assert isinstance(layer.pool, MaxPool)
    blocks = max(run[-1].outputs[1] - run[0].outputs[0] for run in channel_runs(layer, config))
    return blocks * layer.pool.size[1] <= config.pool_words


def pack_input(layers: list[Layer], graph: QGraph, config: Config) -> list[Layer]:
    """The network's input is packed where one dense layer alone reads it and its pixels are less
    than a word."""
    readers = _readers(layers, graph.input)
    channels = graph.tensors[graph.input].shape[0]
    if len(readers) != 1 or channels >= config.rows or graph.input in graph.outputs:
        return layers
    (reader,) = readers
    packs = (
        reader.groups == 1
        and reader.upsample == (1, 1)
        and reader.source == View(graph.input, graph.tensors[graph.input].shape, graph.input)
        and min(reader.padding) >= 0
        and reader.dilation[1] == 1  # the bytes of a kernel's row follow each other
        and reader.stride[1] * channels <= MAX_PIXEL_STEP
    )
    return [replace(r, packed=True) if packs and r is reader else r for r in layers]


def _readers(layers: list[Layer], tensor: str) -> list[Layer]:
    """Layers that read a tensor, once for each operand."""
    return [layer for layer in layers for view in layer.reads if view.tensor == tensor]
