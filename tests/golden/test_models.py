"""The zoo's parameter names and user models."""

import pytest
import torch

from resarray.golden.importer import import_model
from resarray.golden.models import ZOO, ZooModel, find_model, load_model
from resarray.golden.user_model import input_channels
from resarray.spec.errors import ResarrayError


@pytest.mark.parametrize(
    ("name", "parameters"),
    # Published counts: torchvision's, and the CIFAR family's without shortcut weights.
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
    ],
)
def test_parameter_counts(name, parameters):
    assert sum(p.numel() for p in load_model(name).parameters()) == parameters


def test_parameter_names():
    names = set(load_model("resnet18").state_dict())
    assert {"conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias", "fc.bias"} <= names
    assert {"layer2.0.downsample.1.running_var"} <= names
    assert "layer3.2.conv2.weight" in load_model("resnet20").state_dict()


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


def test_broken_file(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("import nothing_of_that_name\n")
    with pytest.raises(ResarrayError, match="cannot be imported: ModuleNotFoundError"):
        find_model(f"{file}:build")


def test_default_sizes():
    small = {"resnet8": 16} | {f"resnet{n}": 32 for n in (20, 32, 44, 56, 110)}
    for name, spec in ZOO.items():
        assert spec.input_size == (small.get(name, 224),) * 2
