"""Functional coverage: what every preset must have done, as named bins.

Collected from the networks and the instructions that ran, from the engines that were seen busy at
once, and from how wild programs ended.
"""

import itertools
from collections import Counter
from collections.abc import Iterator

from ...compiler.disasm import instructions
from ...golden.graph import QGraph
from ...golden.ops import (
    QAdd,
    QConcat,
    QConstant,
    QConv,
    QFunction,
    QGlobalAvgPool,
    QMaxPool,
    QMultiply,
    QSlice,
    QUpsample,
)
from ...sim.memory_model import CHANNELS, MemoryModel
from ...spec import winograd
from ...spec.config import Config
from ...spec.image import Image
from ...spec.isa import Engine, Pool
from ...spec.registers import ErrorCause

KERNELS = ("1x1", "3x3", "5x5", "7x7", "other", "oblong")
STRIDES = ("1", "2", "more", "unequal")
PADDINGS = ("none", "even", "uneven")
STALLS = ("quiet", "stalling")
OPERATORS = (
    *("conv", "grouped conv", "depthwise conv", "dilated conv", "conv + residual", "linear"),
    *("add", "add a vector", "multiply", "multiply by a vector", "function", "max pool"),
    *("average", "concat", "slice", "upsample", "constant"),
)
EDGES = ("a full bank", "a part of one", "one pixel")
# Of drains of Winograd's tiles; and of instructions one after the other.
TAILS = ("1 output", "2 outputs", "3 outputs", "4 outputs")
TURNS = tuple(
    f"{e.name} of {now} after one of {before}"
    for e in (Engine.COMPUTE, Engine.DRAIN)
    for now, before in (("tiles", "pixels"), ("pixels", "tiles"))
)
DRAINS = ("plain", "residual", "residual vector", "product", "product vector", "table")
FETCH = len(Engine)
READERS = (Engine.LOAD, Engine.WEIGHTS, Engine.RESIDUAL, FETCH)
ERRORS = (
    (ErrorCause.BAD_OPCODE, FETCH),
    *((ErrorCause.OUTSIDE_WINDOW, engine) for engine in (*READERS, Engine.STORE)),
    *((ErrorCause.READ_RESPONSE, engine) for engine in READERS),
    (ErrorCause.WRITE_RESPONSE, Engine.STORE),
    (ErrorCause.BAD_SETTINGS, FETCH),
)


def bins(config: Config) -> dict[str, list[str]]:
    """The names of all bins, by group."""
    sizes = list(itertools.product((1, 2, 3), repeat=2))
    kept = ["STORE writes the scratchpad", "LOAD from it", "RESIDUAL from it"]
    return {
        "convolution: kernel, stride, padding, memory": [
            f"conv {k}, stride {s}, padding {p}, {m}"
            for k, s, p, m in itertools.product(KERNELS, STRIDES, PADDINGS, STALLS)
        ],
        "max pool: kernel, stride": [
            f"max pool {k[0]}x{k[1]}, stride {s[0]}x{s[1]}"
            for k, s in itertools.product(sizes, repeat=2)
        ],
        "operator, memory": [f"{o}, {m}" for o, m in itertools.product(OPERATORS, STALLS)],
        "drain, pool, tile edge": [
            f"{d}, pool {p.name.lower()}, {e}" for d, p, e in itertools.product(DRAINS, Pool, EDGES)
        ],
        "Winograd's tiles": _tiles() if config.winograd else [],
        "channels: tile edge": ["all columns", "some columns", "one k-tile", "many k-tiles"],
        "channel that stalls": [f"{channel} stalls" for channel in CHANNELS],
        "batch": ["one image", "several images"],
        "engines at once": [_overlap(a, b) for a, b in itertools.combinations(Engine, 2)],
        "error": [_error(*error) for error in ERRORS] + ["no error"],
        "why the array waits": [f"waits for {w}" for w in ("instruction", "load", "drain")]
        + ["waits for weights"],
        "scratchpad": kept if config.scratch_words else [],
    }


def _tiles() -> list[str]:
    return [
        *("tiles, one k-tile", "tiles, many k-tiles", "tiles, sums go on"),
        *(f"tiles, a row ends with {tail}" for tail in TAILS),
        *(f"tiles, {d}, pool {p.name.lower()}" for d, p in itertools.product(DRAINS, Pool)),
        *TURNS,
    ]


def _overlap(a: Engine, b: Engine) -> str:
    return f"{a.name} and {b.name}"


def _error(cause: ErrorCause, engine: int) -> str:
    name = Engine(engine).name if engine < FETCH else "FETCH"
    return f"{cause.name.lower().replace('_', ' ')}, {name}"


def of_overlaps(overlaps: Counter[tuple[Engine, Engine]]) -> Counter[str]:
    return Counter({_overlap(*pair): count for pair, count in overlaps.items()})


