"""Small float graphs, and that a pass does not change what they compute."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn import functional

from resarray.golden.float_graph import FloatGraph, run_float
from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatAvgPool,
    FloatBatchNorm,
    FloatConcat,
    FloatConstant,
    FloatConv,
    FloatFunction,
    FloatGlobalAvgPool,
    FloatMaxPool,
    FloatMultiply,
    FloatOp,
    FloatPad,
    FloatScale,
    FloatSlice,
    FloatUpsample,
    Shape,
)

SHAPE = (3, 6, 7)


def network(*ops: FloatOp, shape: Shape = SHAPE, output: str | None = None) -> FloatGraph:
    """These operators, the first of which read "input"; the last makes the output."""
    return FloatGraph("net", "input", (output or ops[-1].output,), shape, ops)


def conv(output: str, *inputs: str, cin: int = 3, cout: int = 3, kernel: int = 1, **fields):
    """A convolution with random weights that keeps the map's size."""
    weight = torch.randn(cout, cin, kernel, kernel)
    pad = (kernel // 2,) * 4
    fields = {"padding": pad, "name": output} | fields
    return FloatConv(inputs=inputs, output=output, weight=weight, bias=torch.randn(cout), **fields)


def batch_norm(output: str, *inputs: str, channels: int = 3) -> FloatBatchNorm:
    mean, beta = torch.randn(channels), torch.randn(channels)
    variance, gamma = torch.rand(channels) + 0.5, torch.rand(channels) + 0.5
    return FloatBatchNorm(output, inputs, output, mean, variance, gamma, beta, 1e-3)


def check_same(before: FloatGraph, after: FloatGraph, exact: bool = True) -> None:
    """Both compute the same for random images; ``exact``: to the last bit."""
    x = torch.randn(2, *before.shape, generator=torch.Generator().manual_seed(1))
    tolerance = 0.0 if exact else 1e-4
    found, expected = outputs(after, x), outputs(before, x)
    assert len(found) == len(expected)
    for a, b, name in zip(found, expected, after.outputs, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
        assert after.shapes[name] == tuple(a.shape[1:])


def outputs(graph: FloatGraph, x: torch.Tensor) -> list[torch.Tensor]:
    """All outputs [N][C][H][W]."""
    values = {}
    run_float(graph, x, values.__setitem__)
    return [values[name] for name in graph.outputs]


def kinds(graph: FloatGraph) -> list[str]:
    """The operators' kinds, in order."""
    return [type(op).__name__.removeprefix("Float") for op in graph.ops]


# -- random graphs -------------------------------------------------------------------------------


class RandomGraph:
    """Adds random operators; each method is one kind, and does nothing where none fits."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        torch.manual_seed(seed)
        size = self.rng.randint(4, 9), self.rng.randint(4, 9)
        self.graph = FloatGraph("random", "input", ("input",), (self.rng.randint(1, 4), *size), ())

    def draw(self, kinds: Sequence[str], count: int) -> FloatGraph:
        """``count`` operators of these kinds; what nothing reads goes into the answer."""
        for _ in range(count):
            getattr(self, self.rng.choice(kinds))()
        uses = self.graph.uses()
        ends = [op.output for op in self.graph.ops if not uses[op.output]]
        for name in (ends or [self.graph.output])[:4]:
            self._average(name)
        self._emit(FloatConcat, *[op.output for op in self.graph.ops[-len(ends[:4]) or -1 :]])
        self._conv(self.graph.output, self.rng.randint(1, 5), 1)
        if self.rng.random() < 0.5:
            return self.graph
        made = [op.output for op in self.graph.ops]
        others = self.rng.choices(made, k=self.rng.randint(1, 3))
        return self.graph.with_ops(self.graph.ops, (self.graph.output, *others))

    def conv(self) -> None:
        name = self._any()
        channels = self.graph.shapes[name][0]
        groups = channels if self.rng.random() < 0.3 else 1
        cout = channels if groups > 1 else self.rng.randint(1, 6)
        self._conv(name, cout, self.rng.choice([1, 3]), groups)

    def batch_norm(self) -> None:
        name = self._any()
        self._keep(batch_norm(self._name(), name, channels=self.graph.shapes[name][0]))

    def scale(self) -> None:
        name = self._any()
        channels = self.graph.shapes[name][0]
        values = torch.rand(2, channels if self.rng.random() < 0.5 else 1).expand(2, channels) * 2
        factor, offset = (values - 0.5).double()
        self._emit(FloatScale, name, factor=factor, offset=offset)

    def activation(self) -> None:
        lo, hi = self.rng.choice([(0.0, math.inf), (0.0, 1.5), (-0.7, 0.6), (-math.inf, 0.5)])
        self._emit(FloatActivation, self._any(), lo=lo, hi=hi)

    def function(self) -> None:
        name = self.rng.choice([*FUNCTIONS])
        self._emit(FloatFunction, self._any(), function=name, apply=FUNCTIONS[name])

    def add(self) -> None:
        self._emit(FloatAdd, *self._pair())

    def multiply(self) -> None:
        self._emit(FloatMultiply, *self._pair())

    def constant(self) -> None:
        value = torch.randn(self.graph.shapes[self._any()], dtype=torch.float64)
        self._emit(FloatConstant, self.graph.input, value=value)

    def windows(self) -> None:
        """An average of windows that divide by different numbers of pixels."""
        name = self._any()
        _, height, width = self.graph.shapes[name]
        kernel = self.rng.randint(1, min(height, 4)), self.rng.randint(1, min(width, 4))
        stride = self.rng.randint(1, 3), self.rng.randint(1, 3)
        padding = self.rng.randint(0, kernel[0] // 2), self.rng.randint(0, kernel[1] // 2)
        padded, ceil = self.rng.random() < 0.5, self.rng.random() < 0.5
        fields = {"kernel": kernel, "stride": stride, "padding": padding}
        self._emit(FloatAvgPool, name, **fields, padded=padded, ceil=ceil)

    def concat(self) -> None:
        first = self._any()
        size = self.graph.shapes[first][1:]
        fitting = [name for name, shape in self.graph.shapes.items() if shape[1:] == size]
        names = [first, *self.rng.choices(fitting, k=self.rng.randint(0, 3))]
        if sum(self.graph.shapes[name][0] for name in names) <= 24:
            self._emit(FloatConcat, *names)

    def slice(self) -> None:
        name = self._any()
        channels = self.graph.shapes[name][0]
        first = self.rng.randrange(channels)
        end = self.rng.randint(first + 1, channels)
        self._emit(FloatSlice, name, dim=1, start=first, end=end, step=1)

    def every_second(self) -> None:
        dim = self.rng.randint(1, 3)
        self._emit(FloatSlice, self._any(), dim=dim, start=0, end=None, step=2)

    def pad(self) -> None:
        padding = tuple(self.rng.randint(0, 1) for _ in range(4))
        self._emit(FloatPad, self._any(), padding=padding, channels=(self.rng.randint(0, 1), 0))

    def max_pool(self) -> None:
        name = self._any()
        _, height, width = self.graph.shapes[name]
        kernel = self.rng.randint(1, min(height, 5)), self.rng.randint(1, min(width, 5))
        stride = self.rng.choice([(2, 2), (1, 1), (self.rng.randint(1, 5), self.rng.randint(1, 5))])
        padding = tuple(self.rng.randint(0, kernel[side // 2] - 1) for side in range(4))
        self._emit(FloatMaxPool, name, kernel=kernel, stride=stride, padding=padding)

    def upsample(self) -> None:
        name = self._any()
        if max(self.graph.shapes[name][1:]) <= 12:
            self._emit(FloatUpsample, name, factor=(self.rng.randint(1, 4), self.rng.randint(1, 4)))

    def average(self) -> None:
        self._average(self._any())

    def excite(self) -> None:
        """A factor for each channel, computed of the average."""
        name = self._any()
        self._average(name)
        self._conv(self.graph.output, self.graph.shapes[name][0], 1)
        self._emit(FloatFunction, self.graph.output, function="sigmoid", apply=torch.sigmoid)
        self._emit(FloatMultiply, name, self.graph.output)

    def _any(self) -> str:
        """Most often one of the newest tensors."""
        names = list(self.graph.shapes)
        return self.rng.choice(names[-3:] if self.rng.random() < 0.7 else names)

    def _pair(self) -> tuple[str, str]:
        """A tensor, and one of its shape or with a value for each of its channels."""
        first = self._any()
        shape = self.graph.shapes[first]
        fitting = (shape, (shape[0], 1, 1))
        names = [name for name, other in self.graph.shapes.items() if other in fitting]
        return first, self.rng.choice(names)

    def _conv(self, name: str, cout: int, kernel: int, groups: int = 1) -> None:
        cin = self.graph.shapes[name][0] // groups
        op = conv(self._name(), name, cin=cin, cout=cout, kernel=kernel, groups=groups)
        self._keep(replace(op, weight=op.weight / (cin * kernel**2) ** 0.5))

    def _average(self, name: str) -> None:
        self._emit(FloatGlobalAvgPool, name)

    def _name(self) -> str:
        return f"t{len(self.graph.ops)}"

    def _emit(self, kind: type[FloatOp], *inputs: str, **fields) -> None:
        name = self._name()
        self._keep(kind(name, inputs, name, **fields))

    def _keep(self, op: FloatOp) -> None:
        self.graph = self.graph.with_ops([*self.graph.ops, op], (op.output,))


FUNCTIONS = {
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "leaky_relu": functional.leaky_relu,
    "hardswish": functional.hardswish,
}
# One at a time, or pools and convolutions; and what has tables, products or shared scales.
PLAIN = ("conv", "batch_norm", "scale", "activation", "every_second", "pad", "max_pool", "average")
NEW = ("function", "add", "multiply", "concat", "slice", "excite", "constant", "windows")
NEW += ("upsample",)


def random_graph(seed: int, kinds: Sequence[str] = PLAIN + NEW) -> FloatGraph:
    """A network of these kinds of operators."""
    made = RandomGraph(seed)
    return made.draw(kinds, made.rng.randint(3, 12))
