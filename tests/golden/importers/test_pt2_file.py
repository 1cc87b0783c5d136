"""Archives of torch.export: read as the module they were made of, and nothing in them is run."""

import io
import json
import os
import pickle
import random
import zipfile

import pytest
import torch
from torch import nn

from resarray.golden.float_graph import run_float
from resarray.golden.models import find_model
from resarray.golden.passes import simplify
from resarray.golden.pipeline import build_network
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("front-ends", by="fault")

FLIPS = int(os.environ.get("RESARRAY_PT2_FLIPS", "30"))
SEED = int(os.environ.get("RESARRAY_SEED", "0"))


def net() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    torch.export.save(torch.export.export(net(), (torch.zeros(1, 3, 6, 6),)), path)
    return path


def test_it_computes_what_the_module_does(archive):
    spec = find_model(str(archive))
    assert (spec.name, spec.input_size, spec.channels) == ("net", (6, 6), 3)
    x = torch.randn(2, 3, 6, 6)
    found = run_float(spec.file.read((3, 6, 6)), x)
    torch.testing.assert_close(found[:, :, 0, 0], net()(x))
    network = build_network(str(archive), count=2)
    assert network.graph.tensors[network.graph.output].shape == (10, 1, 1)


class Moved(nn.Module):
    """A constant that forward() makes, as of means and deviations."""

    def forward(self, x):
        return (x - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)).relu()


def test_a_constant_of_its_forward(tmp_path):
    program = torch.export.export(Moved(), (torch.zeros(1, 3, 6, 6),))
    torch.export.save(program, tmp_path / "a.pt2")
    spec = find_model(str(tmp_path / "a.pt2"))
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(run_float(spec.file.read((3, 6, 6)), x), Moved()(x))


def test_an_operator_that_pytorch_does_not_know(archive, tmp_path):
    path = changed(archive, tmp_path / "a.pt2", "model.json", text("aten.relu.", "aten.new."))
    with pytest.raises(
        ResarrayError, match=r"cannot be loaded by PyTorch .* does not know; export"
    ):
        find_model(path)


def test_what_is_in_it_stands_in_a_sentence(archive, tmp_path):
    hostile = "aten.\\u001b[31m\\n" + "x" * 10000
    path = changed(archive, tmp_path / "a.pt2", "model.json", text("aten.relu.", hostile))
    with pytest.raises(ResarrayError, match=r"calls 'torch\.ops\.aten") as caught:
        find_model(path)
    message = str(caught.value).removeprefix(f"model '{path}'")
    assert message.isprintable() and len(message) < 300


def test_a_dynamic_batch_and_size(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU()).eval()
    dims = {0: torch.export.Dim("n")} | {i: torch.export.Dim(f"d{i}", min=5) for i in (2, 3)}
    program = torch.export.export(model, (torch.zeros(2, 3, 16, 17),), dynamic_shapes=(dims,))
    torch.export.save(program, tmp_path / "d.pt2")
    spec = find_model(str(tmp_path / "d.pt2"))
    assert spec.input_size is None
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(run_float(spec.file.read((3, 9, 8)), x), model(x))


def test_batches_of_one_size_are_refused(tmp_path):
    torch.export.save(torch.export.export(net(), (torch.zeros(4, 3, 6, 6),)), tmp_path / "b.pt2")
    with pytest.raises(ResarrayError, match="was exported for 4 images at a time"):
        find_model(str(tmp_path / "b.pt2"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 7}, "input size 7x7: the input of model 'net' has the size 6x6"),
        ({"weights": "w.pth"}, "is a file with weights and operators: give it without --weights"),
    ],
)
def test_options_that_do_not_fit(archive, options, message):
    with pytest.raises(ResarrayError, match=message):
        build_network(str(archive), **options)


