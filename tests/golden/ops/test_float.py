"""Float operators: the shape that each says is that of what it computes."""

import math

import pytest
import torch

from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatAvgPool,
    FloatBatchNorm,
    FloatConcat,
    FloatConv,
    FloatFunction,
    FloatGlobalAvgPool,
    FloatLinear,
    FloatMaxPool,
    FloatMultiply,
    FloatPad,
    FloatScale,
    FloatSlice,
    Operand,
    QSlice,
    QTensor,
)

pytestmark = pytest.mark.verifies("operators", by="unit")

SHAPE = (4, 9, 12)


def conv(kernel, groups=1, **fields):
    weight = torch.randn(6, 4 // groups, *kernel)
    return FloatConv("y", ("x",), "y", weight, torch.randn(6), groups=groups, **fields)


def pool(*fields):
    return FloatMaxPool("y", ("x",), "y", *fields)


ones = torch.ones(4)
OPS = {
    "conv": conv((3, 2)),
    "conv padded": conv((2, 3), stride=(1, 2), padding=(1, 0, 2, 1)),
    "conv dilated, in groups": conv((3, 3), groups=2, dilation=(2, 3)),
    "conv with a residual": FloatConv(
        "y", ("x", "x"), "y", torch.randn(4, 4, 1, 1), torch.randn(4), lo=0.0, hi=1.0
    ),
    "linear": FloatLinear("y", ("x",), "y", torch.randn(5, math.prod(SHAPE)), torch.randn(5)),
    "add": FloatAdd("y", ("x", "x"), "y", lo=-0.5),
    "multiply": FloatMultiply("y", ("x", "x"), "y", hi=0.5),
    "function": FloatFunction("y", ("x",), "y", "silu", torch.nn.functional.silu),
    "concat": FloatConcat("y", ("x", "x", "x"), "y"),
    "average of windows": FloatAvgPool("y", ("x",), "y", (2, 3), (1, 2), (1, 1), True, False),
    "scale": FloatScale("y", ("x",), "y", torch.randn(4), torch.randn(4)),
    "average": FloatGlobalAvgPool("y", ("x",), "y"),
    "activation": FloatActivation("y", ("x",), "y", 0.0, 6.0),
    "batch norm": FloatBatchNorm("y", ("x",), "y", ones, ones, ones, None, 1e-5),
    "pad": FloatPad("y", ("x",), "y", (1, 0, -2, 3), (2, -1)),
    "slice of channels": FloatSlice("y", ("x",), "y", 1, 1, None, 2),
    "slice of rows": FloatSlice("y", ("x",), "y", 2, -5, 1 << 63, 3),
    "slice of columns": FloatSlice("y", ("x",), "y", 3, None, 7, 1),
    "slice of images": FloatSlice("y", ("x",), "y", 0, 1, None, 1),
    "pool": pool((2, 2), (2, 2)),
    "pool padded": pool((3, 3), (2, 2), (1, 1, 1, 1)),
    "pool dilated": pool((2, 3), (1, 3), (0, 0, 1, 1), (3, 2)),
    **{f"pool {s}": pool((2, 3), (s, s), (1, 0, 1, 2)) for s in range(1, 6)},
}


@pytest.mark.parametrize("case", OPS)
def test_shape(case):
    op = OPS[case]
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    y = op.compute(*[x] * len(op.inputs))
    assert tuple(y.shape[1:]) == op.shape(*[SHAPE] * len(op.inputs))
    bounds = getattr(op, "lo", -math.inf), getattr(op, "hi", math.inf)
    assert bounds[0] <= y.min() and y.max() <= bounds[1]


@pytest.mark.parametrize("kind", [FloatAdd, FloatMultiply])
def test_a_value_for_each_channel(kind):
    op = kind("y", ("x", "v"), "y", lo=-0.5)
    x, v = torch.randn(2, *SHAPE), torch.randn(2, 4, 1, 1)
    assert tuple(op.compute(x, v).shape[1:]) == op.shape(SHAPE, (4, 1, 1)) == SHAPE
    vector, single, map_ = (Operand(shape, None) for shape in ((4, 1, 1), (1, 1, 1), SHAPE))
    assert op.refusal(map_, vector) is op.refusal(map_, map_) is op.refusal(vector, vector) is None
    assert "equal, or one of them [4, 1, 1]" in (op.refusal(map_, single) or "")
    assert op.refusal(vector, map_)


def test_a_slice_from_the_end_begins_at_a_channel():
    x, y = QTensor("x", (8, 3, 2), 1.0, 0), QTensor("y", (3, 3, 2), 1.0, 0)
    made = FloatSlice("y", ("x",), "y", 1, -3, None, 1).quantise(y, x)
    assert isinstance(made, QSlice)
    assert made.first == 5
