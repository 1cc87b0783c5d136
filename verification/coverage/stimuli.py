"""What is run to cover a preset: directed networks, and random networks and programs of the fuzz
campaign. Each is compared with its golden result."""

import itertools
from collections.abc import Iterable, Iterator, Set
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from ...compiler.compile import compile_graph
from ...compiler.functional import ScheduleError
from ...compiler.placement import complete
from ...golden import fast
from ...golden.graph import QGraph
from ...sim.memory_model import MemoryModel
from ...spec.config import Config
from ...spec.errors import ResarrayError
from ..fuzz import cases
from ..fuzz.cases import Case, Job
from ..fuzz.graphs import Builder, share_zero_points
from . import functional

KERNELS = (1, 1), (2, 2), (3, 3), (5, 5), (7, 7), (1, 5), (5, 1)
STRIDES = (1, 1), (2, 2), (3, 3), (1, 2)
# Top, bottom, left, right.
PADDINGS = (0, 0, 0, 0), (1, 1, 1, 1), (0, 2, 1, 0)
QUIET = MemoryModel(latency=3)
BUSY = MemoryModel(latency=20, stalls=(0.4, 0.4, 0.4, 0.4, 0.4), jitter=True, early=True)
# Programs that are looked at for bins that none before has reached.
LOOKED_AT = 300


@dataclass(frozen=True)
class Stimulus:
    """A job with the graph that it was compiled from; None: a program that no compiler made."""

    job: Job
    graph: QGraph | None


def convolutions(strides: tuple[tuple[int, int], ...]) -> Builder:
    """Every kernel, padding, and ``strides``, on one small map."""
    b = Builder(1, (3, 9, 8), "convolutions")
    outputs = [
        b.conv("x", 4, kernel, stride, padding, relu=False)
        for kernel, stride, padding in itertools.product(KERNELS, strides, PADDINGS)
    ]
    return _ending(b, outputs)


def pools(padded: bool) -> Builder:
    """Every window and stride of a max pool, each fused and on the map's edges."""
    b = Builder(2, (4, 6, 7), "pools")
    outputs = []
    for kernel in itertools.product((1, 2, 3), repeat=2):
        padding = tuple(k - 1 for k in (kernel[0], kernel[0], kernel[1], kernel[1]))
        strides = list(itertools.product((1, 2, 3), repeat=2))
        for stride in strides[padded::2]:
            outputs.append(b.max_pool("x", kernel, padding if padded else 0, stride))
    return _ending(b, outputs)


def operators(channels: int, size: int) -> Builder:
    """One of every operator, on maps of ``size`` pixels square, at least 5."""
    b = Builder(3, (channels, size, size), f"operators{size}")
    x = b.conv("x", channels, (3, 3), padding=(1, 1, 1, 1))
    y = b.conv(x, channels, (3, 3), padding=(1, 1, 1, 1), residual=x)
    outputs = [b.slice(x, 1, channels - 1), b.concat(x, y), b.upsample(y, (2, 3))]
    outputs += [b.conv(x, channels, (3, 3), padding=(1, 1, 1, 1), groups=channels)]
    outputs += [b.conv(x, channels, (1, 1), groups=2), b.conv(x, 4, (3, 3), dilation=(2, 1))]
    outputs += [b.conv(x, 4, (2, 2)), b.add(x, b.constant((channels, size, size)))]
    mean = b.average(y)
    outputs += [b.conv(mean, 10, (1, 1), relu=False)]
    share_zero_points(b.graph)
    return _ending(b, outputs)


def drains(channels: int, size: int) -> Builder:
    """Each kind of drain alone, before a max pool and before an average, on maps of ``size`` pixels
    square."""
    b = Builder(4, (channels, size, size), f"drains{size}")
    x = b.conv("x", channels, (1, 1))
    y = b.conv("x", channels, (1, 1))
    scale = b.conv(b.average(x), channels, (1, 1))
    kinds = [
        lambda: b.conv(x, channels, (1, 1)),
        lambda: b.conv(x, channels, (1, 1), residual=y),
        lambda: b.add(x, y),
        lambda: b.add(x, scale),
        lambda: b.multiply(x, y),
        lambda: b.multiply(x, scale),
        lambda: b.function(x),
    ]
    outputs = [kind() for kind in kinds]
    outputs += [b.max_pool(kind(), min(size, 2), 0, 2) for kind in kinds]
    outputs += [b.average(kind()) for kind in kinds]
    share_zero_points(b.graph)
    return _ending(b, outputs)