def changed(archive, path, name: str, change):
    """The archive with the content of the file that ends with ``name`` changed."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, change(data) if info.filename.endswith(name) else data)
    return str(path)


def text(before: str, after: str):
    def change(data: bytes) -> bytes:
        assert before.encode() in data
        return data.replace(before.encode(), after.encode(), 1)

    return change


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("evil",))


def pickled(_: bytes) -> bytes:
    buffer = io.BytesIO()
    torch.save([Evil()], buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "model.json",
            text("torch.ops.aten.relu.default", "torch.hub.load"),
            "calls 'torch.hub.load', which is not loaded",
        ),
        ("model.json", text("torch.ops.aten.relu.default", "torch.ops.aten.from_file.x"), "calls"),
        ("model.json", text("torch.ops.aten.relu.default", "_operator.attrgetter"), "calls"),
        ("model.json", text('"guards_code": []', '"guards_code": ["exit()"]'), "code that checks"),
        (
            "model.json",
            text('{"as_int": 36}', '{"as_expr": {"expr_str": "exit()", "hint": null}}'),
            "has a dynamic size 'exit",
        ),
        (
            "model.json",
            text('{"as_int": 36}', '{"as_expr": {"expr_str": "Mul(exit(), 2)", "hint": null}}'),
            "has a dynamic size 'Mul.exit",
        ),
        *(
            (
                "model.json",
                text('{"as_int": 36}', f'{{"as_expr": {{"expr_str": "{size}", "hint": null}}}}'),
                "has a dynamic size",
            )
            for size in ("Pow(Integer(7), Integer(9))", "Mul(s1, 99999999)", "s1" + ", s1" * 200)
        ),
        *(
            (
                "model.json",
                text('\\"builtins.dict\\", \\"context\\": \\"[]\\"', evil),
                "a structure with",
            )
            for evil in (
                r"\"builtins.dict\", \"context\": "
                r"\"[{\\\"__enum__\\\":true,\\\"fqn\\\":\\\"this:X\\\"}]\"",
                r"\"collections.\\u0064efaultdict\", \"context\": \"[]\"",
            )
        ),
        ("weights_config.json", text('"use_pickle": false', '"use_pickle": true'), "pickled"),
        ("sample_inputs/model.pt", pickled, "cannot be loaded: "),
        ("model.json", lambda data: data[:100], "is no archive of torch.export.save, or a damaged"),
        ("model.json", lambda data: b"[" * 100_000, "is no archive of torch.export.save"),
    ],
)
def test_nothing_in_it_is_run(archive, tmp_path, monkeypatch, name, change, message):
    monkeypatch.chdir(tmp_path)
    path = changed(archive, tmp_path / "evil.pt2", name, change)
    with pytest.raises(ResarrayError, match=message):
        find_model(path).file.read((3, 6, 6))
    assert not os.path.exists("evil")


def test_objects_in_it_are_not_loaded(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = changed(archive, tmp_path / "o.pt2", ".never", None)
    with zipfile.ZipFile(path, "a") as archive_again:
        for kind in ("custom_obj_0", "opaque_obj_0"):
            archive_again.writestr(f"net/data/constants/{kind}", pickle.dumps(Evil()))
    with pytest.raises(ResarrayError, match="holds an object that is no tensor"):
        find_model(path)
    assert not os.path.exists("evil")


def test_which_of_two_files_of_a_name_is_meant_is_not_guessed(archive, tmp_path):
    path = changed(archive, tmp_path / "t.pt2", ".never", None)
    with zipfile.ZipFile(path, "a") as again:
        again.writestr("net/MODELS/model.json", "{}")
    with pytest.raises(ResarrayError, match="holds two files of one name"):
        find_model(path)


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x03\x04", json.dumps({}).encode()], ids=range(4)
)
def test_other_files(tmp_path, content):
    path = tmp_path / "x.pt2"
    path.write_bytes(content)
    with pytest.raises(ResarrayError, match="is no archive of torch"):
        find_model(str(path))
    with pytest.raises(ResarrayError, match="cannot be read: No such file"):
        find_model(str(tmp_path / "missing.pt2"))
    with pytest.raises(ResarrayError, match="is no file"):
        (tmp_path / "folder.pt2").mkdir()
        find_model(str(tmp_path / "folder.pt2"))


@pytest.mark.parametrize("seed", range(SEED, SEED + FLIPS))
def test_damaged_archives(archive, tmp_path, seed):
    """Flipped bytes, within the archive or within one of its files: a sentence, or a network."""
    rng = random.Random(seed)

    def flip(data: bytes) -> bytes:
        values = bytearray(data)
        for _ in range(rng.choice([1, 1, 3])):
            values[rng.randrange(len(values))] ^= 1 << rng.randrange(8)
        return bytes(values)

    if rng.random() < 0.5:
        path = tmp_path / "d.pt2"
        path.write_bytes(flip(archive.read_bytes()))
    else:
        with zipfile.ZipFile(archive) as content:
            names = [info.filename for info in content.infolist() if info.file_size]
        programs = [name for name in names if name.endswith("model.json")]
        path = changed(archive, tmp_path / "d.pt2", rng.choice(programs * 3 + names), flip)
    try:
        spec = find_model(str(path))
        assert spec.file is not None
        graph = simplify(spec.file.read((spec.channels, *(spec.input_size or (6, 6)))))
        found = run_float(graph, torch.zeros(1, *graph.shape))
    except ResarrayError:
        return
    assert found.shape[0] == 1
