"""Import of PyTorch models: the float graph computes what the model does, and what cannot be
imported is named."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from resarray.golden.float_graph import run_float
from resarray.golden.importer import import_model
from resarray.golden.models import ZOO, load_model
from resarray.golden.ops import ClampedOp, FloatConv
from resarray.spec.errors import ResarrayError

SEED = 3


def randomise(model: nn.Module) -> nn.Module:
    """Random batch-norm parameters and statistics, so that folding matters."""
    torch.manual_seed(SEED)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


def check(model: nn.Module, shape=(3, 16, 16)):
    """The float graph of ``model``, compared with it."""
    randomise(model)
    graph = import_model(model, shape)
    x = torch.randn(2, *shape)
    with torch.no_grad():
        expected = model(x)
    result = run_float(graph, x).reshape(expected.shape)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
    return graph


class Tail(nn.Module):
    """A convolution with batch norm, then ``function`` of its output."""

    def __init__(self, function, **layers):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, self.bn(self.conv(x)))


@pytest.mark.parametrize("name", ["resnet8", "resnet20", "resnet18"])
def test_zoo_networks(name):
    size = 33 if name == "resnet18" else 17  # odd sizes too
    graph = check(load_model(name, 7), (3, size, size))
    assert graph.shapes[graph.output] == (7, 1, 1)


def test_option_a_shortcut_is_a_selection():
    graph = check(load_model("resnet8"))
    shortcuts = [op for op in graph.ops if isinstance(op, FloatConv) and op.selects]
    assert [op.name for op in shortcuts] == ["layer2.0.shortcut", "layer3.0.shortcut"]
    assert all(op.stride == (2, 2) for op in shortcuts)
    weight = shortcuts[0].weight[:, :, 0, 0]
    assert (
        torch.equal(weight[4:12], torch.eye(8)) and not weight[:4].any() and weight[12:].sum() == 0
    )


def test_names_are_module_paths_and_relus_are_fused():
    graph = check(load_model("resnet8"))
    names = [op.name for op in graph.ops]
    assert names[:4] == ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.0.add"]
    relu = {op.name: op.clamps for op in graph.ops if isinstance(op, ClampedOp)}
    assert relu["conv1"] and relu["layer1.0.add"] and not relu["layer1.0.conv2"]


SUPPORTED = {
    "in-place": lambda m, x: functional.relu_(x).add_(x),
    "max pool 2": lambda m, x: functional.max_pool2d(x, 2),
    "max pool 3": lambda m, x: functional.max_pool2d(x, 3, 2),
    "mean": lambda m, x: m.fc(x.mean((-1, -2))),
    "mean keepdim": lambda m, x: m.fc(x.mean((2, 3), keepdim=True).flatten(1)),
    "avg_pool2d": lambda m, x: m.fc(functional.avg_pool2d(x, x.size(3)).view(x.size(0), -1)),
    "squeeze": lambda m, x: m.fc(functional.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1)),
    "flatten of a map": lambda m, x: m.wide(torch.flatten(x, 1)),
    "two linears": lambda m, x: m.fc2(functional.relu(m.fc(x.mean((2, 3))))),
    "dropout": lambda m, x: m.fc(functional.dropout(x.mean((2, 3)), 0.5, False)),
    "identity": lambda m, x: nn.Identity()(x).relu(),
    "same module twice": lambda m, x: m.same(m.same(x)),
    "sum with itself": lambda m, x: x + x,
    "rectangular": lambda m, x: m.rect(x),
    "converted": lambda m, x: x.to(torch.float32).relu(),
}


@pytest.mark.parametrize("case", SUPPORTED)
def test_supported_forms(case):
    graph = check(
        Tail(
            SUPPORTED[case],
            fc=nn.Linear(4, 5),
            fc2=nn.Linear(5, 2),
            wide=nn.Linear(4 * 8 * 8, 3),
            same=nn.Conv2d(4, 4, (2, 3), padding="same", bias=False),
            rect=nn.Conv2d(4, 2, (1, 5), stride=(1, 2), padding=(0, 2)),
        ),
        (3, 8, 8),
    )
    names = [op.name for op in graph.ops]
    assert len(set(names)) == len(names)


REFUSED = {
    "dilated": (lambda m, x: m.dilated(x), r"dilation = \(2, 2\)"),
    "stride 3": (lambda m, x: m.strided(x), r"stride = \(3, 3\)"),
    "padding": (lambda m, x: m.padded(x), "at most 15"),
    "sigmoid": (lambda m, x: torch.sigmoid(x), "sigmoid.*supported are"),
    "average pool": (lambda m, x: functional.avg_pool2d(x, 2), "only the whole map"),
    "max pool stride 1": (lambda m, x: functional.max_pool2d(x, 3, 1), "stride 1x1: only 2 "),
    "max pool padding": (
        lambda m, x: functional.max_pool2d(x, 2, 2, 1),
        "padding 1x1: with kernel 2x2, 0x0",
    ),
    "adaptive 2x2": (lambda m, x: functional.adaptive_avg_pool2d(x, 2), "only 1x1"),
    "relu of a shared value": (lambda m, x: x.relu() + x, "ReLU is supported only"),
    "relu behind dropout": (
        lambda m, x: functional.dropout(x, 0.5, False).relu() + x,
        "ReLU is supported only",
    ),
    "broadcast": (lambda m, x: x + x.mean((2, 3), keepdim=True), "differ"),
    "constant": (lambda m, x: x + 1, "only the plain sum"),
    "linear on a map": (lambda m, x: m.last(x), "flattened"),
    "slice": (lambda m, x: x[:, :, 1:], "slice"),
    "a slice changed in place": (
        lambda m, x: (functional.relu_(x[:, :, ::2]), x)[1],
        "changes a slice of another tensor in place",
    ),
    "added to a slice in place": (
        lambda m, x: (x[:, :, ::2].add_(x[:, :, ::2]), x)[1],
        "changes a slice of another tensor in place",
    ),
    "a clamp of a pool": (
        lambda m, x: functional.max_pool2d(x, 2).clamp(-1, 1),
        "put the clamp before the max pool",
    ),
    "no bounds": (lambda m, x: x.clamp(float("nan"), 1), "numbers are needed"),
    "spatial padding": (lambda m, x: functional.pad(x, (1, 1, 1, 1)), "channels"),
    "transpose": (lambda m, x: x.transpose(2, 3), "transpose"),
    "training dropout": (lambda m, x: functional.dropout(x), "training"),
    # Of several faults, the first in the network.
    "a sigmoid later": (lambda m, x: torch.sigmoid(x.relu() + x), "ReLU is supported only"),
    "dilation later": (lambda m, x: m.dilated(x[:, :, 1:]), "slice"),
    "no logits either": (lambda m, x: (m.bn(x.relu()), x), "ReLU is supported only"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_node(case):
    function, message = REFUSED[case]
    model = Tail(
        function,
        dilated=nn.Conv2d(4, 4, 3, dilation=2),
        strided=nn.Conv2d(4, 4, 3, stride=3),
        padded=nn.Conv2d(4, 4, 3, padding=16),
        last=nn.Linear(8, 4),
    )
    with pytest.raises(ResarrayError, match=rf"(?s)node '.*operator aten.*{message}"):
        import_model(model, (3, 8, 8))


def test_model_that_fails_is_named():
    with pytest.raises(ResarrayError, match="cannot be exported"):
        import_model(nn.Conv2d(4, 4, 3), (3, 8, 8), "mine")


def test_all_zoo_models_are_known():
    assert set(ZOO) == {
        "resnet18",
        "resnet34",
        "resnet20",
        "resnet32",
        "resnet44",
        "resnet56",
        "resnet8",
    }


CLAMPS = {
    "clamp": (lambda x: x.clamp(-0.5, 0.25), (-0.5, 0.25)),
    "lower": (lambda x: x.clamp(min=0.5), (0.5, float("inf"))),
    "upper": (lambda x: x.clamp(max=0.5), (-float("inf"), 0.5)),
    "crossed": (lambda x: x.clamp(2, 1), (1, 1)),
    "clamp_min": (lambda x: torch.clamp_min(x, 0), (0, float("inf"))),
    "clamp_max": (lambda x: torch.clamp_max(x, 6), (-float("inf"), 6)),
    "clip_": (lambda x: torch.clip_(x, 0, 1), (0, 1)),
    "relu6 of relu6": (lambda x: functional.relu6(functional.relu6(x)), (0, 6)),
    "hardtanh": (lambda x: functional.hardtanh(x), (-1, 1)),
    "beyond float32": (lambda x: x.clamp(-1e308, 1e308), (-float("inf"), float("inf"))),
}


@pytest.mark.parametrize("case", CLAMPS)
def test_clamps(case):
    function, bounds = CLAMPS[case]
    graph = import_model(Tail(lambda m, x: function(x)), (3, 8, 8))
    conv = graph.ops[-1]
    assert isinstance(conv, ClampedOp) and (conv.lo, conv.hi) == bounds
