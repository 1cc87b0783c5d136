"""Operators from the module to the RTL: float network, quantised, compiled, run, every tensor
compared with the golden model."""

import numpy as np
import pytest
import torch
from torch import nn

from resarray.compiler.compile import compile_graph
from resarray.compiler.placement import complete
from resarray.golden import fast, reference
from resarray.golden.float_graph import run_float
from resarray.golden.importer import import_model
from resarray.golden.quantise import normalise, quantise, quantise_input
from resarray.sim import build
from resarray.sim.run import MemoryModel, run_many
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("operators", "drain", "pools", by="program")

SHAPE = (6, 9, 7)
MEAN, STD = (0.5,) * 6, (0.25,) * 6


class Clamps(nn.Module):
    """ReLU6, Hardtanh and a clamp, on a convolution, an addition and a linear layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(6, 9, 3, padding=1)
        self.second = nn.Conv2d(9, 9, 1)
        self.relu6 = nn.ReLU6()
        self.hardtanh = nn.Hardtanh(-0.5, 0.75)
        self.fc = nn.Linear(9, 5)

    def forward(self, x):
        x = self.relu6(self.first(x))
        x = self.hardtanh(self.second(x) + x)
        return self.fc(x.mean((2, 3))).clamp(max=0.1)


class Separable(nn.Module):
    """Depthwise and grouped convolutions: more outputs than inputs, a stride, a residual."""

    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(6, 12, 3, padding=1, groups=6)
        self.pointwise = nn.Conv2d(12, 10, 1)
        self.strided = nn.Conv2d(10, 10, (5, 3), stride=2, padding=(2, 1), groups=10)
        self.halves = nn.Conv2d(10, 10, 3, padding=1, groups=2)
        self.fc = nn.Linear(10, 5)

    def forward(self, x):
        x = self.strided(self.pointwise(self.depthwise(x).relu())).relu()
        return self.fc((self.halves(x) + x).mean((2, 3)))


class PreActivation(nn.Module):
    """Batch norms before their convolutions: of the input, and of sums that the shortcut reads."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (6, 10, 10))
        for norm in self.norms:
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, -1, 1)
            nn.init.normal_(norm.bias)
        self.stem = nn.Conv2d(6, 10, 1)
        self.block = nn.Conv2d(10, 10, 3, padding=1)
        self.fc = nn.Linear(10, 5)

    def forward(self, x):
        x = self.stem(self.norms[0](x).relu())
        x = x + self.block(self.norms[1](x).relu())
        return self.fc(self.norms[2](x).relu().mean((2, 3)))


class Strides(nn.Module):
    """Dilated convolutions, patches, strides of 3 and 4, and what lies between."""

    def __init__(self):
        super().__init__()
        self.dilated = nn.Conv2d(6, 9, 3, padding=(4, 2), dilation=(4, 2))
        self.strided = nn.Conv2d(9, 10, (2, 3), stride=(1, 3))
        self.depthwise = nn.Conv2d(10, 10, (3, 2), padding=(2, 1), dilation=(2, 1), groups=10)
        self.patches = nn.Conv2d(10, 5, (4, 2), stride=(4, 2))

    def forward(self, x):
        x = self.strided(self.dilated(x).relu()).relu()
        return self.patches(self.depthwise(x)).mean((2, 3))


class Around(nn.Module):
    """Padding, cropping, averages of windows, constants, and activations that stand alone."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(6, 9, 3)
        self.second = nn.Conv2d(9, 9, 3, padding=1)
        self.offset = nn.Parameter(torch.randn(9, 1, 1))
        self.fc = nn.Linear(5, 4)

    def forward(self, x):
        x = self.first(nn.functional.pad(x * 0.5 - 0.25, (0, 2, 1, 1)))
        x = x.relu() - self.second(x) * 0.5
        x = nn.functional.max_pool2d(self.second(x), 2).relu() + self.offset
        x = nn.functional.avg_pool2d(x, 3, 1, 1)[:, 2:7, :, 1:]
        x = nn.functional.pad(x, (1, 0, 2, -1)).relu()
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Branches(nn.Module):
    """Branches of an inception block side by side, and pools whose last windows end outside."""

    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(6, 5, 1), nn.Conv2d(6, 7, 3, padding=1)
        self.five = nn.Conv2d(6, 3, 5, padding=2)
        self.last = nn.Conv2d(21, 6, 2)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        pooled = nn.functional.avg_pool2d(x, 3, 1, 1)
        x = torch.cat([self.one(x).relu(), self.three(x).relu(), self.five(x), pooled], 1)
        x = x + torch.cat(x.split([5, 16], 1)[::-1], 1)
        x = nn.functional.max_pool2d(x, 2, ceil_mode=True)  # 5x4, the last row alone
        x = self.last(nn.functional.max_pool2d(x[:, :, :, 1:], 3, 2, 1, ceil_mode=True))
        return self.fc(torch.cat([x.mean((2, 3)), x.relu().mean((2, 3))], 1))


class Excite(nn.Module):
    """Squeeze and excitation, functions of one value, products, and a value for each channel."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 9, 3, padding=1), nn.Conv2d(9, 9, 1)
        self.squeeze, self.expand = nn.Conv2d(9, 4, 1), nn.Conv2d(4, 9, 1)
        self.fc = nn.Linear(9, 4)

    def forward(self, x):
        x = nn.functional.silu(self.first(x))
        factor = self.expand(self.squeeze(x.mean((2, 3), keepdim=True)).relu())
        x = x * factor.sigmoid() + factor
        x = x * nn.functional.hardswish(self.second(x))
        x = nn.functional.gelu(nn.functional.max_pool2d(x, 2, 1))
        return self.fc(x.mean((2, 3))).tanh()


