"""The networks, memories and bars of the benchmark, and their random-weight graphs.

Cycles do not depend on the weights' values, so the weights are random (seeded) and nothing has to
be downloaded or trained. The images are the handwritten digits.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch

from resarray.golden.data import load_images
from resarray.golden.equalise import equalise
from resarray.golden.graph import QGraph
from resarray.golden.importer import import_model
from resarray.golden.models import ZOO
from resarray.golden.ops import QConv, QMaxPool, QTensor
from resarray.golden.quantise import normalise, quantise, quantise_input
from resarray.spec.numerics import quantise_factor

SEED = 0
CALIBRATION_IMAGES = 4


@dataclass(frozen=True)
class Case:
    """One line of the table.

    part:        the module of the model that is measured; None: all of it
    utilisation: least useful MACs / (peak * cycles), a fraction; None: no bar
    per_multiplier: least MACs per array multiplier and cycle; None: no bar
    scratchpad:  whether the preset keeps its scratchpad
    winograd:    whether the compiler may use Winograd's tiles
    """

    name: str
    model: str
    size: int
    classes: int = 1000
    part: str | None = None
    preset: str = "default"
    batch: int = 1
    bytes_per_cycle: float | None = None
    latency: int = 32
    stall: float = 0.0
    scratchpad: bool = True
    winograd: bool = True
    utilisation: float | None = None
    per_multiplier: float | None = None


_BARS = [
    Case("ResNet-18", "resnet18", 224, per_multiplier=2.6),
    Case("ResNet-18, batch 4", "resnet18", 224, batch=4, per_multiplier=3.0),
    Case("ResNet-34, batch 4", "resnet34", 224, batch=4, per_multiplier=3.2),
    Case("VGG-19's convolutions", "vgg19", 224, part="features", per_multiplier=3.2),
    Case(
        "ResNet-18, batch 4, 2 B/cycle",
        "resnet18",
        224,
        batch=4,
        bytes_per_cycle=2.0,
        per_multiplier=2.1,
    ),
    Case("ResNet-20", "resnet20", 32, classes=10, preset="small", per_multiplier=2.5),
]
# Without Winograd's tiles.
_DIRECT = [
    Case("ResNet-18, direct", "resnet18", 224, winograd=False, utilisation=0.96),
    Case(
        "ResNet-18, direct, latency 100",
        "resnet18",
        224,
        latency=100,
        winograd=False,
        utilisation=0.94,
    ),
    Case(
        "ResNet-18, direct, batch 4, 2 B/cycle",
        "resnet18",
        224,
        batch=4,
        bytes_per_cycle=2.0,
        winograd=False,
        utilisation=0.85,
    ),
    Case(
        "ResNet-20, direct",
        "resnet20",
        32,
        classes=10,
        preset="small",
        winograd=False,
        utilisation=0.80,
    ),
]
# What the scratchpad is worth.
_NARROW = Case(
    "ResNet-20, 2 B/cycle", "resnet20", 32, classes=10, preset="small", bytes_per_cycle=2.0
)
_SCRATCHPAD = [_NARROW, replace(_NARROW, name=f"{_NARROW.name}, no scratchpad", scratchpad=False)]
# Networks once more with a memory that pauses at random: slower, and the same tensors.
_STALLED = ("ResNet-18", "ResNet-18, batch 4, 2 B/cycle", "ResNet-20", "ResNet-18, direct")
CASES = (
    _BARS
    + _DIRECT
    + _SCRATCHPAD
    + [
        replace(case, name=f"{case.name}, stalls", stall=0.1, utilisation=None, per_multiplier=None)
        for case in _BARS + _DIRECT
        if case.name in _STALLED
    ]
)
# Most that the cost model may be off, as a fraction, and the latency case may lose.
PREDICTION_BAR = 0.02
LATENCY_BAR = 0.02
# Every convolution of the first case, from its profile record and by itself.
LAYER_BAR = 0.85
# Doubling both channel counts of a layer quadruples its cycles within this.
SCALING_BAR = 0.03


def network(case: Case) -> tuple[QGraph, np.ndarray]:
    """The integer graph of a case with random weights, and ``batch`` images int8 [N][C][H][W]."""
    count = max(CALIBRATION_IMAGES, case.batch)
    graph, inputs = _quantised(case.model, case.size, case.classes, case.part, count)
    return graph, inputs[: case.batch]


@functools.cache
def _quantised(
    name: str, size: int, classes: int, part: str | None, count: int
) -> tuple[QGraph, np.ndarray]:
    """The graph of a model, the same for all cases of it, and the ``count`` images that calibrated
    it."""
    spec = ZOO[name]
    torch.manual_seed(SEED)
    model = spec.build(classes).eval()
    if part is not None:
        model = model.get_submodule(part)
    pixels = load_images("digits", size, spec.channels, count=count).pixels
    inputs = normalise(pixels, spec.mean, spec.std)
    floats = equalise(import_model(model, (spec.channels, size, size), name), inputs)
    graph = quantise(floats, inputs)
    return graph, quantise_input(graph.tensors[graph.input], pixels, spec.mean, spec.std)


def single_layers(graph: QGraph) -> list[QGraph]:
    """Each different convolution of ``graph`` as a network of its own: its input is the network's,
    its residual, where it has one, that input again; a max pool behind it stays with it."""
    graphs, seen = [], set()
    for op, following in zip(graph.ops, [*graph.ops[1:], None], strict=True):
        if not isinstance(op, QConv) or op.op != "conv":
            continue
        source = graph.tensors[op.input]
        key = source.shape, op.weight.shape, op.stride, op.residual is None
        if key in seen:
            continue
        seen.add(key)
        ops: list = [replace(op, input="x", residual=None if op.residual is None else "x")]
        if isinstance(following, QMaxPool) and following.input == op.output:
            ops.append(following)
        tensors = {"x": replace(source, name="x")}
        tensors |= {made.output: graph.tensors[made.output] for made in ops}
        graphs.append(QGraph(op.name, "x", (ops[-1].output,), tensors, ops))
    return graphs


def square_conv(channels: int, size: int = 56) -> QGraph:
    """A 3x3 convolution of ``channels`` to ``channels`` for the scaling check."""
    rng = np.random.default_rng(SEED)
    mult, shift = quantise_factor(0.001)
    shape = (channels, size, size)
    tensors = {n: QTensor(n, shape, 0.05, 0) for n in ("x", "y")}
    op = QConv(
        "conv",
        "x",
        "y",
        weight=rng.integers(-127, 128, (channels, channels, 3, 3)).astype(np.int8),
        bias=np.zeros(channels, np.int32),
        mult=np.full(channels, mult),
        shift=np.full(channels, shift),
        padding=(1, 1, 1, 1),
    )
    return QGraph(f"conv{channels}", "x", ("y",), tensors, [op])
