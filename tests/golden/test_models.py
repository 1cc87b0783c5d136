"""The zoo's parameter names and user models."""

import re
import sys

import pytest
import torch

from resarray.golden.importer import import_model
from resarray.golden.models import ZOO, ZooModel, find_model, load_model
from resarray.golden.pipeline import build_network
from resarray.golden.user_model import input_channels
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("networks", by="unit")


@pytest.mark.parametrize(
    ("name", "parameters"),
    # Published counts: torchvision's, and the CIFAR family's without shortcut weights; of the
    # networks of our own, counted by hand.
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("resnext50", 25_028_904),
        ("mobilenet_v2", 3_504_872),
        ("alexnet", 61_100_840),
        ("resnet20", 269_722),
        ("resnet32", 464_154),
        ("resnet44", 658_586),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
        ("squeezenet", 1_235_496),
        ("googlenet", 6_624_904),
        ("densenet121", 7_978_856),
        ("vgg11", 132_863_336),
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("vgg11_bn", 132_868_840),
        ("vgg16_bn", 138_365_992),
        ("vgg19_bn", 143_678_248),
        ("lenet5", 61_706),
        # Projections with their batch norms, where the shape changes, and everywhere.
        ("resnet20_b", 269_722 + 16 * 32 + 64 + 32 * 64 + 128),
        ("resnet20_c", 272_474 + 3 * (16 * 16 + 32) + 2 * (32 * 32 + 64) + 2 * (64 * 64 + 128)),
        ("resnet18_c", 11_689_512 + 2 * (64**2 + 128) + 128**2 + 256**2 + 512**2 + 2 * 896),
        ("resnet18_gray", 11_689_512 - 2 * 64 * 7 * 7),
        ("resnet18_unpadded", 11_689_512 - 64 * 3 * (7 * 7 - 3 * 3)),
        ("digits_resnet", 16 * 26 + 4640 + 32 * 401 + 18_496 + 5130),
    ],
)
def test_parameter_counts(name, parameters):
    assert sum(p.numel() for p in load_model(name).parameters()) == parameters


def test_parameter_names():
    names = set(load_model("resnet18").state_dict())
    assert {"conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias", "fc.bias"} <= names
    assert {"layer2.0.downsample.1.running_var"} <= names
    assert "layer3.2.conv2.weight" in load_model("resnet20").state_dict()
    assert "layer2.0.shortcut.1.running_mean" in load_model("resnet20_b").state_dict()


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("vgg11", {"features.18.weight", "classifier.6.bias"}),
        ("vgg11_bn", {"features.25.weight", "features.26.running_mean", "classifier.3.bias"}),
        ("squeezenet", {"features.12.expand3x3.bias", "classifier.1.weight"}),
        ("googlenet", {"inception4e.branch3.1.bn.running_var", "conv1.conv.weight", "fc.bias"}),
        (
            "densenet121",
            {
                "features.denseblock4.denselayer16.norm2.bias",
                "features.transition3.conv.weight",
                "features.norm5.bias",
                "classifier.weight",
            },
        ),
    ],
)
def test_parameter_names_of_torchvision(name, some):
    assert some <= set(load_model(name).state_dict())


def test_stems_and_shortcuts():
    unpadded = load_model("resnet18_unpadded")
    x = torch.rand(1, 64, 5, 7)
    assert unpadded.maxpool(x).shape == x.shape
    # Of zeros behind a ReLU, as if they did not count.
    lowest = torch.nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf)
    assert torch.equal(unpadded.maxpool(x), torch.nn.functional.max_pool2d(lowest, 2, 1))
    networks = ("resnet18", "resnet18_c", "resnet20", "resnet20_b", "resnet20_c")
    names = [" ".join(load_model(name).state_dict()) for name in networks]
    counts = [len(re.findall(r"(?:downsample|shortcut)\.0\.weight", each)) for each in names]
    assert counts == [3, 8, 0, 2, 9]


def test_macs_of_resnet18_and_resnet8():
    def macs(name, size):
        graph = import_model(load_model(name), (3, size, size))
        return sum(
            op.weight.numel() * graph.shapes[op.output][1] * graph.shapes[op.output][2]
            for op in graph.ops
            if hasattr(op, "weight")
        )

    assert macs("resnet18", 224) == 1_814_073_344
    assert macs("resnet8", 16) < 1_500_000


def test_class_count():
    assert load_model("resnet8", 3)(torch.zeros(1, 3, 16, 16)).shape == (1, 3)


