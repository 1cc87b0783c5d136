"""Figures of operators before quantisation, against PyTorch's own."""

import os
import random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resarray.golden.inspection import operators, random_graph
from resarray.golden.models import load_model, of_module
from resarray.golden.passes.check import told_once
from resarray.golden.pipeline import read_network
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("front-ends", by="unit")

SEED = int(os.environ.get("RESARRAY_SEED", random.randrange(1 << 30)))


def grouped() -> nn.Module:
    """Groups, dilation and sides that differ."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, groups=3, bias=False),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, (3, 1), dilation=2, groups=6),
        nn.Flatten(),
        nn.Linear(6 * 9 * 13, 5),
    )


@pytest.mark.parametrize("model", [load_model("resnet8"), grouped()], ids=["resnet8", "grouped"])
def test_macs_and_parameters_are_pytorchs(model):
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 28, 28))
    found = operators(read_network(of_module(model), input_size=28))
    assert 2 * sum(op.macs for op in found) == counter.get_total_flops()
    assert sum(op.parameters for op in found) == sum(p.numel() for p in model.parameters())
    assert not any(op.refusal for op in found)


def random_stack(rng: random.Random) -> nn.Sequential:
    """Windows of random sizes, strides and dilations, whose weights are all positive."""
    layers: list[nn.Module] = []
    # A convolution in every one of them.
    kinds = ["conv", *rng.choices(["conv", "average", "upsample"], k=rng.randint(0, 3))]
    for kind in kinds:
        size, stride = (rng.randint(2, 4), rng.randint(2, 4)), (rng.randint(1, 2), 1)
        if kind == "conv":
            dilation = rng.randint(1, 2), rng.randint(2, 3)
            conv = nn.Conv2d(1, 1, size, stride, dilation=dilation)
            nn.init.ones_(conv.weight)
            layers.append(conv)
        elif kind == "average":
            layers.append(nn.AvgPool2d(size, stride))
        else:
            layers.append(nn.Upsample(scale_factor=2))
    model = nn.Sequential(*layers)
    model.channels = 1
    return model


def test_receptive_fields_are_where_gradients_come_from():
    """Of the pixel in the middle, and of one beside it: behind an upsampling they may differ, and
    the field is that of the larger."""
    print(f"RESARRAY_SEED={SEED}")
    rng = random.Random(SEED)
    for _ in range(4):
        model = random_stack(rng)
        graph = read_network(of_module(model), input_size=96)
        found = operators(graph)[-1].receptive_field
        x = torch.zeros(1, 1, 96, 96, requires_grad=True)
        y = model(x)[0, 0]
        seen = [0, 0]
        middle = y.shape[0] // 2, y.shape[1] // 2
        for row in range(4):
            for column in range(4):
                pixel = y[middle[0] + row, middle[1] + column]
                (gradient,) = torch.autograd.grad(pixel, x, retain_graph=True)
                reached = gradient[0, 0] != 0
                for axis in (0, 1):
                    lines = reached.any(1 - axis).nonzero().flatten()
                    seen[axis] = max(seen[axis], int(lines[-1] - lines[0]) + 1)
        if any(isinstance(layer, nn.Upsample) for layer in model):
            # Between the pixels of a larger map a window's end may round to either.
            assert all(abs(a - b) <= 1 for a, b in zip(found, seen, strict=True)), model
        else:
            assert found == tuple(seen), model


class Refused(nn.Module):
    """Three operators that cannot run, between those that can."""

    def __init__(self):
        super().__init__()
        self.far = nn.Conv2d(3, 4, 3, stride=17)
        self.shuffle = nn.PixelShuffle(2)
        self.norm = nn.LayerNorm([1, 4, 4])
        self.last = nn.Conv2d(1, 2, 1)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.shuffle(self.far(x)))))


def test_all_reasons_at_once():
    graph = read_network(of_module(Refused()), input_size=20)
    found = operators(graph)
    refused = {op.name: op.refusal for op in found if op.refusal}
    assert list(refused) == ["far", "shuffle", "norm"]
    assert refused["far"] == "stride 17x17: at most 16 is supported"
    assert {op.name for op in found} > refused.keys()
    with pytest.raises(ResarrayError, match="stride 17x17"):
        random_graph(graph)


class Attention(nn.Module):
    """What cannot run, on tensors that are neither maps nor vectors."""

    def __init__(self):
        super().__init__()
        self.stem, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1)
        self.norm, self.mix = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x):
        tokens = self.norm(self.stem(x).flatten(2).permute(0, 2, 1))
        tokens = self.mix(torch.softmax(tokens @ tokens.mT, -1) @ tokens)
        return self.last(tokens.mT.reshape(-1, 4, 6, 6))


def test_all_reasons_behind_what_is_no_map():
    """Each operator that no front end reads, once, with its line."""
    found = operators(read_network(of_module(Attention()), input_size=6))
    refused = [op.operator.removeprefix("aten.") for op in found if op.refusal]
    assert refused == [
        "permute.default",
        "layer_norm.default",
        "mT.default",
        "matmul.default",
        "softmax.int",
        "matmul.default",
        "mT.default",
    ]
    assert all(op.source for op in found if op.refusal)
    told = list(told_once(op.refusal for op in found if op.refusal))
    assert told[0].startswith("not supported; supported are: 2-D convolution")
    assert set(told[1:]) == {"not supported"}
    assert found[0].refusal is None  # the convolution before them
    assert all((op.shape is None) == bool(op.refusal) for op in found)


def test_a_zoo_network_is_the_same_every_time():
    one, other = (random_graph(read_network("lenet5")) for _ in range(2))
    weights = [[op.weight for op in graph.ops if hasattr(op, "weight")] for graph in (one, other)]
    assert weights[0]
    assert all((a == b).all() for a, b in zip(*weights, strict=True))
