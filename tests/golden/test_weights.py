"""Reading weights, and what is said about files that do not fit."""

import argparse
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from resarray.golden.models import find_model, load_model
from resarray.golden.weights import build_with_weights, load_weights, read_weights, to_safetensors
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("quantiser", by="unit")


@pytest.fixture
def state():
    torch.manual_seed(1)
    return load_model("resnet8", 7).state_dict()


def reads_back(path, state, tolerance=0.0):
    model = build_with_weights(find_model("resnet8"), path)
    assert not model.training
    for name, value in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, state[name].float(), rtol=tolerance, atol=tolerance)


def test_plain_checkpoint_sets_the_number_of_classes(tmp_path, state):
    torch.save(state, tmp_path / "a.pth")
    reads_back(tmp_path / "a.pth", state)


def test_wrapped_checkpoint_of_a_parallel_model(tmp_path, state):
    wrapped = {"state_dict": {f"module.{k}": v for k, v in state.items()}, "best_prec1": 91.7}
    torch.save(wrapped, tmp_path / "a.th")
    reads_back(tmp_path / "a.th", state)


def test_published_weights_of_networks_that_are_called_otherwise(tmp_path):
    """GoogLeNet's auxiliary classifiers are left out; DenseNet's layers have dots in their
    names."""
    state = load_model("googlenet", 5).state_dict()
    others = {"aux1.conv.conv.weight": torch.ones(2, 2, 1, 1), "aux2.fc1.bias": torch.ones(3)}
    torch.save(prefixed("module.", state | others), tmp_path / "a.pth")
    model = build_with_weights(find_model("googlenet"), tmp_path / "a.pth")
    assert torch.equal(model.fc.bias, state["fc.bias"]) and len(model.fc.bias) == 5
    state = load_model("densenet121", 5).state_dict()
    dotted = {
        re.sub(r"(layer\d+\.[a-z]+)(\d)", r"\1.\2", name): value for name, value in state.items()
    }
    assert "features.denseblock1.denselayer2.norm.1.weight" in dotted
    torch.save(dotted, tmp_path / "b.pth")
    model = build_with_weights(find_model("densenet121"), tmp_path / "b.pth")
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_classifier_that_is_a_convolution_has_the_classes(tmp_path):
    torch.save(load_model("squeezenet", 6).state_dict(), tmp_path / "a.pth")
    model = build_with_weights(find_model("squeezenet"), tmp_path / "a.pth")
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 6)


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "model.",
        "net.",
        "_orig_mod.module.",
        "model._orig_mod.",
        "model.net.",
        "net.module._orig_mod.",
    ],
)
def test_prefixes_of_wrappers(tmp_path, state, prefix):
    torch.save(prefixed(prefix, state), tmp_path / "a.pth")
    reads_back(tmp_path / "a.pth", state)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
def test_checkpoints_with_other_things(tmp_path, state, key):
    found = {
        key: state,
        "epoch": 7,
        "best": torch.tensor(0.9),
        "loss": np.float64(0.25),
        "args": argparse.Namespace(lr=0.1, out=Path("runs")),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}},
    }
    torch.save(found, tmp_path / "a.pt")
    reads_back(tmp_path / "a.pt", state)


def test_lightning_checkpoint(tmp_path, state):
    inner = prefixed("model.", state) | {
        "loss.weight": torch.ones(3),
        "measure.total": torch.ones(1),
    }
    found = {"state_dict": inner, "hyper_parameters": {"lr": 0.1}, "loops": {}, "epoch": 2}
    torch.save(found, tmp_path / "a.ckpt")
    reads_back(tmp_path / "a.ckpt", state)


def test_weights_that_are_not_clear(tmp_path, state):
    torch.save({"model": state, "state_dict": state}, tmp_path / "a.pth")
    with pytest.raises(ResarrayError, match="several state dictionaries, 'state_dict' and 'model'"):
        read_weights(tmp_path / "a.pth")
    torch.save(prefixed("model.", state) | prefixed("net.", state), tmp_path / "b.pth")
    with pytest.raises(ResarrayError, match=r"more than once, under 'model\.', 'net\.'"):
        build_with_weights(find_model("resnet8"), tmp_path / "b.pth")


def test_misfits_under_a_prefix_are_named_without_it(tmp_path, state):
    del state["bn1.bias"]
    torch.save({"state_dict": prefixed("model.", state)}, tmp_path / "a.ckpt")
    with pytest.raises(ResarrayError, match=r"lack 'bn1\.bias' of the model"):
        build_with_weights(find_model("resnet8"), tmp_path / "a.ckpt")


def test_half_precision(tmp_path, state):
    torch.save(
        {k: v.half() if v.is_floating_point() else v for k, v in state.items()}, tmp_path / "a.pth"
    )
    reads_back(tmp_path / "a.pth", state, 1e-3)


def test_safetensors(tmp_path, state):
    save_file(state, tmp_path / "a.safetensors")
    reads_back(tmp_path / "a.safetensors", state)


def test_batch_counters_may_be_missing(tmp_path, state):
    torch.save({k: v for k, v in state.items() if "num_batches" not in k}, tmp_path / "a.pth")
    reads_back(tmp_path / "a.pth", state)


