"""Image files whose manifest was edited: one sentence, whatever reads them."""

import copy
import json
import random
import re

import numpy as np
import pytest

from resarray.cli.main import run
from resarray.compiler.compile import compile_graph
from resarray.compiler.disasm import disassemble
from resarray.spec.errors import ResarrayError
from resarray.spec.image import Image, encode, load, save
from resarray.spec.memory import memory_contents, read_tensors, settings_of, stored_span
from resarray.spec.presets import preset
from resarray.verification.faults.edits import edit
from tests.compiler.reference import Builder

pytestmark = pytest.mark.verifies("contract", by="fault")

SEED = 20
EDITS = 600


@pytest.fixture(scope="module", params=[3, 4], ids=["packed", "blocked"])
def image(request):
    """Two images a run, with an addition."""
    b = Builder(3, (request.param, 12, 12))
    y = b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    b.conv(y, 8, (3, 3), padding=(1, 1, 1, 1), residual=y)
    found = compile_graph(b.graph, preset("tiny"), batch=2)
    channels = request.param
    pixels = {"mean": [0.5] * channels, "std": [0.2] * channels, "classes": ["cat", "dog"]}
    return Image(found.config_hash, found.manifest | {"pixels": pixels}, found.payload)


def use(image: Image) -> None:
    """What the commands do with an image that was read."""
    disassemble(image)
    first = image.manifest["inputs"][0]["layout"]
    shape = [first[side] for side in ("channels", "height", "width")]
    memory_contents(image, np.zeros((len(image.manifest["inputs"]), *shape), np.int8))
    settings = settings_of(image, 0)
    assert all(0 <= value < 2**32 for value in settings.values())
    assert stored_span(image)[1] <= image.manifest["mem_size"] < 2**20
    read_tensors(image, lambda start, size: np.zeros(size, np.int8))
    sum(layer["predicted_cycles"] for layer in image.manifest["layers"])


def test_a_good_one(image, tmp_path):
    save(image, tmp_path / "x.rsa")
    found = load(tmp_path / "x.rsa")
    assert found == image
    use(found)


def test_edited_manifests(image, tmp_path):
    rng = random.Random(SEED)
    path, refused = tmp_path / "x.rsa", 0
    for number in range(EDITS):
        manifest = copy.deepcopy(image.manifest)
        what = [edit(manifest, rng) for _ in range(rng.choice([1, 1, 1, 2]))]
        path.write_bytes(encode(Image(image.config_hash, manifest, image.payload)))
        try:
            use(load(path))
        except ResarrayError as error:
            # A program that ends elsewhere is still within the payload.
            damaged = "has a damaged manifest: .*: compile it again|the program is corrupt"
            assert re.search(damaged, str(error)), what
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {SEED}, edit {number}: {what}") from error
    assert refused > EDITS // 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("digest"), "has no field 'digest'"),
        (lambda m: m["digest"].update(graph="0"), "'digest.graph', which must be 64 hex digits"),
        (lambda m: m["program"].update(count=2**19), "its program ends outside the payload"),
        (lambda m: m["inputs"][0].update(addr=0), "lies before the end of the payload"),
        (lambda m: m["inputs"].reverse() or m["inputs"][0].update(image=0), "its inputs are not"),
        (lambda m: m["tensors"].pop(0), "are not one per image of the batch"),
        (lambda m: m["layers"].pop(), "its tensors are not those of its layers"),
        (lambda m: m.update(outputs=["x"]), "an output is none of its tensors"),
        (lambda m: m.update(mem_size=2**30), "mem_size lies far behind the last tensor"),
        (lambda m: m["tensors"][0]["layout"].update(height=2**30), "lies before the end of"),
        (lambda m: m["config"].update(acc_depth=32), "its configuration is not the one in the hea"),
        (lambda m: m["config"].update(rows="8"), "its configuration: rows must be a whole number"),
        (lambda m: m["pixels"].update(std=[1.0]), "pixels.std has 1 of"),
        (lambda m: m.update(batch=3), "are not one per image of the batch"),
    ],
)
def test_what_is_wrong_is_said(image, tmp_path, capsys, change, message):
    manifest = copy.deepcopy(image.manifest)
    change(manifest)
    path = tmp_path / "x.rsa"
    save(Image(image.config_hash, manifest, image.payload), path)
    for command in (["disasm"], ["run", "--port", "sim"], ["sim", "--preset", "tiny", "--image"]):
        more = ["picture.png"] if command[0] == "run" else []
        assert run([*command, str(path), *more]) == 2
        err = capsys.readouterr().err.splitlines()
        assert len(err) == 1, err
        assert f"'{path}' has a damaged manifest: " in err[0]
        assert message in err[0]
        assert err[0].endswith(": compile it again")


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", b"[" * 100_000, b'{"batch": NaN}'])
def test_no_manifest(image, tmp_path, text, monkeypatch):
    monkeypatch.setattr(json, "dumps", lambda value: text.decode("latin-1"))
    data = encode(Image(image.config_hash, {}, image.payload))
    monkeypatch.undo()
    (tmp_path / "x.rsa").write_bytes(data)
    with pytest.raises(ResarrayError, match=r"has a damaged manifest: .*: compile it again"):
        load(tmp_path / "x.rsa")
