"""`compile_graph`: from the integer graph to a memory image."""

import dataclasses

from resarray.golden.graph import QGraph
from resarray.spec import image, layout
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import INSTRUCTION_BYTES, Engine

from .allocate import Memory
from .cost import predict
from .lowering import Layer, lower
from .program import Program, tensor_symbol, weights_symbol
from .schedule import schedule
from .tiles import build_tiles
from .tiling import choose
from .weights import pack_weights

# Instructions; longer programs get the tiling's estimate instead of the simulated prediction.
MAX_SIMULATED = 100_000


def compile_graph(
    graph: QGraph, config: Config, *, batch: int = 1, fuse_pool: bool = True
) -> image.Image:
    """Compile ``graph`` for ``config``.

    Parameters
    ----------
    batch:      images per run; only 1 so far
    fuse_pool:  let convolutions pool while they drain, where whole rows fit

    `ResarrayError` for an operator, size or value that the accelerator cannot run.
    """
    if batch != 1:
        raise ResarrayError(
            f"batch {batch} is not supported, 1 is allowed: run the images one after another"
        )
    layers = lower(graph, config, fuse_pool)
    layouts = _layouts(graph, layers, config)
    streams, tiles, estimates = [], [], []
    for index, layer in enumerate(layers):
        stream = pack_weights(layer, config)
        streams.append(stream.data)
        source, output = layouts[layer.source], layouts[layer.output]
        tiling = choose(layer, config)
        estimates.append(tiling.cycles)
        tiles += build_tiles(index, layer, tiling, stream, source, output, config)
    program = schedule(tiles, config)

    if len(program.instructions) <= MAX_SIMULATED:
        cycles = predict(program.instructions, config).layer_cycles
    else:
        cycles = estimates

    memory = Memory()
    count = len(program.instructions)
    memory.add("program", count * INSTRUCTION_BYTES)
    for index, data in enumerate(streams):
        memory.add(weights_symbol(index), len(data))
    payload_end = memory.end
    memory.add(tensor_symbol(graph.input), layouts[graph.input].size)
    write_base = memory.align()
    for layer in layers:
        memory.add(tensor_symbol(layer.output), layouts[layer.output].size)
    mem_size = memory.align()

    payload = bytearray(payload_end)
    code = program.encode({s: a // config.rows for s, a in memory.addresses.items()})
    payload[: len(code)] = code
    for index, data in enumerate(streams):
        address = memory.addresses[weights_symbol(index)]
        payload[address : address + len(data)] = data

    def stored(name: str) -> dict:
        tensor = graph.tensors[name]
        return {
            "image": 0,
            "addr": memory.addresses[tensor_symbol(name)],
            "layout": layout.to_dict(layouts[name]),
            "scale": float(tensor.scale),
            "zero_point": int(tensor.zero_point),
        }

    manifest = {
        "model": graph.name,
        "config": dataclasses.asdict(config),
        "batch": batch,
        "program": {"addr": 0, "count": count},
        "mem_size": mem_size,
        "write_base": write_base,
        "inputs": [stored(graph.input)],
        "output": graph.output,
        "tensors": [
            {"name": layer.output, "layer": layer.name} | stored(layer.output) for layer in layers
        ],
        "layers": _describe_layers(layers, program, config, cycles),
    }
    return image.Image(config.hash, manifest, bytes(payload))


def _layouts(graph: QGraph, layers: list[Layer], config: Config) -> dict[str, layout.Layout]:
    """Layout of the input and of every stored tensor."""
    layouts: dict[str, layout.Layout] = {
        name: layout.Blocked(*graph.tensors[name].shape, config.rows)
        for name in [graph.input, *(layer.output for layer in layers)]
    }
    for layer in layers:
        if layer.packed:
            layouts[graph.input] = _packed_layout(layer, config)
    return layouts


def _packed_layout(layer: Layer, config: Config) -> layout.Packed:
    """Packed input with enough padding on the right that no read leaves its line."""
    channels, height, width = layer.in_shape
    top, bottom, left, _ = layer.padding
    vectors = layout.ceil_div(layer.kernel[1] * channels, config.rows)
    last = (layer.shape[2] - 1) * layer.stride[1] * channels + vectors * config.rows
    right = max(0, layout.ceil_div(last, channels) - left - width)
    # Lines that no window reaches (a stride that does not divide the map) stay part of the image.
    return layout.Packed(
        channels, height, width, config.rows, top, bottom, left, right, layer.zp_in
    )


def _describe_layers(
    layers: list[Layer], program: Program, config: Config, cycles: list[int]
) -> list[dict]:
    read, written = [0] * len(layers), [0] * len(layers)
    for instruction in program.instructions:
        moved = written if instruction.engine == Engine.STORE else read
        moved[instruction.layer] += instruction.words * config.rows
    return [
        {
            "name": layer.name,
            "op": layer.op,
            "shape": list(layer.out_shape),
            "macs": int(layer.macs),
            "bytes_read": read[index],
            "bytes_written": written[index],
            "predicted_cycles": cycles[index],
            "tensor": layer.output,
        }
        for index, layer in enumerate(layers)
    ]