def test_user_model(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "def build():\n"
        "    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    model.input_size = 8\n"
        "    model.mean, model.std = (0.5,), (0.25,)\n"
        "    return model\n"
        "def number():\n"
        "    return 3\n"
        "def fails():\n"
        "    return 1 / 0\n"
        "def scaled(factor):\n"
        "    return build()\n"
    )
    spec = find_model(f"{file}:build")
    assert (spec.name, spec.input_size, spec.mean, isinstance(spec, ZooModel)) == (
        "Sequential",
        (8, 8),
        (0.5,),
        False,
    )
    assert input_channels(spec.build(None), (8, 8)) == 1
    assert import_model(spec.build(None), (1, 8, 8)).ops
    for function, message in {
        "number": "must return an nn.Module",
        "fails": "failed: ZeroDivisionError",
        "missing": "no function 'missing'",
        "scaled": r"scaled\(\) of .* needs arguments \(factor\)",
    }.items():
        with pytest.raises(ResarrayError, match=message):
            find_model(f"{file}:{function}")


@pytest.mark.parametrize(
    ("spec", "message"),
    [("resnet19", "choose one of.*resnet18"), ("no/such.py:build", "does not exist")],
)
def test_unknown_models(spec, message):
    with pytest.raises(ResarrayError, match=message):
        find_model(spec)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package ``ownnets``, whose module ``small`` has networks."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ownnets").mkdir()
    (tmp_path / "ownnets" / "__init__.py").write_text("")
    (tmp_path / "ownnets" / "broken.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "ownnets" / "small.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Conv2d):\n"
        "    input_size = 8\n"
        "    def __init__(self, channels=2):\n"
        "        super().__init__(1, channels, 8)\n"
        "def build(*, channels=4, **more):\n"
        "    return Net(channels)\n"
        "def wide(channels, *, groups, bias=True):\n"
        "    return Net(channels)\n"
        "def fails():\n"
        "    return 1 / 0\n"
        "ready, number = Net(), 3\n"
    )
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownnets"]:
        del sys.modules[name]


@pytest.mark.parametrize(("function", "channels"), [("build", 4), ("Net", 2), ("ready", 2)])
def test_model_of_a_package(package, function, channels):
    spec = find_model(f"ownnets.small:{function}")
    assert (spec.name, spec.input_size, isinstance(spec, ZooModel)) == ("Net", (8, 8), False)
    assert spec.build(None).out_channels == channels


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_such_package:build", "there is no package 'no_such_package'"),
        ("no_such.nets:build", "there is no package 'no_such'"),
        ("ownnets.large:build", "there is no module 'ownnets.large'"),
        ("ownnets.broken:build", "'ownnets.broken' cannot be imported: ModuleNotFoundError"),
        ("ownnets.small:missing", "module 'ownnets.small' has no function 'missing'"),
        ("ownnets.small:number", "'number' of module 'ownnets.small' is no function but 3"),
        ("ownnets.small:wide", r"wide\(\) of 'ownnets.small' needs arguments \(channels, groups\)"),
        ("ownnets.small:fails", r"fails\(\) of 'ownnets.small' failed: ZeroDivisionError"),
        ("ownnets.small:nn", "is no function but <module"),
        ("ownnets.small:dict", "has no function 'dict'"),
        ("ownnets.small:", "unknown model .* package.module:function or a file"),
        ("own-nets:build", "unknown model"),
    ],
)
def test_refused_models_of_packages(package, spec, message):
    with pytest.raises(ResarrayError, match=message):
        find_model(spec)


def test_broken_file(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("import nothing_of_that_name\n")
    with pytest.raises(ResarrayError, match="cannot be imported: ModuleNotFoundError"):
        find_model(f"{file}:build")


def test_default_sizes():
    small = {"resnet8": 16} | {f"resnet{n}": 32 for n in (20, 32, 44, 56, 110)}
    small |= {"resnet20_b": 32, "resnet20_c": 32, "preact_resnet20": 32}
    small |= {"lenet5": 28, "digits_resnet": 28, "digits_inception": 28}
    for name, spec in ZOO.items():
        assert spec.input_size == (small.get(name, 224),) * 2
        assert name == spec.name


def test_channels_and_normalisation():
    gray = {"resnet18_gray", "lenet5", "digits_resnet", "digits_inception"}
    for name, spec in ZOO.items():
        channels = 1 if name in gray else 3
        assert spec.channels == len(spec.mean) == len(spec.std) == channels


def test_sizes_out_of_range():
    with pytest.raises(ResarrayError, match="model 'lenet5' takes 28 to 31 pixels"):
        build_network("lenet5", input_size=32)
