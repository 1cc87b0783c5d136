"""The programs that faults are put into: small, of every engine, with golden results."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

import resarray
from resarray.compiler.compile import compile_graph
from resarray.compiler.disasm import Decoded, instructions
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.spec.config import Config
from resarray.spec.image import Image
from resarray.spec.isa import INSTRUCTION_BYTES, Engine

SEED = 17


class Block(nn.Module):
    """A residual block with a pool, squeeze and excitation and a table: all that a DRAIN does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Conv2d(8, 8, 3, padding=1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.body(x) + x)
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        return self.last(nn.functional.max_pool2d(x, 2))


class Convolution(nn.Module):
    """One layer: the shortest run."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.only(x))


@dataclass(frozen=True)
class Program:
    """A compiled network with an input and what it must store.

    inputs: int8 [1, C, H, W]; expected: int8 [1, C, H, W] by name, every stored tensor
    """

    image: Image
    inputs: np.ndarray
    expected: dict[str, np.ndarray]

    @cached_property
    def instructions(self) -> list[Decoded]:
        return list(instructions(self.image))

    def offset(self, number: int) -> int:
        """Byte offset of instruction ``number``."""
        return self.image.manifest["program"]["addr"] + INSTRUCTION_BYTES * number


def make(kind: type[nn.Module], channels: int, size: int, config: Config) -> Program:
    """A network of random weights on random pixels of ``size``, compiled for ``config``."""
    torch.manual_seed(SEED)
    example = torch.rand(4, channels, size, size)
    network = resarray.load(kind().eval(), example=example, mean=0.5, std=0.25)
    graph = network.quantise(example).graph
    shape = (1, *graph.tensors[graph.input].shape)
    inputs = np.random.default_rng(SEED).integers(-128, 128, shape).astype(np.int8)
    expected = complete(graph, config, fast.run(graph, inputs))
    return Program(compile_graph(graph, config), inputs, expected)


def block(config: Config) -> Program:
    """At least 50 instructions, for all six engines."""
    return make(Block, 3, 4, config)


def convolution(config: Config) -> Program:
    """A dozen instructions."""
    return make(Convolution, 4, 3, config)


def elements(config: Config) -> Iterator[Config]:
    """``config`` with either element."""
    for element in ("pair", "mac"):
        yield dataclasses.replace(config, element=element, name=f"{config.name}-{element}")


@dataclass(frozen=True)
class Burst:
    """What an engine asks the memory for: bytes [start, stop), offsets from MEM_BASE."""

    engine: Engine
    start: int
    stop: int


def bursts(program: Program, decoded: Decoded) -> Iterator[Burst]:
    """The bursts of an instruction in order, those from the scratchpad left out; by the loop nest
    in `resarray.spec.isa`, none across a multiple of ``burst_words``."""
    config, f = program.image.config, decoded.fields
    if decoded.engine == Engine.WEIGHTS:
        f = f | {"n_blocks": 1, "n_runs": 1, "run_len": f["length"], "block_stride": 0}
        f |= {"run_stride": 0, "kept": 0}
    if "run_len" not in f or (f["kept"] and decoded.engine != Engine.STORE):
        return
    for b in range(f["n_blocks"]):
        for r in range(f["n_runs"]):
            word = f["addr"] + b * f["block_stride"] + r * f["run_stride"]
            end = word + f["run_len"]
            while word < end:
                stop = min(end, (word // config.burst_words + 1) * config.burst_words)
                yield Burst(decoded.engine, word * config.rows, stop * config.rows)
                word = stop
