"""`prepare` and `accuracy`, end to end on a small network."""

import dataclasses
import os

import numpy as np
import pytest
import torch

from resarray.golden import pipeline, reference, train
from resarray.golden.accuracy import accuracy
from resarray.golden.models import load_model
from resarray.golden.ops import QConv
from resarray.golden.pipeline import build_network, prepare
from resarray.spec.errors import ResarrayError

from .shared import SHARED_DATA, needs

pytestmark = pytest.mark.verifies("quantiser", by="unit")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Weights trained here, not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESARRAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.long
def test_int8_is_as_good_as_float_on_digits(monkeypatch):
    # All of its steps, however busy the machine.
    recipe = dataclasses.replace(train.RECIPES["resnet8"], budget=1e6)
    monkeypatch.setitem(train.RECIPES, "resnet8", recipe)
    result = accuracy("resnet8")
    assert result.count == 359 and result.input_size == (16, 16)
    assert result.float_top1 >= 0.96
    assert abs(result.int8_top1 - result.float_top1) <= 0.005
    assert result.agreement >= 0.98


@pytest.mark.long
def test_prepare_holds_everything_about_its_images():
    p = prepare("resnet8", count=3, input_size=9)
    assert p.inputs_int8.shape == (3, 3, 9, 9) and p.inputs_int8.dtype == np.int8
    assert p.pixels.shape == (3, 9, 9, 3) and p.labels.shape == (3,) and p.input_size == (9, 9)
    assert p.float_logits.shape == (3, 10) and len(p.class_names) == 10
    assert p.expected.keys() == p.graph.tensors.keys()
    for name, value in p.expected.items():
        assert value.dtype == np.int8 and value.shape == (3, *p.graph.tensors[name].shape)
    assert p.int8_top1 is not None and p.float_top1 is not None
    again = prepare("resnet8", count=3, input_size=9)
    for name, value in p.expected.items():
        np.testing.assert_array_equal(value, again.expected[name])


@pytest.mark.parametrize(("count", "words"), [(1, "1 golden image"), (2, "2 golden images")])
def test_what_is_being_done_is_said(count, words):
    said = []
    prepare("resnet8", images="digits", count=count, progress=lambda done, what: said.append(what))
    assert f"computing {words}" in said


def test_expected_tensors_are_the_readable_reference():
    p = prepare("resnet8", count=1, input_size=8)
    for name, value in reference.run(p.graph, p.inputs_int8).items():
        np.testing.assert_array_equal(p.expected[name], value, err_msg=name)


def test_other_images_and_weights(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (10, 20, 20, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(10) % 4)
    torch.save(load_model("resnet8", 4).state_dict(), tmp_path / "a.pth")
    p = prepare("resnet8", str(tmp_path / "a.pth"), str(tmp_path / "a.npz"), count=2)
    assert p.expected[p.graph.output].shape == (2, 4, 1, 1) and p.input_size == (16, 16)
    every = prepare("resnet8", str(tmp_path / "a.pth"), str(tmp_path / "a.npz"), count=99)
    assert len(every.pixels) == 10
    np.savez(tmp_path / "b.npz", x=x, y=np.arange(10) + 4)
    with pytest.raises(ResarrayError, match="labels up to 13, model 'resnet8' has 4 classes"):
        prepare("resnet8", str(tmp_path / "a.pth"), str(tmp_path / "b.npz"))


def test_unlabelled_images(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 8, 8, 3), np.uint8))
    p = prepare("resnet8", images=str(tmp_path / "a.npz"), count=1)
    assert p.labels is None and p.int8_top1 is None
    monkeypatch.setattr(pipeline, "quantise", lambda *_: pytest.fail("noticed only after that"))
    with pytest.raises(ResarrayError, match="have no labels"):
        accuracy("resnet8", images=str(tmp_path / "a.npz"))


def test_user_model_with_its_own_weights(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n"
        "from torch import nn\n"
        "def build():\n"
        "    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Flatten(),\n"
        "                         nn.Linear(4 * 7 * 7, 10))\n"
        "def maps():\n"
        "    return nn.Conv2d(1, 4, 3)\n"
    )
    with pytest.raises(ResarrayError, match="no default input size"):
        prepare(f"{file}:build")
    p = prepare(f"{file}:build", input_size=15, count=2)
    assert [type(op) for op in p.graph.ops] == [QConv, QConv]
    error = p.graph.tensors[p.graph.output].scale * 3
    q = p.expected[p.graph.output][:, :, 0, 0].astype(int)
    tensor = p.graph.tensors[p.graph.output]
    assert np.abs((q - tensor.zero_point) * tensor.scale - p.float_logits).max() < error
    p = prepare(f"{file}:maps", input_size=15, count=2)
    assert p.float_outputs[p.graph.output].shape == (2, 4, 13, 13)
    assert p.labels is p.int8_top1 is None and p.class_names == []
    for refused in ({"labelled": True}, {"classes": list("abcd")}):
        with pytest.raises(ResarrayError, match=r"returns \[4, 13, 13\], a map without classes"):
            build_network(f"{file}:maps", input_size=15, **refused)


@pytest.mark.parametrize("size", [7, 2000])
def test_input_sizes_out_of_range(size):
    with pytest.raises(ResarrayError, match=f"input size {size}"):
        prepare("resnet8", input_size=size)


@pytest.mark.parametrize("counts", [{"count": 0}, {"calibration_count": 0}])
def test_no_images_asked_for(counts):
    with pytest.raises(ResarrayError, match="at least 1 is needed"):
        prepare("resnet8", **counts)


def test_default_size_of_resnet18_on_digits():
    assert train.digits_size("resnet18") == 64 and train.digits_size("resnet20") == 32


@needs("resnet20-12fca82f.th", "cifar10_test_jpeg.npz", "cifar10_train_jpeg.npz")
def test_trained_cifar_network_stays_accurate():
    """1,000 of the test images; float top-1 of the published weights on all of them is 80.4 %."""
    result = accuracy(
        "resnet20",
        str(SHARED_DATA / "resnet20-12fca82f.th"),
        str(SHARED_DATA / "cifar10_test_jpeg.npz"),
        count=1000,
        calibration_images=str(SHARED_DATA / "cifar10_train_jpeg.npz"),
    )
    assert result.float_top1 > 0.78
    assert abs(result.int8_top1 - result.float_top1) <= 0.01 and result.agreement > 0.97


@needs("resnet18_cifar10_48.pth", "cifar10_test_jpeg.npz")
def test_trained_resnet18_stays_accurate():
    result = accuracy(
        "resnet18",
        str(SHARED_DATA / "resnet18_cifar10_48.pth"),
        str(SHARED_DATA / "cifar10_test_jpeg.npz"),
        input_size=48,
        count=100,
    )
    assert result.float_top1 > 0.7 and result.agreement >= 0.97


@pytest.mark.skipif(not os.environ.get("RESARRAY_SLOW"), reason="minutes: set RESARRAY_SLOW=1")
@needs("resnet20-12fca82f.th", "cifar10_test_jpeg.npz", "cifar10_train_jpeg.npz")
def test_all_cifar_test_images():
    result = accuracy(
        "resnet20",
        str(SHARED_DATA / "resnet20-12fca82f.th"),
        str(SHARED_DATA / "cifar10_test_jpeg.npz"),
        calibration_images=str(SHARED_DATA / "cifar10_train_jpeg.npz"),
    )
    assert result.count == 10_000
    assert abs(result.int8_top1 - result.float_top1) <= 0.005
