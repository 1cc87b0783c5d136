"""Small float graphs, and that a pass does not change what they compute."""

import torch

from resarray.golden.float_graph import FloatGraph, run_float
from resarray.golden.ops import FloatBatchNorm, FloatConv, FloatOp, Shape

SHAPE = (3, 6, 7)


def network(*ops: FloatOp, shape: Shape = SHAPE, output: str | None = None) -> FloatGraph:
    """These operators, the first of which read "input"; the last makes the output."""
    return FloatGraph("net", "input", output or ops[-1].output, shape, ops)


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
    found, expected = run_float(after, x), run_float(before, x)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert after.shapes[after.output] == tuple(found.shape[1:])


def kinds(graph: FloatGraph) -> list[str]:
    """The operators' kinds, in order."""
    return [type(op).__name__.removeprefix("Float") for op in graph.ops]
