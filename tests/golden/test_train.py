"""The training recipe, its cache and its determinism."""

import pytest
import torch

from resarray.golden import train
from resarray.golden.models import find_model
from resarray.golden.weights import build_with_weights
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("training", by="unit")

QUICK = train.Recipe(size=8, steps=40, batch=64, rate=0.1, budget=1e6)


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A quick recipe for resnet8, and a cache of its own."""
    monkeypatch.setenv("RESARRAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(train.RECIPES, "resnet8", QUICK)
    return tmp_path / "cache"


@pytest.mark.long
def test_cached_weights_are_trained_once(quick):
    calls = []
    path = train.cached_weights("resnet8", lambda done, what: calls.append(done))
    assert path.parent == quick and calls[-1] == 1.0 and calls == sorted(calls)
    assert [file.name for file in quick.iterdir()] == [path.name]
    trained = len(calls)
    assert train.cached_weights("resnet8", lambda done, what: calls.append(done)) == path
    assert len(calls) == trained
    model = build_with_weights(find_model("resnet8"), path)
    assert train.evaluate(model, find_model("resnet8"), "digits", 8) > 0.8


def test_another_recipe_has_another_file(quick, monkeypatch):
    path = train.cached_weights("resnet8")
    monkeypatch.setitem(train.RECIPES, "resnet8", train.Recipe(size=8, steps=5, seed=1))
    assert train.cached_weights("resnet8") != path


@pytest.mark.long
def test_same_seed_same_weights():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = train.train("resnet8", QUICK).state_dict()
    assert torch.equal(torch.get_rng_state(), before), "training changed the caller's generator"
    torch.manual_seed(321)
    second = train.train("resnet8", QUICK).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", [pytest.param("squeezenet", marks=pytest.mark.long), "lenet5"])
def test_networks_that_end_in_a_convolution_or_have_no_batch_norms(name):
    """With random features the last layer alone is fitted."""
    recipe = train.Recipe(size=32 if name == "squeezenet" else 28, steps=0)
    model = train.train(name, recipe)
    assert train.evaluate(model, find_model(name), "digits", recipe.size) > 0.3


def test_interrupted_training_leaves_nothing(quick):
    def stop(done, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.cached_weights("resnet8", stop)
    assert not quick.exists() or not list(quick.iterdir())


def test_budget_cuts_the_schedule_short():
    steps = []
    recipe = train.Recipe(size=8, steps=100_000, budget=0.5)
    model = train.train("resnet8", recipe, lambda done, what: steps.append(done))
    assert not model.training and len(steps) < 10_000


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESARRAY_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(train, "train", lambda *_: pytest.fail("it is noticed only after training"))
    with pytest.raises(ResarrayError, match=r"cannot write the cache .* set RESARRAY_CACHE"):
        train.cached_weights("resnet8")


def test_user_models_are_not_trained(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from torch import nn\ndef build():\n    return nn.Conv2d(3, 2, 1)\n")
    with pytest.raises(ResarrayError, match="not a zoo model"):
        train.train(f"{file}:build")