def change(state, name, value):
    return {**state, name: value}


@pytest.mark.filterwarnings("ignore")  # of nested tensors
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "bn1.bias"}, "lack 'bn1.bias'"),
        (
            lambda s: change(s, "conv1.weight", torch.zeros(8, 3, 5, 5)),
            r"'conv1.weight' has shape \[8, 3, 5, 5\], the model needs \[8, 3, 3, 3\]",
        ),
        (lambda s: change(s, "extra.weight", torch.zeros(1)), "hold 'extra.weight', unknown"),
        (lambda s: change(s, "bn1.bias", torch.full((8,), torch.nan)), "not finite"),
        (lambda s: change(s, "bn1.bias", torch.zeros(8) + 1j), "'bn1.bias' is complex"),
        (lambda s: change(s, "bn1.bias", torch.ones(8).to_sparse()), "'bn1.bias' is sparse"),
        (
            lambda s: change(s, "bn1.bias", torch.ones(8).long()),
            r"'bn1.bias' is of integers .int64",
        ),
        (lambda s: change(s, "bn1.bias", torch.ones(8).bool()), r"'bn1.bias' is of integers .bool"),
        (
            lambda s: change(s, "bn1.bias", torch.ones(8).to(torch.float8_e4m3fn)),
            r"'bn1.bias' is quantised .float8_e4m3fn",
        ),
        (lambda s: change(s, "bn1.bias", torch.ones(8, device="meta")), "is on device 'meta'"),
        (
            lambda s: change(s, "bn1.bias", torch.nested.nested_tensor([torch.ones(8)])),
            "'bn1.bias' is nested",
        ),
        (lambda s: {"epoch": 3}, "hold no state dictionary, only 'epoch'"),
        (lambda s: [1, 2], "hold no state dictionary but a list"),
        (lambda s: 1, "hold no state dictionary but an int"),
    ],
)
def test_misfits_are_named_and_nothing_is_loaded(tmp_path, state, edit, message):
    torch.save(edit(state), tmp_path / "a.pth")
    model = load_model("resnet8", 7)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ResarrayError, match=message):
        load_weights(model, tmp_path / "a.pth")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


class Dangerous:
    def __reduce__(self):
        return print, ("code from the file ran",)


@pytest.mark.parametrize("suffix", [".pth", ".th", ".pt", ".safetensors"])
def test_unreadable_files(tmp_path, suffix, capsys):
    path = tmp_path / f"a{suffix}"
    for data in (b"", b"not weights at all", pickle.dumps(Dangerous())):
        path.write_bytes(data)
        with pytest.raises(ResarrayError, match="cannot be read as"):
            read_weights(path)
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrap", [lambda m: m, lambda m: {"model": m}, lambda m: {"net": 1, "m": m}]
)
def test_whole_modules_are_refused_in_our_words(tmp_path, wrap):
    """PyTorch's advice is to let the file run its code."""
    torch.save(wrap(load_model("resnet8", 7)), tmp_path / "a.pth")
    with pytest.raises(ResarrayError, match=r"Python objects, of type \S*CifarResNet,") as error:
        read_weights(tmp_path / "a.pth")
    assert "torch.save(model.state_dict(), path)" in str(error.value)
    for advice in ("weights_only", "safe_globals", "trust", "\x1b", "\n"):
        assert advice not in str(error.value)


@pytest.mark.filterwarnings("ignore")
def test_torchscript_archive(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "a.pt")
    with pytest.raises(ResarrayError, match="it is a TorchScript archive"):
        read_weights(tmp_path / "a.pt")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file(tmp_path, state, suffix):
    path = tmp_path / f"a{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ResarrayError, match="cannot be read as"):
        read_weights(path)


def test_missing_and_unknown_files(tmp_path):
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(ResarrayError, match=r"folder.pth' are a folder"):
        read_weights(tmp_path / "folder.pth")
    with pytest.raises(ResarrayError, match="do not exist"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(ResarrayError, match=r"must end in .pth"):
        read_weights(tmp_path / "weights.h5")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_values_are_not_taken_for_weights(tmp_path, state, suffix):
    """A bit of a value: both files can still be read."""
    path = tmp_path / f"a{suffix}"
    if suffix == ".safetensors":
        path.write_bytes(to_safetensors(state))
    else:
        torch.save(state, path)
    reads_back(path, state)
    data, value = path.read_bytes(), max(state.values(), key=torch.numel).numpy().tobytes()
    at = data.index(value) + len(value) // 2
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ResarrayError, match="cannot be read as"):
        read_weights(path)


@pytest.mark.parametrize("place", [b'resarray.sha256":', b"resarray.sha256 "])
def test_a_damaged_value_and_a_damaged_name_of_the_checksum(place, tmp_path, state):
    path = tmp_path / "a.safetensors"
    data = bytearray(to_safetensors(state))
    value = max(state.values(), key=torch.numel).numpy().tobytes()
    for at in (data.index(place), data.index(value) + len(value) // 2):
        data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(ResarrayError, match="its checksum does not fit"):
        read_weights(path)