def wide(channels: int, width: int) -> Builder:
    """Max pools of rows of ``width`` pixels."""
    b = Builder(5, (channels, 2, width), "wide")
    x = b.conv("x", channels, (1, 1))
    return _ending(b, [b.max_pool(x, kernel, 0, (1, 1)) for kernel in ((1, 2), (2, 1))])


def tiles(channels: int) -> Builder:
    """Kernels three wide at stride 1, whose rows end with one to four outputs of a tile, and what
    may be behind them."""
    b = Builder(6, (channels, 6, 9), "tiles")
    x = b.conv("x", channels, (3, 3), padding=(1, 1, 1, 1))
    outputs = [b.conv("x", 5, (3, 3), padding=(1, 1, *sides)) for sides in ((1, 0), (0, 0), (2, 1))]
    outputs += [b.conv(x, 4, (1, 3)), b.conv(x, 4, (5, 3), padding=(2, 2, 1, 1))]
    outputs += [b.conv(x, 4, (3, 3), (2, 1), (1, 1, 1, 1)), b.conv(x, 4, (1, 1))]
    kinds = [
        lambda: b.conv(x, channels, (3, 3), padding=(1, 1, 1, 1)),
        lambda: b.conv(x, channels, (3, 3), padding=(1, 1, 1, 1), residual=x),
        lambda: b.function(b.conv(x, channels, (3, 3), padding=(1, 1, 1, 1))),
    ]
    outputs += [kind() for kind in kinds]
    outputs += [b.max_pool(kind(), 2, 0, 2) for kind in kinds]
    outputs += [b.average(kind()) for kind in kinds]
    share_zero_points(b.graph)
    return _ending(b, outputs)


def _ending(b: Builder, outputs: list[str]) -> Builder:
    b.graph.outputs = tuple(dict.fromkeys(outputs))
    return b


def directed(config: Config) -> Iterator[Stimulus]:
    """Networks for the functional bins, on a quiet and on a stalling memory."""
    rows, columns = config.rows, config.columns
    # Maps of several banks of accumulators, and of a bank and a rest.
    side = 2 << (config.acc_depth.bit_length() // 2)
    builders = [convolutions(STRIDES[i : i + 2]) for i in (0, 2)] + [pools(False), pools(True)]
    builders += [operators(rows, 6), operators(columns + 2, side // 2 + 3)]
    builders += [drains(rows, 1), drains(rows, 5), drains(rows, side)]
    builders += [wide(rows, min(config.acc_depth, config.pool_words)), tiles(rows)]
    for builder, memory in itertools.product(builders, (QUIET, BUSY)):
        for batch in (1, 2) if memory is BUSY and builder in builders[:5] else (1,):
            with cases.tiled() if builder.graph.name == "tiles" else nullcontext():
                job = _job(builder, config, memory, batch)
            yield Stimulus(job, builder.graph)


def _job(builder: Builder, config: Config, memory: MemoryModel, batch: int) -> Job:
    x = np.stack([builder.input() for _ in range(batch)])
    image = compile_graph(builder.graph, config, batch=batch)
    expected = complete(builder.graph, config, fast.run(builder.graph, x))
    names = {t["name"] for t in image.manifest["tensors"]}
    return Job(image, x, memory, {name: expected[name] for name in names})


def random(config: Config, first: int, count: int) -> Iterator[Stimulus]:
    """``count`` networks of the fuzz campaign from seed ``first`` on, and three times as many
    programs, which are short."""
    programs = [Case("program", seed, config.name) for seed in range(first, first + 3 * count)]
    networks = [Case("network", seed, config.name) for seed in range(first, first + count)]
    return _drawn(programs + networks)


def missing(config: Config, first: int, wanted: Set[str]) -> Iterator[Stimulus]:
    """Of the fuzz campaign's programs from number ``first`` on, each that reaches one of the
    functional bins ``wanted`` that none before it has."""
    left = set(wanted)
    seeds = range(first, first + LOOKED_AT) if left else ()
    for stimulus in _drawn(Case("program", seed, config.name) for seed in seeds):
        reached = functional.of_program(stimulus.job.image, None, stimulus.job.memory)
        if left & set(reached):
            left -= set(reached)
            yield stimulus
        if not left:
            return


def _drawn(drawn: Iterable[Case]) -> Iterator[Stimulus]:
    """Those of the cases that can be run: networks that the preset's buffers hold, programs that
    end."""
    for case in drawn:
        try:
            job, _ = cases.job(case)
        except (ResarrayError, ScheduleError):
            continue
        yield Stimulus(job, cases.graph(case.seed).graph if case.kind == "network" else None)
