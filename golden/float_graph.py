"""The float graph: what the importer makes of a PyTorch model, batch norms folded, ready to be
quantised. `run_float` computes it, `importer` builds it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional


@dataclass
class FloatConv:
    """weight: float [Cout][Cin][kh][kw], bias: float [Cout]; zero padding (top, bottom, left,
    right). A fully connected layer is a convolution whose kernel covers the map (op "linear")."""

    name: str
    input: str
    output: str
    weight: Tensor
    bias: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    relu: bool = False
    op: str = "conv"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def selects(self) -> bool:
        """Whether every output channel is one input channel as it is, or zero: then the output
        takes over the input's scale and is exact."""
        flat = self.weight.flatten(1)
        ones = ((flat == 1).sum(1) <= 1) & ((flat == 0) | (flat == 1)).all(1)
        return bool(ones.all()) and not self.bias.any() and not self.relu


@dataclass
class FloatMaxPool:
    """Square maximum pool of stride 2, padded on all sides."""

    name: str
    input: str
    output: str
    kernel: int
    padding: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass
class FloatGlobalAvgPool:
    """Mean of the whole map: [C][1][1]."""

    name: str
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass
class FloatAdd:
    """a + b of equal shapes."""

    name: str
    a: str
    b: str
    output: str
    relu: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.a, self.b)


FloatOp = FloatConv | FloatMaxPool | FloatGlobalAvgPool | FloatAdd


@dataclass
class FloatGraph:
    """Operators in execution order; ``shapes``: tensor name -> [C, H, W] of one image."""

    name: str
    input: str
    output: str
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    ops: list[FloatOp] = field(default_factory=list)

    def uses(self) -> dict[str, int]:
        """How often each tensor is read; the graph's output counts as one use."""
        counts = dict.fromkeys(self.shapes, 0)
        for op in self.ops:
            for name in op.inputs:
                counts[name] += 1
        counts[self.output] += 1
        return counts


def compute(op: FloatOp, *inputs: Tensor) -> Tensor:
    """One operator on float [N][C][H][W]."""
    x = inputs[0]
    if isinstance(op, FloatConv):
        top, bottom, left, right = op.padding
        x = functional.pad(x, (left, right, top, bottom))
        y = functional.conv2d(x, op.weight, op.bias, op.stride)
    elif isinstance(op, FloatMaxPool):
        y = functional.max_pool2d(x, op.kernel, 2, op.padding)
    elif isinstance(op, FloatGlobalAvgPool):
        y = x.mean((2, 3), keepdim=True)
    else:
        y = x + inputs[1]
    return functional.relu(y) if getattr(op, "relu", False) else y


@torch.inference_mode()
def run_float(
    graph: FloatGraph, x: Tensor, observe: Callable[[str, Tensor], None] | None = None
) -> Tensor:
    """The output [N][C][H][W] for inputs [N][C][H][W]; ``observe(name, value)`` sees every tensor,
    the input included. Values are dropped after their last use."""
    values = {graph.input: x}
    if observe:
        observe(graph.input, x)
    left = graph.uses()
    for op in graph.ops:
        values[op.output] = compute(op, *(values[name] for name in op.inputs))
        if observe:
            observe(op.output, values[op.output])
        for name in op.inputs:
            left[name] -= 1
            if not left[name]:
                values.pop(name, None)
    return values[graph.output]