def of_errors(errors: Counter[tuple[ErrorCause, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (cause, engine), count in errors.items():
        name = "no error" if cause == ErrorCause.NONE else _error(cause, engine)
        found[name] += count
    return found


def of_counters(counters: dict[str, int]) -> Counter[str]:
    waits = ("instruction", "load", "drain", "weights")
    return Counter({f"waits for {w}": counters[f"WAIT_{w.upper()}"] for w in waits})


def of_program(image: Image, graph: QGraph | None, memory: MemoryModel) -> Counter[str]:
    """The bins of one run: of its network, where it is of one, and of its instructions."""
    stalls = memory.stalls or (memory.stall_probability,) * len(CHANNELS)
    stall = STALLS[any(stalls)]
    found = [f"{channel} stalls" for channel, p in zip(CHANNELS, stalls, strict=True) if p]
    found.append("one image" if image.manifest["batch"] == 1 else "several images")
    if graph is not None:
        found += [f"{name}, {stall}" for op in graph.ops for name in _of_operator(graph, op)]
        found += [_of_max_pool(op) for op in graph.ops if isinstance(op, QMaxPool)]
    return Counter([*found, *_of_instructions(image)])


def _of_max_pool(op: QMaxPool) -> str:
    (ky, kx), (sy, sx) = op.kernel, op.stride
    return f"max pool {ky}x{kx}, stride {sy}x{sx}"


def _of_operator(graph: QGraph, op: object) -> Iterator[str]:
    names: dict[type, str] = {QFunction: "function", QMaxPool: "max pool"}
    names |= {
        QGlobalAvgPool: "average",
        QConcat: "concat",
        QSlice: "slice",
        QUpsample: "upsample",
        QConstant: "constant",
    }
    if isinstance(op, QConv):
        yield from _of_conv(graph, op)
    elif isinstance(op, QAdd | QMultiply):
        name = "add" if isinstance(op, QAdd) else "multiply"
        vectors = [graph.tensors[x].shape[1:] == (1, 1) for x in op.inputs]
        by = " a vector" if name == "add" else " by a vector"
        yield name + by * (any(vectors) and not all(vectors))
    elif type(op) in names:
        yield names[type(op)]


def _of_conv(graph: QGraph, op: QConv) -> Iterator[str]:
    _, depth, ky, kx = op.weight.shape
    if op.groups == 1 and op.dilation == (1, 1):
        yield "conv + residual" if op.residual else "conv"
    if op.groups > 1:
        yield "depthwise conv" if depth == 1 else "grouped conv"
    if op.dilation != (1, 1):
        yield "dilated conv"
    if graph.tensors[op.input].shape[1:] == (1, 1) and (ky, kx) == (1, 1):
        yield "linear"
    kernel = "oblong" if ky != kx else f"{ky}x{kx}"
    kernel = kernel if kernel in KERNELS else "other"
    sy, sx = op.stride
    stride = "unequal" if sy != sx else str(sy) if sy < 3 else "more"
    pads = set(op.padding)
    padding = "none" if pads == {0} else "even" if len(pads) == 1 else "uneven"
    yield f"conv {kernel}, stride {stride}, padding {padding}"


def _of_instructions(image: Image) -> Iterator[str]:
    config = image.config
    tiled: dict[Engine, int] = {}
    for decoded in instructions(image):
        f, engine = decoded.fields, decoded.engine
        if "winograd" in f:
            if f["winograd"] != tiled.get(engine, f["winograd"]):
                turn = ("pixels", "tiles") if f["winograd"] else ("tiles", "pixels")
                yield f"{engine.name} of {turn[1]} after one of {turn[0]}"
            tiled[engine] = f["winograd"]
        if f.get("kept"):
            if engine == Engine.STORE:
                yield "STORE writes the scratchpad"
            else:
                yield f"{engine.name} from it"
        if engine == Engine.COMPUTE:
            k_tiles = "one k-tile" if f["k_tiles"] == 1 else "many k-tiles"
            yield k_tiles
            if f["winograd"]:
                yield f"tiles, {k_tiles}"
                if not f["clear"]:
                    yield "tiles, sums go on"
        if engine == Engine.DRAIN:
            yield "all columns" if f["n_blocks"] == config.column_blocks else "some columns"
            kind = "table" if f["table"] else "plain"
            if f["res_en"]:
                kind = "product" if f["multiply"] else "residual"
                kind += " vector" * f["res_vector"]
            try:
                kind = f"{kind}, pool {Pool(f['pool']).name.lower()}"
            except ValueError:
                continue
            yield f"{kind}, {_edge(f['px_count'], config)}"
            if f["winograd"]:
                yield f"tiles, {kind}"
                yield f"tiles, a row ends with {TAILS[(f['width'] - 1) % winograd.TILE]}"


def _edge(pixels: int, config: Config) -> str:
    """How much of a bank of accumulators a drain empties."""
    return EDGES[0 if pixels == config.acc_depth else 2 if pixels == 1 else 1]
