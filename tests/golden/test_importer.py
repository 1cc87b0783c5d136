"""Import of PyTorch models: the float graph computes what the model does, and what cannot be
imported is named."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from resarray.golden.float_graph import run_float
from resarray.golden.importer import import_model
from resarray.golden.models import ZOO, load_model
from resarray.golden.networks.names import NAMES
from resarray.golden.ops import ClampedOp, FloatConv, FloatFunction
from resarray.spec.errors import ResarrayError

from .zoo import NETWORKS, odd_shape

pytestmark = pytest.mark.verifies("front-ends", by="unit")

SEED = 3


def randomise(model: nn.Module) -> nn.Module:
    """Random batch-norm parameters and statistics, so that folding matters."""
    torch.manual_seed(SEED)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


def check(model: nn.Module, shape=(3, 16, 16)):
    """The float graph of ``model``, compared with it."""
    randomise(model)
    graph = import_model(model, shape)
    compare(graph, model)
    return graph


def compare(graph, model):
    """Both compute the same."""
    x = torch.randn(2, *graph.shape)
    with torch.no_grad():
        expected = model(x)
    result = run_float(graph, x).reshape(expected.shape)
    atol = 1e-4 * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=atol)


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


@pytest.mark.parametrize("name", NETWORKS)
def test_zoo_networks(name):
    """At odd sizes too."""
    model = randomise(load_model(name, 7))
    graph = import_model(model, odd_shape(name), name)
    compare(graph, model)
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


def shuffled(x: torch.Tensor, groups: int) -> torch.Tensor:
    """As ShuffleNets write it."""
    count, channels, height, width = x.shape
    parts = x.view(count, groups, channels // groups, height, width)
    return torch.transpose(parts, 1, 2).contiguous().view(count, -1, height, width)


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
    "relu of a shared value": lambda m, x: x.relu() + x,
    "relu behind dropout": lambda m, x: functional.dropout(x, 0.5, False).relu() + x,
    "relu behind a pool": lambda m, x: functional.max_pool2d(x, 2).relu(),
    "clamp behind a pool": lambda m, x: functional.max_pool2d(x, 2).clamp(-1, 1),
    "relu of the mean": lambda m, x: m.fc(x.mean((2, 3)).relu()),
    "dilated": lambda m, x: m.dilated(x),
    "patches": lambda m, x: m.patches(x),
    "average of windows": lambda m, x: functional.avg_pool2d(x, 3, 2, 1),
    "average without padding to count": lambda m, x: functional.avg_pool2d(
        x, 3, 2, count_include_pad=False
    ),
    "same padding of a dilated kernel": lambda m, x: functional.conv2d(
        x, m.same.weight, padding="same", dilation=(3, 2)
    ),
    "number less a map": lambda m, x: torch.rsub(x, 2.0, alpha=3),
    "a mask": lambda m, x: x * ((m.offset > 0) + (m.offset < 1)),
    "a choice": lambda m, x: x * torch.where(m.offset > 0, m.offset, 0.5) * ~(m.offset > 0),
    "in place, by another name": lambda m, x: (x.flatten(1).add_(1), x.view(x.shape).relu_(), x)[2],
    "halves": lambda m, x: torch.cat(x.chunk(2, 1)[::-1], 1) + torch.cat(x.split([1, 3], 1), 1),
    "narrow": lambda m, x: torch.subtract(x, 1).narrow(1, 1, 2).relu(),
    "max pool 5": lambda m, x: functional.max_pool2d(x, 5, 1, 2),
    "max pool 1x4": lambda m, x: functional.max_pool2d(x, (1, 4), (4, 1), (0, 2)),
    "max pool of all": lambda m, x: functional.max_pool2d(x, 8),
    "max pool up, an even size": lambda m, x: functional.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "max pool up": lambda m, x: functional.max_pool2d(x[:, :, 1:, 1:], 2, ceil_mode=True),
    "max pool up, padded": lambda m, x: functional.max_pool2d(
        x[:, :, 1:, 1:], 3, 2, 1, ceil_mode=True
    ),
    "concatenation": lambda m, x: torch.cat([x, m.same(x).relu(), x[:, 1:2]], 1),
    "concatenation of vectors": lambda m, x: torch.cat(
        [m.fc(x.mean((2, 3))), x.mean((2, 3)), x.mean((2, 3))], -1
    ),
    "padding that does not count": lambda m, x: functional.avg_pool2d(
        x, (3, 2), (2, 1), 1, count_include_pad=False
    ),
    "average up, the last windows smaller": lambda m, x: functional.avg_pool2d(
        x, 3, 2, 1, ceil_mode=True
    ),
    "a constant map": lambda m, x: (x + m.pixels) * m.pixels[:1] - m.pixels[:, :1] / 2,
    "less a map": lambda m, x: m.pixels - x / (m.pixels.abs() + 1),
    "a factor for each pixel": lambda m, x: x * x[:, :1].sigmoid() + x[:, 1:2],
    "average up": lambda m, x: functional.avg_pool2d(x, 2, ceil_mode=True),
    "adaptive 2x4": lambda m, x: functional.adaptive_avg_pool2d(x, (2, 4)),
    "adaptive 2x3 in front of a linear layer": lambda m, x: m.averages(
        functional.dropout(functional.adaptive_avg_pool2d(x, (2, 3)).flatten(1), 0.5, False)
    ),
    "adaptive to more pixels than there are": lambda m, x: m.averages(
        functional.adaptive_avg_pool2d(x[:, :, :1, :2], (2, 3)).flatten(1)
    ),
    "adaptive, of equal windows that overlap": lambda m, x: functional.adaptive_avg_pool2d(
        x[:, :, :7, :3], (3, 2)
    ),
    "average of one pixel without its padding": lambda m, x: functional.avg_pool2d(
        x[:, :, :1, :1], 3, 1, 1, count_include_pad=False
    ),
    "adaptive, its own size": lambda m, x: functional.adaptive_avg_pool2d(x, (8, None)),
    "cropped": lambda m, x: x[:, :, 1:-1, 2:].relu(),
    "channels": lambda m, x: x[:, 1:3].relu(),
    "sum of vectors": lambda m, x: m.fc(x.mean((2, 3))) + m.fc(x[:, :, :1, :1].flatten(1)),
    "padded": lambda m, x: functional.pad(x, (1, 2, 0, -1)).relu(),
    "padded in front": lambda m, x: m.patches(functional.pad(x, (0, 0, 1, 3))),
    "padded with the lowest": lambda m, x: functional.max_pool2d(
        functional.pad(x, (1, 1, 1, 1), value=torch.finfo(torch.float32).min), 3, 2
    ),
    "constants": lambda m, x: (2 - (x + 1) * 0.5) / 3 - 0.25,
    "added the other way": lambda m, x: 1 + x,
    "minus": lambda m, x: -x,
    "for each channel": lambda m, x: (x - m.offset) * m.factor + m.factor[0],
    "computed of parameters": lambda m, x: functional.conv2d(
        x, (m.same.weight - m.same.weight.mean((1, 2, 3), keepdim=True)) * 2, padding="same"
    ),
    "made on the spot": lambda m, x: x * torch.ones(1, 4, 1, 1) + torch.arange(4.0).view(4, 1, 1),
    "for each value": lambda m, x: m.fc(x.mean((2, 3))) * m.fc.bias,
    "difference": lambda m, x: x - m.same(x),
    "difference in place": lambda m, x: m.same(x).sub_(x, alpha=2),
    "weighted sum": lambda m, x: torch.add(x, m.same(x), alpha=0.5),
    "product": lambda m, x: x * m.same(x),
    "product in place": lambda m, x: m.same(x).mul_(x),
    "product of vectors": lambda m, x: x.mean((2, 3)) * torch.sigmoid(m.square(x.mean((2, 3)))),
    "squeeze and excitation": lambda m, x: (
        x * m.expand(m.shrink(functional.adaptive_avg_pool2d(x, 1)).relu()).sigmoid()
    ),
    "the other way round": lambda m, x: functional.hardsigmoid(x.mean((2, 3), True)) * x,
    "by a view": lambda m, x: x * m.square(x.mean((2, 3))).view(x.size(0), -1, 1, 1).expand_as(x),
    "by indices": lambda m, x: x * x.mean((2, 3))[:, :, None, None].expand(-1, -1, 8, 8),
    "repeated": lambda m, x: x.mean((2, 3), True).repeat(1, 1, 8, 8) - x,
    "unsqueezed": lambda m, x: x - x.mean((2, 3)).unsqueeze(-1).unsqueeze(-1),
    "a value for each channel": lambda m, x: m.same(x) + x.mean((2, 3), keepdim=True),
    "a value less a map": lambda m, x: x.mean((2, 3), keepdim=True) - m.same(x),
    "quotient": lambda m, x: x / (m.same(x).abs() + 1) + 2 / (1 + x.square()),
    "less a map of one channel": lambda m, x: torch.sub(x, x[:, :1].sigmoid(), alpha=2),
    "by a map of one channel": lambda m, x: x / (1 + torch.exp(x[:, :1])),
    "a vector less one value": lambda m, x: x.mean((2, 3)) - m.one(x.mean((2, 3))),
    "a constant map by a map": lambda m, x: (
        m.pixels / (x.abs() + 1) + m.pixels[0] / (x.abs() + 2) + m.pixels[0, 0] / (x.abs() + 3)
    ),
    "with coordinates": lambda m, x: torch.cat(
        [m.pixels[:2].expand(len(x), -1, -1, -1), x, m.pixels.expand(len(x), -1, -1, -1)], 1
    ).relu(),
    "with a constant vector": lambda m, x: torch.cat(
        [x.mean((2, 3)), m.fc.bias.expand(len(x), -1)], 1
    ),
    "batch norm of a flattened map": lambda m, x: m.norm(functional.max_pool2d(x, 4).flatten(1)),
    "a constant for each value of a flattened map": lambda m, x: (
        1 - m.pixels.flatten() * x.flatten(1) / (m.pixels.flatten()[None].abs() + 1)
    ),
    "sum of the pixels": lambda m, x: x.sum((2, 3)) - x.sum((-1, -2), keepdim=True).flatten(1) / 2,
    "mean in two steps": lambda m, x: m.fc(x.mean(3).mean(2)) + m.fc(x.flatten(2).mean(-1)),
    "sum in two steps": lambda m, x: x[:, :, 2:].sum(-1).sum(-1),
    "means of rows": lambda m, x: x.mean(2, keepdim=True).relu(),
    "maximum of the map": lambda m, x: (
        x.amax((2, 3), True) * functional.adaptive_max_pool2d(x[:, :, 1:], 1)
    ),
    "adaptive maximum": lambda m, x: functional.adaptive_max_pool2d(x, (4, 2)).relu(),
    "shuffled": lambda m, x: torch.channel_shuffle(torch.cat([x, x + 1], 1), 4),
    "shuffled by views": lambda m, x: shuffled(torch.cat([x, x + 1], 1), 4),
    "shuffled by a permutation": lambda m, x: (
        torch.cat([x, x + 1], 1)
        .reshape(-1, 2, 4, *x.shape[2:])
        .permute(0, 2, 1, 3, 4)
        .flatten(1, 2)
    ),
    "converted": lambda m, x: x.to(torch.float32).relu(),
    "in place, of a copy": lambda m, x: torch.cat([x, x.clone().relu_()], 1),
    "in place, of a sum with 0": lambda m, x: torch.cat([x, sum([x]).relu_()], 1),
    "in place, of a converted copy": lambda m, x: torch.cat(
        [x, x.to(torch.float32, copy=True).relu_()], 1
    ),
    "in place, of an average of each pixel": lambda m, x: torch.cat(
        [x, functional.adaptive_avg_pool2d(x, 8).relu_()], 1
    ),
    "in place, of a vector's copy": lambda m, x: (
        x * x.mean((2, 3)).reshape(-1, 4, 1, 1).clone().exp_() + x.mean((2, 3), True)
    ),
    "in place, and its slice is read no more": lambda m, x: x[:, :1] * 2 + x.relu_(),
    "a slice in place, and its whole is read no more": lambda m, x: x[:, :, ::2].relu_() + 1,
    "in place behind a slice": lambda m, x: (x[:, :2] + 1).relu_() + x[:, :2],
}


@pytest.mark.parametrize("case", SUPPORTED)
def test_supported_forms(case):
    graph = check(
        Tail(
            SUPPORTED[case],
            fc=nn.Linear(4, 5),
            fc2=nn.Linear(5, 2),
            wide=nn.Linear(4 * 8 * 8, 3),
            square=nn.Linear(4, 4),
            one=nn.Linear(4, 1),
            norm=nn.BatchNorm1d(4 * 2 * 2),
            shrink=nn.Conv2d(4, 2, 1),
            expand=nn.Conv2d(2, 4, 1),
            averages=nn.Linear(4 * 2 * 3, 3),
            same=nn.Conv2d(4, 4, (2, 3), padding="same", bias=False),
            rect=nn.Conv2d(4, 2, (1, 5), stride=(1, 2), padding=(0, 2)),
            dilated=nn.Conv2d(4, 4, 3, padding=2, dilation=2),
            patches=nn.Conv2d(4, 2, 4, stride=4),
            offset=nn.Parameter(torch.randn(1, 4, 1, 1)),
            factor=nn.Parameter(torch.rand(4, 1, 1) + 0.5),
            pixels=nn.Parameter(torch.randn(4, 8, 8)),
        ),
        (3, 8, 8),
    )
    names = [op.name for op in graph.ops]
    assert len(set(names)) == len(names)


REFUSED = {
    "stride 17": (lambda m, x: m.strided(x), "stride 17x17: at most 16"),
    "padding": (lambda m, x: m.padded(x), "at most 15"),
    "softmax": (lambda m, x: functional.softmax(x, 1) + x, "softmax.*supported are"),
    "max pool dilated": (lambda m, x: functional.max_pool2d(x, 3, 1, 0, 2), r"dilation = \(2, 2\)"),
    "adaptive 3x3": (
        lambda m, x: functional.adaptive_avg_pool2d(x, 3),
        "8x8 pixels to 3x3, .* in front of a linear layer",
    ),
    "adaptive 3x3 and more behind it": (
        lambda m, x: m.averages(functional.adaptive_avg_pool2d(x, 3).clamp(-1, 1).flatten(1)),
        "8x8 pixels to 3x3",
    ),
    "no rows": (lambda m, x: x[:, :, 5:5], r"its output \[4, 0, 8\] is empty"),
    "broadcast": (lambda m, x: x + x[:, :, :1], "differ"),
    "a vector and a map": (lambda m, x: x[:, :, :4, :4] + x.mean((2, 3)), "a map and a vector"),
    "chance": (lambda m, x: x + torch.rand(4, 1, 1), "depends on chance"),
    "integers": (lambda m, x: x.int(), "float32 to int32: only float32 stays what it is"),
    "truths": (lambda m, x: (x > 0).float(), "bool to float32: only float32 stays what it is"),
    "a parameter in place": (lambda m, x: x * m.map[:1, :1].mul_(2), "parameter in place"),
    "a constant that cannot be computed": (
        lambda m, x: x * torch.linalg.inv(m.map[:1, :4, None, None] * 0),
        "cannot be computed of the model's parameters",
    ),
    "three dimensions": (
        lambda m, x: x.mean((2, 3), keepdim=True).flatten(2) + m.map[0, :4],
        r"constant of shape \[4\]",
    ),
    "concatenated rows": (lambda m, x: torch.cat([x, x], 2), "only channels"),
    "a constant that is not finite": (
        lambda m, x: torch.cat([x, m.map[None, None] / 0], 1),
        "a constant is not finite",
    ),
    "concatenated maps as vectors": (
        lambda m, x: torch.cat([x.flatten(1), x.flatten(1)], 1),
        "only channels",
    ),
    "product": (lambda m, x: x * x[:, :, :1], r"\[4, 8, 8\] and \[4, 1, 8\] differ.*\[4, 1, 1\]"),
    "product with a vector": (lambda m, x: x[:, :, :4, :4] * x.mean((2, 3)), "map and a vector"),
    "expanded alone": (
        lambda m, x: x.mean((2, 3), True).expand(-1, -1, 8, 8) * 2,
        r"result \[4, 8, 8\] would be \[4, 1, 1\]",
    ),
    "vectors along other dimensions": (
        lambda m, x: (x[:, :, :2, :2].flatten(2) + x.mean((2, 3))).flatten(1),
        r"operands of \[1, 4, 4\] and \[1, 4\]",
    ),
    "a vector along another dimension": (
        lambda m, x: (x[:, :, :2, :2].flatten(2) + x.mean((2, 3)).unsqueeze(1)).flatten(1),
        r"operands of \[1, 4, 4\] and \[1, 1, 4\]",
    ),
    "adaptive maxima of several sizes": (
        lambda m, x: functional.adaptive_max_pool2d(x, 3),
        "8x8 pixels to 3x3: only windows of one size",
    ),
    "mean of channels": (lambda m, x: x.mean((1, 2)), "only height, width, or both"),
    "slopes of a flattened map": (
        lambda m, x: functional.prelu(x[:, :1].flatten(1), torch.arange(64.0)),
        "64 slopes",
    ),
    "an outer product": (
        lambda m, x: (x.mean((2, 3)).unsqueeze(2) * x.mean((2, 3)).unsqueeze(1)).flatten(1),
        r"operands of \[1, 4, 1\] and \[1, 1, 4\]",
    ),
    "a sum of all pairs": (
        lambda m, x: (x.mean((2, 3)) + x.mean((2, 3)).unsqueeze(-1)).flatten(1),
        r"operands of \[1, 4\] and \[1, 4, 1\]",
    ),
    "expanded and flattened": (
        lambda m, x: x.mean((2, 3), True).expand(-1, -1, 2, 2).flatten(1),
        r"result \[16\] would be \[4, 1, 1\]",
    ),
    "expanded in front of a convolution": (
        lambda m, x: functional.conv2d(
            x.mean((2, 3), True).expand(-1, -1, 2, 2), torch.ones(4, 4, 3, 3), None, 2, 1
        ),
        "argument 0 is expanded",
    ),
    "expanded channels": (lambda m, x: x[:, :1].expand(-1, 4, 8, 8), r"\[1, 8, 8\] to \[4, 8, 8\]"),
    "rounded quotient": (lambda m, x: torch.div(x, 2, rounding_mode="floor"), "not supported"),
    "a power of a map": (lambda m, x: x**x, "pow"),
    "a constant for each channel, and another size": (
        lambda m, x: x[:, :, :1, :1] + m.map,
        r"constant of shape \[8, 8\]",
    ),
    "not a number": (lambda m, x: x * float("nan"), "a constant is not finite"),
    "linear on a map": (lambda m, x: m.last(x), "flattened"),
    "a slice changed in place": (
        lambda m, x: (functional.relu_(x[:, :, ::2]), x)[1],
        "changes in place what 'batch_norm' shares",
    ),
    "added to a slice in place": (
        lambda m, x: (x[:, :, ::2].add_(x[:, :, ::2]), x)[1],
        "changes in place what 'batch_norm' shares",
    ),
    "a slice before its map is changed in place": (
        lambda m, x: (x[:, :2], x.relu_())[0],
        "changes in place what 'slice_1' shares, which is read after it",
    ),
    "halves before their map is changed in place": (
        lambda m, x: torch.cat([*x.chunk(2, 1)[::-1], functional.relu(x, inplace=True)], 1),
        "shares, which is read after it",
    ),
    "a constant in place": (
        lambda m, x: (y := torch.zeros(1, 4, 8, 8), y.add_(x), y + x)[2],
        "parameter in place",
    ),
    "no bounds": (lambda m, x: x.clamp(float("nan"), 1), "numbers are needed"),
    "padding with ones": (lambda m, x: functional.pad(x, (1, 1, 1, 1), value=1), "zeros"),
    "mirrored": (lambda m, x: functional.pad(x, (1, 1, 1, 1), "reflect"), "mode 'reflect'"),
    "padded batch": (lambda m, x: functional.pad(x, (0,) * 6 + (0, 1)), "batch with images"),
    "transpose": (lambda m, x: x.transpose(2, 3), "transpose"),
    "training dropout": (lambda m, x: functional.dropout(x), "training"),
    # Of several faults, the first in the network.
    "a sort later": (lambda m, x: torch.sort(m.strided(x))[0], "stride 17x17"),
    "a stride later": (lambda m, x: m.padded(m.strided(x)), "stride 17x17"),
    "no logits either": (lambda m, x: (m.strided(x), x), "stride 17x17"),
}


def test_all_that_is_refused_is_named_at_once():
    model = Tail(lambda m, x: m.strided(torch.floor(x)).ceil() * torch.cumsum(x.mean((2, 3)), 1))
    model.strided = nn.Conv2d(4, 4, 3, stride=17)
    with pytest.raises(ResarrayError) as error:
        import_model(model, (3, 8, 8))
    places = ("aten.floor", "stride 17x17", "aten.ceil", "aten.cumsum", "a map and a vector")
    found = [str(error.value).index(place) for place in places]
    assert found == sorted(found) and str(error.value).count("\n") == 0


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_node(case):
    function, message = REFUSED[case]
    model = Tail(
        function,
        strided=nn.Conv2d(4, 4, 3, stride=17),
        padded=nn.Conv2d(4, 4, 3, padding=16),
        map=nn.Parameter(torch.ones(8, 8)),
        last=nn.Linear(8, 4),
        averages=nn.Linear(4 * 3 * 3, 3),
    )
    with pytest.raises(ResarrayError, match=rf"(?s)node '.*operator aten.*{message}"):
        import_model(model, (3, 8, 8))


def test_an_answer_that_depends_on_no_input():
    model = Tail(lambda m, x: m.conv.bias.unsqueeze(0) * 1)
    with pytest.raises(ResarrayError, match="returns what it does not compute of its input"):
        import_model(model, (3, 8, 8))


def test_model_that_fails_is_named():
    with pytest.raises(ResarrayError, match="cannot be exported"):
        import_model(nn.Conv2d(4, 4, 3), (3, 8, 8), "mine")


def test_all_zoo_models_are_known():
    assert tuple(ZOO) == NAMES


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


SLOPES = torch.tensor([0.1, -0.5, 0.0, 2.0])
FUNCTIONS = {
    "silu": functional.silu,
    "silu by hand": lambda x: x * torch.sigmoid(x),
    "silu as a quotient": lambda x: x / (1 + torch.exp(-x)),
    "in place": lambda x: functional.silu(x, inplace=True),
    "hardswish": functional.hardswish,
    "hardswish of a module": lambda x: x * functional.hardsigmoid(x),
    "hardswish by hand": lambda x: x * ((x + 3).clamp(0, 6) / 6),
    "hardswish of relu6": lambda x: x * functional.relu6(x + 3) / 6,
    "hardsigmoid": functional.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "expit": torch.special.expit,
    "tanh": torch.tanh,
    "leaky relu": lambda x: functional.leaky_relu(x, 0.2),
    "gelu": functional.gelu,
    "gelu of tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu by hand": lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
    "gelu of tanh by hand": lambda x: (
        0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))
    ),
    "elu": lambda x: functional.elu(x, 0.5),
    "selu": functional.selu,
    "celu": lambda x: functional.celu_(x, 1.5),
    "softplus": lambda x: functional.softplus(x, 2, 10),
    "mish": functional.mish,
    "mish by hand": lambda x: x * torch.tanh(functional.softplus(x)),
    "prelu": lambda x: functional.prelu(x, torch.tensor([0.3])),
    "prelu of equal slopes": lambda x: functional.prelu(x, torch.full((4,), 0.3)),
    "softsign": functional.softsign,
    "tanhshrink": functional.tanhshrink,
    "softshrink": functional.softshrink,
    "logsigmoid": functional.logsigmoid,
    "threshold": lambda x: functional.threshold(x, 0.1, -2.0),
    "erf": torch.erf,
    "exp": torch.exp,
    "square root": lambda x: torch.sqrt(x.abs()),
    "square": lambda x: x.square(),
    "cube": lambda x: x**3,
    "power of 2": lambda x: 2**x + torch.pow(0.5, x),
    "log1p": lambda x: torch.log1p(x.abs()) - torch.expm1(x),
    "sine": lambda x: torch.sin(x) * torch.cos(2 * x) + torch.sign(x),
    "chain": lambda x: torch.tanh(functional.softplus(2 * x + 1)).clamp(0.2, 0.8) - 0.5,
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_functions_are_one_operator(case):
    graph = check(Tail(lambda m, x: FUNCTIONS[case](x)), (3, 8, 8))
    assert [type(op) for op in graph.ops] == [FloatConv, FloatFunction]


def test_a_slope_for_each_channel():
    graph = check(Tail(lambda m, x: functional.prelu(x, SLOPES)), (3, 8, 8))
    assert not any(isinstance(op, FloatFunction) for op in graph.ops)
