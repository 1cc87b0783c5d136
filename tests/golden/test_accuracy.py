"""Accuracy by class, by layer and over crops, on any number of processes."""

import dataclasses
import importlib.util
import socket
from pathlib import Path

import numpy as np
import pytest

from resarray.golden import distribute
from resarray.golden.accuracy import accuracy, cropped, rank
from resarray.golden.datasets import open_images
from resarray.golden.pipeline import prepare
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("training", by="unit")

MODEL = f"{Path(__file__).parents[1] / 'cli' / 'network.py'}:build"
DATASET = """
import numpy as np, torch
from PIL import Image
from torch.utils.data import Dataset

class Digits(Dataset):
    def __init__(self, kind):
        found = np.load({path!r})
        self.x, self.y, self.kind = found["x"], found["y"], kind
    def __len__(self):
        return len(self.y)
    def __getitem__(self, i):
        if self.kind == "tensor":
            return torch.from_numpy(self.x[i]).permute(2, 0, 1), int(self.y[i])
        if self.kind == "float":
            return torch.from_numpy(self.x[i]).permute(2, 0, 1) / 255, torch.tensor(self.y[i])
        return (Image.fromarray(self.x[i]) if self.kind == "picture" else None), int(self.y[i])

def tensors(): return Digits("tensor")
def floats(): return Digits("float")
def pictures(): return Digits("picture")
def nothing(): return Digits("nothing")
def numbers(): return 3
"""


def without_times(found) -> dict:
    return dataclasses.asdict(found) | {"seconds": 0, "seconds_per_image": 0}


def test_the_figures_are_those_of_the_tensors():
    found = accuracy(MODEL, images="digits", count=70)
    p = prepare(MODEL, images="digits", count=70)
    q = p.expected[p.graph.output][:, :, 0, 0].astype(int)
    for logits, top1, top5 in (
        (p.float_logits, found.float_top1, found.float_top5),
        (q, found.int8_top1, found.int8_top5),
    ):
        order = np.argsort(-logits, axis=1, kind="stable")
        assert top1 == pytest.approx((order[:, 0] == p.labels).mean())
        assert top5 == pytest.approx((order[:, :5] == p.labels[:, None]).any(1).mean())
    assert found.agreement == (q.argmax(1) == p.float_logits.argmax(1)).mean()
    assert sum(row.count for row in found.classes) == 70 and len(found.classes) == 10
    for row in found.classes:
        own = p.labels == int(row.name)
        assert row.count == own.sum()
        assert row.int8_top1 == pytest.approx((q[own].argmax(1) == int(row.name)).mean())
    exact = p.float_tensors(70)
    known = {}
    for op in p.graph.ops:
        tensor = p.graph.tensors[op.output]
        real = exact[op.output].astype(float)
        error = (p.expected[op.output].astype(float) - tensor.zero_point) * tensor.scale - real
        known[op.name] = 10 * np.log10((real**2).sum() / (error**2).sum())
    assert {row.layer: row.sqnr_db for row in found.layers} == pytest.approx(known, rel=1e-4)
    decibels = [row.sqnr_db for row in found.layers]
    assert decibels == sorted(decibels)


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_processes_and_a_cluster_find_the_same(monkeypatch):
    from distributed import LocalCluster

    alone = accuracy(MODEL, images="digits", count=70, crops=5)
    assert without_times(alone) == without_times(
        accuracy(MODEL, images="digits", count=70, crops=5, jobs=2)
    )
    options = {"processes": False, "protocol": "tcp", "dashboard_address": None}
    with LocalCluster(n_workers=1, **options) as cluster:
        address = cluster.scheduler_address
        found = accuracy(MODEL, images="digits", count=70, crops=5, scheduler=address)
    assert without_times(found) == without_times(alone)
    monkeypatch.setattr(distribute, "CONNECT_SECONDS", 0.2)
    with pytest.raises(ResarrayError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        accuracy(MODEL, images="digits", count=70, scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("address", ["foo", "http://a:1", "tcp://a", "tcp://a:99999"])
def test_what_is_no_address_of_a_cluster(address):
    with pytest.raises(ResarrayError, match="is no address: give tcp://host:port"):
        accuracy("resnet8", scheduler=address)


def test_a_port_that_never_answers_is_no_cluster(monkeypatch, capfd):
    monkeypatch.setattr(distribute, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(ResarrayError, match=f"no Dask scheduler answers at '{address}'"):
            accuracy("resnet8", scheduler=address)
    assert "Traceback" not in capfd.readouterr().err


def test_a_cluster_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResarrayError, match=r"pip install 'resarray\[cluster\]'"):
        accuracy("resnet8", scheduler="tcp://127.0.0.1:8786")


def test_crops():
    image = np.arange(6 * 8, dtype=np.uint8).reshape(1, 6, 8, 1)
    found = cropped(np.concatenate([image, image + 50]), (4, 4), 10)
    assert found.shape == (20, 4, 4, 1)
    np.testing.assert_array_equal(found[0], image[0, 1:5, 2:6])
    assert [int(crop[0, 0, 0]) for crop in found[1:5]] == [0, 4, 16, 20]
    np.testing.assert_array_equal(found[5:10], found[:5, :, ::-1])
    np.testing.assert_array_equal(found[10:], found[:10] + 50)
    with pytest.raises(ResarrayError, match="3 crops: choose 1, 5 or 10"):
        accuracy(MODEL, images="digits", crops=3)


def test_rank_of_equal_logits():
    logits = np.array([[1.0, 3, 3], [1, 3, 3], [2, 2, 2]])
    assert rank(logits, np.array([2, 1, 0])).tolist() == [1, 0, 0]


def test_a_data_set_is_a_source(tmp_path):
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 256, (7, 5, 6, 3)).astype(np.uint8), rng.integers(0, 4, 7)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    file = tmp_path / "data.py"
    file.write_text(DATASET.format(path=str(tmp_path / "a.npz")))
    known = open_images(str(tmp_path / "a.npz")).read((5, 6), 3)
    for kind in ("tensors", "pictures"):
        found = open_images(f"{file}:{kind}").read((5, 6), 3)
        np.testing.assert_array_equal(found.pixels, known.pixels)
        np.testing.assert_array_equal(found.labels, known.labels)
    ready = open_images(f"{file}:floats")
    assert ready.ready and ready.shape == (3, 5, 6)
    np.testing.assert_allclose(ready.read((5, 6), 3).pixels * 255, x.transpose(0, 3, 1, 2), 1e-6)
    for name, sentence in (
        ("nothing", "image 0 of data set .* is NoneType: it must return pairs"),
        ("numbers", "returned int: it must return a torch Dataset"),
        ("missing", "has no function 'missing': define one that returns a torch Dataset"),
    ):
        with pytest.raises(ResarrayError, match=sentence):
            open_images(f"{file}:{name}")