class Inception(nn.Module):
    """Parts of 4 and 8 channels side by side, pools of stride 1 and 3 and of large windows, parts
    of a part, and a list that grows."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(6, 8, 3, padding=1)
        self.branches = nn.ModuleList(nn.Conv2d(8, n, 1) for n in (8, 4, 8))
        self.dense = nn.ModuleList(nn.Conv2d(20 + 4 * n, 4, 3, padding=1) for n in range(3))
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        x = self.stem(x).relu()
        pools = (x, nn.functional.max_pool2d(x, 3, 1, 1), nn.functional.max_pool2d(x, 5, 1, 2))
        parts = [branch(pool) for branch, pool in zip(self.branches, pools, strict=True)]
        parts = [torch.cat(parts, 1).relu()]
        for layer in self.dense:
            parts.append(layer(torch.cat(parts, 1)).relu())
        x = torch.cat(parts, 1)
        first, second = x[:, 4:16], x[:, 16:28]
        x = nn.functional.max_pool2d(first + second, (4, 2), (5, 3), (1, 0))
        return self.fc(x.mean((2, 3)))


class Decoder(nn.Module):
    """An encoder and back, with a skip connection, and a table behind an upsampling."""

    def __init__(self):
        super().__init__()
        self.down, self.skip = nn.Conv2d(6, 9, 3, stride=3), nn.Conv2d(6, 4, 1)
        self.up = nn.Upsample(scale_factor=(3, 2))
        self.last, self.fc = nn.Conv2d(12, 5, (3, 2)), nn.Linear(5, 4)

    def forward(self, x):
        y = self.up(self.down(x)).relu()  # 9x4
        y = torch.cat([self.skip(x[:, :, :, 1:5]), y[:, :8]], 1)
        y = nn.functional.silu(nn.functional.interpolate(self.last(y), scale_factor=2))
        return self.fc(y.mean((2, 3)))


NETWORKS = {
    "excite": Excite,
    "inception": Inception,
    "decoder": Decoder,
    "branches": Branches,
    "around": Around,
    "clamps": Clamps,
    "separable": Separable,
    "pre-activation": PreActivation,
    "strides": Strides,
}


def spread(model: nn.Module) -> nn.Module:
    """Weights large enough that activations meet their bounds."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model.eval()


# Icarus is slow: a network with every unit of the drain, and one with groups.
ON_ICARUS = ("excite", "inception", "separable")
CASES = [(name, "verilator") for name in NETWORKS] + [
    pytest.param(name, "icarus", marks=pytest.mark.long) for name in ON_ICARUS
]


@pytest.mark.parametrize("name, simulator", CASES)
def test_operators_on_the_rtl(name, simulator):
    torch.manual_seed(1)
    model = spread(NETWORKS[name]())
    pixels = np.random.default_rng(2).integers(0, 256, (8, *SHAPE[1:], SHAPE[0]), np.uint8)
    images = normalise(pixels, MEAN, STD)
    graph = import_model(model, SHAPE, name)
    with torch.no_grad():
        expected = model(images)
    torch.testing.assert_close(run_float(graph, images).flatten(1), expected.flatten(1))
    integers = quantise(graph, images)
    x = quantise_input(integers.tensors[integers.input], pixels, MEAN, STD)
    golden = fast.run(integers, x)
    slow = reference.run(integers, x[:1])
    for tensor, values in golden.items():
        np.testing.assert_array_equal(values[:1], slow[tensor])
    config = preset("tiny")
    golden = complete(integers, config, golden)
    # The integers stand for the floats: within a few steps of the output's scale.
    output = integers.tensors[integers.output]
    real = (golden[integers.output].astype(float) - output.zero_point) * output.scale
    assert np.abs(real.reshape(len(x), -1) - expected.flatten(1).numpy()).max() < 0.1 * max(
        1.0, float(expected.abs().max())
    )
    batch = 2 if simulator == "verilator" else 1  # Icarus is slow
    programs = [(compile_graph(integers, config, batch=batch), x[:batch])]
    (result,) = run_many(
        programs,
        simulator=simulator,
        memory=[MemoryModel(stall_probability=0.3)],
        design=build.verilog(config),
    )
    assert len(result.tensors) >= 3
    for tensor, values in result.tensors.items():
        np.testing.assert_array_equal(values, golden[tensor][:batch], tensor)
