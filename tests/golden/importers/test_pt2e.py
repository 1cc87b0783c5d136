"""Networks that torchao has quantised: their scales hold, and its execution is what comes out."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from resarray.golden import fast
from resarray.golden.float_graph import run_float
from resarray.golden.importers.torch_export import read_model
from resarray.golden.ops import FloatConv, FloatQuantise
from resarray.golden.passes import fuse_addition, simplify
from resarray.golden.quantise import quantise, unscaled
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("front-ends", by="unit")

pytest.importorskip("torchao", reason="torchao is missing: pip install -e '.[pt2e]'")
SHAPE = (3, 12, 10)


class Net(nn.Module):
    """A block with a projection, a concatenation, pools, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.a = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.b = nn.Conv2d(12, 12, 3, padding=1)
        self.down = nn.Conv2d(8, 12, 1, stride=2)
        self.c = nn.Conv2d(12, 5, 1)
        self.pool = nn.MaxPool2d(2, stride=1)
        self.fc = nn.Linear(17, 6)

    def forward(self, x):
        x = torch.relu(self.bn(self.stem(x)))
        x = torch.relu(self.b(torch.relu(self.a(x))) + self.down(x))
        x = self.pool(torch.cat([torch.relu(self.c(x)), x], 1))
        return self.fc(x.mean((2, 3)))


def converted(quantizer, images: torch.Tensor) -> nn.Module:
    """`Net` as prepare_pt2e and convert_pt2e make it."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    torch.manual_seed(0)
    batch = {0: torch.export.Dim("batch")}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(Net().eval(), (images,), dynamic_shapes=(batch,))
        prepared = prepare_pt2e(program.module(), quantizer)
        prepared(images)
        return convert_pt2e(prepared)


def own():
    from resarray.golden.pt2e import ResarrayQuantizer

    return ResarrayQuantizer()


def xnnpack():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchao.testing.pt2e import _xnnpack_quantizer as module

        config = module.get_symmetric_quantization_config(is_per_channel=True)
        return module.XNNPACKQuantizer().set_global(config)


@pytest.mark.parametrize("quantizer", [own, xnnpack])
def test_scales_hold_and_its_execution_comes_out(quantizer):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(32, *SHAPE, generator=generator)
    model = converted(quantizer(), images)
    with torch.no_grad():
        expected = model(images).numpy()
    graph = read_model(model, SHAPE)
    rounded = {(op.scale, op.zero_point) for op in graph.ops if isinstance(op, FloatQuantise)}
    np.testing.assert_allclose(run_float(graph, images)[:, :, 0, 0].numpy(), expected, atol=0.1)
    graph = simplify(graph)
    assert not unscaled(graph) and {*graph.scales.values()} <= rounded
    stem = next(op for op in graph.ops if isinstance(op, FloatConv))
    stored = next(value for name, value in model.named_buffers() if value.dtype == torch.int8)
    integer = quantise(graph, images[:0])
    np.testing.assert_array_equal(integer.ops[0].weight, stored.numpy(), err_msg=stem.name)
    x, y = integer.tensors[integer.input], integer.tensors[integer.output]
    pixels = ((images / x.scale).round() + x.zero_point).clamp(-128, 127).to(torch.int8)
    answer = fast.run(integer, pixels.numpy())[integer.output][:, :, 0, 0].astype(int)
    steps = np.abs(answer - y.zero_point - expected / y.scale)
    assert steps.max() <= 2 and steps.mean() < 0.3


def test_the_quantizer_rounds_where_hardware_does():
    """The additions are fused, so nothing is rounded in front of one of their operands."""
    images = torch.randn(8, *SHAPE)
    graph = fuse_addition(simplify(read_model(converted(own(), images), SHAPE)))
    fused = [op for op in graph.ops if len(op.inputs) == 2 and isinstance(op, FloatConv)]
    assert [op.name for op in fused] == ["b"] and fused[0].lo == 0
    assert not any("scaled" in op.name for op in graph.ops)


class Rounds(nn.Module):
    """Quantises its input with these arguments, and its weights with those."""

    def __init__(self, *arguments, zero_point=0, dtype=torch.int8, axis=0):
        super().__init__()
        self.arguments, self.axis = arguments, axis
        self.register_buffer("stored", torch.ones(2, 3, 1, 1, dtype=dtype))
        self.register_buffer("scales", torch.full((2 if axis == 0 else 3,), 0.5))
        self.register_buffer("zeros", torch.full((2 if axis == 0 else 3,), zero_point))

    def forward(self, x):
        ops = torch.ops.quantized_decomposed
        x = ops.dequantize_per_tensor(ops.quantize_per_tensor(x, *self.arguments), *self.arguments)
        info = torch.iinfo(self.stored.dtype)
        weight = ops.dequantize_per_channel(
            self.stored, self.scales, self.zeros, self.axis, info.min, info.max, self.stored.dtype
        )
        return torch.nn.functional.conv2d(x, weight)


INT8 = (0.5, 3, -128, 127, torch.int8)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ((0.5, 3, 0, 65535, torch.uint16), "uint16 values: int8 and uint8 are supported"),
        ((0.0, 3, -128, 127, torch.int8), "scale 0 and zero point 3: a scale is positive"),
        ((float("nan"), 3, -128, 127, torch.int8), "its scale or zero point is nan"),
        ((0.5, 300, -128, 127, torch.int8), "zero point 300: a scale is positive, a zero point of"),
        ((INT8, {"zero_point": 4}), "its weights have zero points: symmetric ones"),
        ((INT8, {"dtype": torch.uint8}), "its weights are uint8: int8 ones are supported"),
        ((INT8, {"axis": 1}), "its weights have scales along axis 1: axis 0"),
    ],
)
def test_what_is_refused(model, message):
    import torch.ao.quantization.fx._decomposed  # noqa: F401

    arguments, options = model if isinstance(model[-1], dict) else (model, {})
    with pytest.raises(ResarrayError, match=message):
        simplify(read_model(Rounds(*arguments, **options), (3, 4, 4)))


def test_unsigned_and_narrow_ranges():
    """uint8 is int8 with a zero point 128 less; a range within it saturates as such."""
    import torch.ao.quantization.fx._decomposed

    x = torch.linspace(-20, 60, 48).reshape(1, 3, 4, 4)
    for arguments in ((0.25, 131, 0, 255, torch.uint8), (0.5, 3, 0, 127, torch.uint8)):
        model = Rounds(*arguments)
        graph = read_model(model, (3, 4, 4))
        torch.testing.assert_close(run_float(graph, x), model(x))
        assert (*simplify(graph).scales.values(),)[0] == (arguments[0], arguments[1] - 128)
