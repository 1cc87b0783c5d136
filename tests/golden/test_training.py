"""Training in epochs: it learns, goes on with the same bits, and refuses what cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch

from resarray.golden import fast
from resarray.golden.augment import Augmentation
from resarray.golden.importer import import_model
from resarray.golden.models import find_model, load_model
from resarray.golden.qat import FakeQuantised
from resarray.golden.quantise import quantise
from resarray.golden.training import Settings, train
from resarray.golden.weights import build_with_weights
from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import quantise_values

pytestmark = pytest.mark.verifies("training", by="unit")

NETWORK = Path(__file__).parents[1] / "cli" / "network.py"
MODEL = f"{NETWORK}:build"
CHANGES = Augmentation(crop=1, flip=True, colour=0.2)


@pytest.fixture
def images(tmp_path):
    """Three classes that the colour tells apart."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    x = rng.integers(0, 120, (90, 8, 8, 3))
    x[np.arange(90), :, :, y] += 100
    np.savez(tmp_path / "x.npz", x=x.astype(np.uint8), y=y)
    return str(tmp_path / "x.npz")


def state(trained) -> dict:
    return trained.model.state_dict()


def equal(a, b) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.long
def test_it_learns_and_is_repeatable(images, tmp_path):
    settings = Settings(epochs=4, batch=16, rate=0.1, augment=CHANGES, smoothing=0.1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = train("resnet8", images=images, input_size=8, settings=settings)
    assert torch.equal(torch.get_rng_state(), before), "training changed the caller's generator"
    assert found.images == 81 and found.held_out == 9
    assert found.epochs[-1].train_top1 > 0.8 and found.epochs[-1].train_loss < 0.8
    assert [row.epoch for row in found.epochs] == [1, 2, 3, 4]
    assert found.epochs[-1].rate < 1e-3 < found.epochs[0].rate
    again = train("resnet8", images=images, input_size=8, settings=settings)
    assert equal(state(found), state(again))
    torch.save(state(found), tmp_path / "w.pth")
    loaded = build_with_weights(find_model("resnet8"), tmp_path / "w.pth")
    assert len(loaded.linear.bias if hasattr(loaded, "linear") else loaded.fc.bias) == 3


@pytest.mark.parametrize("quantised", [False, True])
def test_resumed_training_ends_with_the_same_bits(images, tmp_path, quantised):
    class Interrupted(Exception):
        pass

    settings = Settings(epochs=2, batch=32, augment=CHANGES, quantised=quantised)

    def run(**options):
        return train("resnet8", images=images, input_size=8, settings=settings, **options)

    whole = run()
    file = tmp_path / "c.pth"

    def stop(row):
        if row.epoch == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(save=file.write_bytes, report=stop)
    resumed = run(resume=file)
    assert equal(state(whole), state(resumed))
    times = [row.__dict__ | {"seconds": 0} for row in whole.epochs]
    assert [row.__dict__ | {"seconds": 0} for row in resumed.epochs] == times
    other = Settings(epochs=2, batch=8, augment=CHANGES, quantised=quantised)
    with pytest.raises(ResarrayError, match="was trained with batch 32, not 8"):
        train("resnet8", images=images, input_size=8, settings=other, resume=file)


@pytest.mark.parametrize(("model", "shape"), [("resnet8", (3, 16, 16)), ("lenet5", (1, 28, 28))])
def test_the_quantised_forward_is_the_integer_graph(model, shape):
    torch.manual_seed(2)
    x = torch.randn(3, *shape)
    module = load_model(model, 10)
    fake = FakeQuantised(module, shape, model)
    fake.settle(x)
    found = fake(x)
    graph = quantise(import_model(module, shape), x)
    tensor, output = graph.tensors[graph.input], graph.tensors[graph.output]
    inputs = quantise_values(x.numpy(), tensor.scale, tensor.zero_point)
    q = fast.run(graph, inputs)[graph.output][:, :, 0, 0].astype(np.float32)
    real = (q - output.zero_point) * np.float32(output.scale)
    np.testing.assert_array_equal(found.detach().numpy(), real)
    found.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    assert sum(float(p.grad.abs().sum() > 0) for p in module.parameters()) > 5


def test_quantised_training_lowers_the_loss_of_the_integers(images):
    settings = Settings(epochs=3, batch=16, rate=0.02, quantised=True)
    found = train(MODEL, images=images, settings=settings)
    assert found.epochs[-1].train_loss < found.epochs[0].train_loss * 0.9


def test_changes_of_images():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 3, 4, 5)
    y = Augmentation(crop=1, flip=True).places(x, generator)
    padded = torch.nn.functional.pad(x, (1,) * 4)
    seen = set()
    for n in range(200):
        places = {
            (dy, dx, flip)
            for dy in range(3)
            for dx in range(3)
            for flip in (False, True)
            if torch.equal(
                y[n],
                torch.nn.functional.pad(x[n].flip(2), (1,) * 4)[:, dy : dy + 4, dx : dx + 5]
                if flip
                else padded[n][:, dy : dy + 4, dx : dx + 5],
            )
        }
        assert len(places) == 1
        seen |= places
    assert len(seen) == 18
    colours = Augmentation(colour=0.5).pixels(x, generator)
    assert colours.min() >= 0 and colours.max() <= 1 and not torch.equal(colours, x)
    assert torch.equal(Augmentation().pixels(x, generator), x)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"settings": {"rate": 1e6, "epochs": 9}}, "the loss is no longer finite in epoch"),
        ({"validation": 0.001}, "90 images cannot be divided into 0.001 for validation"),
        ({"validation": 1.5}, "--validation 1.5: give a fraction between 0 and 1"),
        ({"device": "tpu"}, "--device tpu: choose auto, cpu or cuda"),
        ({"resume": "none.pth"}, "checkpoint 'none.pth' does not exist"),
        ({"resume": NETWORK}, "cannot be read"),
        ({"model": f"{NETWORK}:Maps"}, "does not return logits"),
    ],
)
def test_what_is_refused(images, options, sentence):
    arguments = {"model": MODEL, "images": images} | options
    settings = Settings(**{"epochs": 2, **arguments.pop("settings", {})})
    with pytest.raises(ResarrayError, match=sentence):
        train(**arguments, settings=settings)


def test_settings_out_of_range():
    for name, value in (("epochs", 0), ("smoothing", 1.5), ("rate", float("nan"))):
        with pytest.raises(ResarrayError, match=f"--{name} {value}: .* is allowed"):
            Settings(**{name: value})
