"""Networks with functions, channel factors and dense concatenations lose little as integers."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from resarray.golden import fast
from resarray.golden.float_graph import run_float
from resarray.golden.importer import import_model
from resarray.golden.quantise import quantise

pytestmark = pytest.mark.verifies("training", by="unit")

LEAST = 25.0  # dB


class Excite(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.shrink = nn.Linear(channels, channels // 4)
        self.expand = nn.Linear(channels // 4, channels)

    def forward(self, x):
        s = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        s = torch.sigmoid(self.expand(functional.silu(self.shrink(s))))
        return x * s.view(x.size(0), -1, 1, 1).expand_as(x)


class Dense(nn.Module):
    """Each layer reads a concatenation of all before it."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(16 + 8 * number),
                nn.ReLU(),
                nn.Conv2d(16 + 8 * number, 8, 3, padding=1, bias=False),
            )
            for number in range(3)
        )

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


def layer(cin: int, activation: nn.Module) -> list[nn.Module]:
    return [nn.Conv2d(cin, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), activation]


NETWORKS = {
    "silu": lambda: [*layer(3, nn.SiLU()), *layer(16, nn.SiLU()), *layer(16, nn.SiLU())],
    "gelu": lambda: [*layer(3, nn.GELU()), nn.MaxPool2d(2), *layer(16, nn.GELU())],
    "hardswish": lambda: [*layer(3, nn.Hardswish()), *layer(16, nn.Hardswish())],
    "squeeze and excitation": lambda: [
        *layer(3, nn.SiLU()),
        Excite(16),
        *layer(16, nn.ReLU()),
        Excite(16),
    ],
    "dense": lambda: [*layer(3, nn.ReLU()), Dense(), nn.Conv2d(40, 16, 1)],
}


@pytest.mark.parametrize("case", NETWORKS)
def test_signal_is_far_above_the_noise(case):
    torch.manual_seed(1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    model = nn.Sequential(*NETWORKS[case](), *head)
    images = torch.randn(32, 3, 12, 12)
    with torch.no_grad():
        for _ in range(10):  # the batch norms' statistics
            model.train()(images)
    graph = import_model(model.eval(), (3, 12, 12))
    integer = quantise(graph, images)
    tensor = integer.tensors["input"]
    x = (images / tensor.scale).round() + tensor.zero_point
    values = fast.run(integer, x.clamp(-128, 127).to(torch.int8).numpy())
    exact = {}
    run_float(graph, images, lambda name, value: exact.__setitem__(name, value.double()))
    for name, tensor in integer.tensors.items():
        found = tensor.scale * (torch.from_numpy(values[name]).double() - tensor.zero_point)
        noise = (found - exact[name]).square().mean()
        ratio = 10 * torch.log10(exact[name].square().mean() / noise).item()
        assert ratio > LEAST, f"{name}: {ratio:.1f} dB"
