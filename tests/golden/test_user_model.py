"""A user's network: its file, what it says about its input, and what is refused, and why."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resarray.cli.signals import Ended
from resarray.golden.models import find_model
from resarray.golden.pipeline import build_network, prepare
from resarray.golden.user_model import input_channels, load_module, per_channel
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("front-ends", by="unit")

# A network of 3 channels, any size and 5 classes; cases change it before it is returned.
FILE = """
import sys
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, channels=3, change=None):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 5)
        self.change = change or (lambda y: y)

    def forward(self, x):
        return self.change(self.fc(self.pool(self.bn(self.conv(x)).relu()).flatten(1)))

def build():
    torch.manual_seed(1)
    m = Net()
    {}
    return m
"""


@pytest.fixture
def images(tmp_path) -> str:
    pixels = np.random.default_rng(3).integers(0, 256, (6, 8, 10, 3)).astype(np.uint8)
    np.savez(tmp_path / "x.npz", x=pixels, y=np.arange(6) % 5)
    return str(tmp_path / "x.npz")


@pytest.fixture
def written(tmp_path):
    """Writes a model file in which ``change`` is done to the network."""

    def write(change: str = "") -> str:
        (tmp_path / "net.py").write_text(FILE.format(change or "pass"))
        return f"{tmp_path / 'net.py'}:build"

    return write


# -- the file --------------------------------------------------------------------------------


def test_a_thread_that_looks_for_a_package_meanwhile_misses_none(tmp_path, monkeypatch):
    """It goes through Python's path while the model's folder comes and goes there."""
    looking = iter(sys.path)
    passed = [next(looking)]
    monkeypatch.setattr(sys, "look_on", lambda: passed.append(next(looking)), raising=False)
    file = tmp_path / "net.py"
    file.write_text(
        "import sys\n"
        "from torch import nn\n"
        "sys.look_on()\n"
        "def build():\n"
        "    return nn.Conv2d(3, 6, 3)\n"
    )
    load_module(file, "build")
    assert [*passed, *looking] == sys.path


def test_the_folder_is_importable_and_the_module_registered(tmp_path):
    (tmp_path / "widths.py").write_text("WIDTH = 6\n")
    file = tmp_path / "net.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from torch import nn\n"
        "from widths import WIDTH\n"
        "@dataclass\n"
        "class Shape:\n"
        "    width: int = WIDTH\n"
        "def build():\n"
        "    from widths import WIDTH\n"
        "    return nn.Conv2d(3, Shape().width, 3)\n"
    )
    before = list(sys.path)
    assert load_module(file, "build").out_channels == 6
    assert sys.path == before
    assert not list(tmp_path.glob("**/*.pyc"))


def test_files_of_one_name_do_not_disturb_each_other(tmp_path):
    found = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "widths.py").write_text(f"WIDTH = {number}\n")
        (folder / "net.py").write_text(
            "from torch import nn\nfrom widths import WIDTH\n"
            "class Net(nn.Conv2d): pass\ndef build(): return Net(3, WIDTH, 3)\n"
        )
        found.append(load_module(folder / "net.py", "build"))
    assert [model.out_channels for model in found] == [1, 2]
    assert type(found[0]) is not type(found[1])
    assert sys.modules[type(found[1]).__module__].Net is type(found[1])


def test_the_defaults_of_pytorch_come_back(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "import torch\ntorch.set_default_dtype(torch.float64)\n"
        "def build(): return torch.nn.Conv2d(3, 2, 3)\n"
    )
    load_module(file, "build")
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.filterwarnings("ignore")  # of torch.compile
def test_name_of_the_network(written, images):
    assert find_model(written()).name == "Net"
    assert build_network(written(), images=images).graph.name == "Net"
    named = build_network(written(), images=images, name="my net")
    assert named.graph.name == named.name == "my net"
    assert find_model(written("m = torch.compile(m)")).name == "Net"
    assert find_model(written("m = nn.DataParallel(m)")).name == "Net"
    for name in ("", "a\x1b[1m", "x" * 99):
        with pytest.raises(ResarrayError, match="1 to 80 characters"):
            build_network(written(), images=images, name=name)


# -- what it says about its input ------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        (0.5,),
        [0.5],
        np.float32(0.5),
        np.array([[0.5]]),
        torch.tensor(0.5),
        torch.full((1, 1, 1, 1), 0.5),
    ],
)
def test_one_number_for_all_channels(value):
    assert per_channel(value, "mean") == (0.5,)


def test_numbers_per_channel():
    assert per_channel((0.485, 0.456, 0.406), "mean") == (0.485, 0.456, 0.406)
    exact = torch.tensor([0.25, 0.5, 0.75]).view(1, 3, 1, 1)
    assert per_channel(exact, "std") == (0.25, 0.5, 0.75)
    assert per_channel(None, "std") is None


@pytest.mark.parametrize(
    ("what", "value", "message"),
    [
        ("mean", "0.5", "not one number, or one per channel"),
        ("mean", [], "not one number"),
        ("mean", True, "not one number"),
        ("mean", 1j, "not one number"),
        ("mean", ["a"], "not one number"),
        ("mean", float("inf"), "must be a finite number"),
        ("mean", 123.7, "not of pixels scaled to 0..1"),
        ("std", float("nan"), "must be a finite number"),
        ("std", 0.0, "must be above 0"),
        ("std", (0.2, -0.2, 0.2), "std -0.2: it must be above 0"),
    ],
)
def test_numbers_that_are_none(what, value, message):
    with pytest.raises(ResarrayError, match=message):
        per_channel(value, what)


@pytest.mark.parametrize("value", ["12", "(12, 12)", "[12, 12]", "torch.Size([12, 12])"])
def test_input_size(written, value):
    assert find_model(written(f"m.input_size = {value}")).input_size == (12, 12)


@pytest.mark.parametrize("value", ["'big'", "8.5", "(8,)", "(3, 8, 8)", "True", "[8, None]"])
def test_input_size_that_is_none(written, value):
    with pytest.raises(ResarrayError, match=r"input_size of model 'Net': .* is no size: give"):
        find_model(written(f"m.input_size = {value}"))


def test_size_is_that_of_the_pictures(written, images):
    network = build_network(written(), images=images)
    assert network.input_size == (8, 10)
    assert build_network(written("m.input_size = 9"), images=images).input_size == (9, 9)
    given = build_network(written("m.input_size = 9"), images=images, input_size=(7, 20))
    assert given.input_size == (7, 20)


def test_ranges_of_one_image_are_said(written, images):
    model = written("m.mean, m.std = 0, 1")
    (warning,) = build_network(model, images=images, calibration_count=1).warnings
    assert "calibrated on one image" in warning and "give a dozen or more" in warning


def test_normalisation_that_is_assumed_is_said(written, images):
    (warning,) = build_network(written(), images=images).warnings
    assert "mean and std are not known" in warning
    assert "ImageNet's are assumed (mean 0.485, 0.456, 0.406, std" in warning
    (warning,) = build_network(written("m.std = 0.2"), images=images).warnings
    assert warning.startswith("mean is not known")
    assert not build_network(written("m.mean, m.std = 0, 1"), images=images).warnings
    options = {"images": images, "mean": 0.5, "std": (0.1, 0.2, 0.3)}
    network = build_network(written("m.mean, m.std = 0, 1"), **options)
    assert (network.mean, network.std) == ((0.5,) * 3, (0.1, 0.2, 0.3))
    with pytest.raises(ResarrayError, match="mean has 2 values, model 'Net' takes 3 channels"):
        build_network(written(), images=images, mean=(0.1, 0.2))


def test_channels_of_the_input(tmp_path):
    from torch import nn

    assert input_channels(nn.Sequential(nn.Conv2d(7, 4, 3)), (8, 8)) == 7
    assert input_channels(nn.Sequential(nn.BatchNorm2d(5), nn.Conv2d(5, 4, 3)), (8, 8)) == 5
    assert input_channels(nn.Sequential(nn.Flatten(), nn.Linear(84, 4)), (4, 7)) == 3
    assert input_channels(nn.Sequential(nn.Flatten(), nn.Linear(85, 4)), (4, 7)) is None

    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = nn.Conv2d(6, 3, 3), nn.Conv2d(2, 6, 3)

        def forward(self, x):
            return self.last(self.first(x))

    assert input_channels(Backwards(), (8, 8)) == 2


MLP = """
import torch
from torch import nn
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 16), nn.ReLU(), nn.Linear(16, 5))
class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(4, CHANNELS))
    def forward(self, x):
        return nn.functional.linear(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1), self.w)
CHANNELS = 3
class Any(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))
def told():
    m = Any()
    m.channels = 2
    return m
"""


def test_a_network_without_a_convolution(tmp_path):
    file = tmp_path / "mlp.py"
    file.write_text(MLP)
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "x.npz", x=rng.integers(0, 256, (3, 28, 28, 1)).astype(np.uint8))
    network = build_network(f"{file}:build", images=str(tmp_path / "x.npz"))
    assert network.graph.tensors[network.graph.input].shape == (1, 28, 28)
    # Nothing but its images or itself can tell.
    np.save(tmp_path / "x.npy", rng.normal(size=(4, 3, 6, 6)))
    network = build_network(f"{file}:Bare", images=str(tmp_path / "x.npy"))
    assert network.graph.tensors[network.graph.input].shape == (3, 6, 6)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(tmp_path / "pictures" / "a.png")
    # Of grey and colour, only one works.
    network = build_network(f"{file}:Bare", images=str(tmp_path / "pictures"))
    assert network.graph.tensors[network.graph.input].shape == (3, 6, 6)
    with pytest.raises(ResarrayError, match="set the module's attribute channels"):
        build_network(f"{file}:Any", images=str(tmp_path / "pictures"))
    with pytest.raises(ResarrayError, match="have 1 or 3 channels, the network takes 2 channels"):
        build_network(f"{file}:told", images=str(tmp_path / "pictures"), mean=0.5, std=0.5)


def test_one_channel_and_view(tmp_path):
    """PyTorch must not take the strides of a single channel for channels last."""
    file = tmp_path / "net.py"
    file.write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 10)\n"
        "    def forward(self, x):\n"
        "        x = torch.relu(self.conv(x))\n"
        "        return self.fc(x.view(x.size(0), -1))\n"
    )
    assert prepare(f"{file}:Net", input_size=8, count=2).float_logits.shape == (2, 10)


# -- whether it can be taken -----------------------------------------------------------------


@pytest.mark.parametrize("change", ["m.half()", "m.double()", "m.bfloat16()", "m.train()"])
def test_other_precisions(written, images, change):
    network = build_network(written(change), images=images)
    assert all(p.dtype == torch.float32 for p in network.float_model.parameters())
    assert not network.float_model.training


@pytest.mark.parametrize(
    "change",
    [
        "{'logits': y, 'features': y + 1}",
        "{'out': y}",
        "(y,)",
        "[y, None]",
        "y.float()",
        "__import__('types').SimpleNamespace(logits=y)",
    ],
)
def test_answers_that_hold_the_logits(written, images, change):
    plain = prepare(written(), images=images)
    found = prepare(written(f"m.change = lambda y: {change}"), images=images)
    np.testing.assert_array_equal(found.float_logits, plain.float_logits)
    assert [op.name for op in found.graph.ops] == [op.name for op in plain.graph.ops]


REFUSED = {
    "m.change = lambda y: {'a': None, 'b': 1}": "returns a dict of 'a', 'b': it must return a",
    "m.change = lambda y: ()": "returns a tuple of nothing",
    "m.change = lambda y: (y, y.sum())": r"returns \[\] for 2 images",
    "m.change = lambda y: (y, m.bn.weight.expand(len(y), -1))": "what it does not compute of its",
    "m.change = lambda y: None": "returns a value of type NoneType",
    "m.change = lambda y: y.sum()": r"returns \[\] for 2 images",
    "m.change = lambda y: y[:1]": r"returns \[1, 5\] for 2 images",
    "m.change = lambda y: 1 / 0": "forward.. of model 'Net' fails .*ZeroDivisionError",
    "m.change = lambda y: sys.exit()": "forward.. of model 'Net' fails .*it ends the program",
    "m.change = lambda y: y if y.sum() > 0 else -y": "without data-dependent control flow",
    "m.change = lambda y: y + torch.rand(1)": "aten.rand.*depends on chance",
    "m.forward = lambda x, y: x": "missing 1 required positional argument: 'y'",
    "m.conv.weight.data[0] = float('nan')": "'conv.weight' holds values that are not finite",
    "m.bn.running_var[1] = float('inf')": "'bn.running_var' holds values that are not finite",
    "m.fc.weight = nn.Parameter(m.fc.weight.data.to_sparse())": "'fc.weight' is sparse",
    "m.register_buffer('c', torch.ones(1, dtype=torch.complex64))": "'c' is complex",
    "m.to('meta')": "'conv.weight' is on device 'meta'",
    "m.conv = nn.LazyConv2d(4, 3)": "'conv.weight' of a lazy module has no shape yet",
    "m = torch.jit.trace(m, torch.zeros(1, 3, 8, 8))": "is a TorchScript module",
    "Net.mean = property(lambda m: 1 / 0)": "attribute 'mean' of model 'Net' fails: ZeroDivision",
    "m = [m]": "returned list: it must return an nn.Module",
    "sys.exit(3)": r"build\(\) of .* failed: it ends the program \(sys.exit\)",
    "m.change = lambda y: y.softmax(1)": "aten.softmax.int: return the logits: what follows",
    "m.change = lambda y: y.argmax(1)": "aten.argmax.default: return the logits",
    "Net.forward = torch.autocast('cpu')(Net.forward)": "remove torch.autocast from forward",
    "nn.utils.parametrizations.weight_norm(m.conv)": "'conv' computes its weights .*remove_p",
    "nn.utils.spectral_norm(m.conv)": "'conv' computes its weights .*.SpectralNorm.: call",
    "Net.forward = lambda self, x: x": "returns its input: it must return what it computes",
    "Net.forward = lambda self, x: (self.conv(x), x[:, 1:])": "returns its input: it must",
    "Net.forward = lambda s, x: (y := s.conv(x)).mean((2, 3), True).expand_as(y)": "expanded from",
    "m.input_size = 1024": "input size 1024: model 'Net' takes 1 to 1023 pixels",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", REFUSED)
def test_refused_by_what_is_wrong(written, images, change, capfd):
    with pytest.raises(ResarrayError, match=REFUSED[change]) as error:
        build_network(written(change), images=images)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore")
def test_quantised_buffer_is_refused(written, images):
    buffer = "torch._empty_affine_quantized([2], scale=1, zero_point=0, dtype=torch.qint8)"
    with pytest.raises(ResarrayError, match="'q' is quantised"):
        build_network(written(f"m.register_buffer('q', {buffer})"), images=images)


def test_what_export_does_not_see_is_found(written, images):
    """A network that computes something else for more images."""
    change = "m.register_forward_hook(lambda m, i, y: y[:, [1, 0, 2, 3, 4]] if len(y) > 3 else y)"
    with pytest.raises(ResarrayError, match="computes something else than the operators"):
        build_network(written(change), images=images)


def test_sys_exit_in_the_file(tmp_path):
    (tmp_path / "net.py").write_text("import sys\nsys.exit()\n")
    with pytest.raises(ResarrayError, match=r"cannot be imported: it ends the program"):
        find_model(f"{tmp_path / 'net.py'}:build")


def test_ranges_do_not_depend_on_the_images_that_run(written, images):
    graphs = [build_network(written(), images=images, count=count).graph for count in (1, 3, 6)]
    for graph in graphs[1:]:
        assert graph.tensors == graphs[0].tensors
    few = build_network(written(), images=images, calibration_count=2).graph
    assert few.tensors != graphs[0].tensors


def test_calibration_by_other_images(written, images, tmp_path):
    dark = np.random.default_rng(0).integers(0, 9, (4, 8, 10, 3)).astype(np.uint8)
    np.savez(tmp_path / "dark.npz", x=dark, y=np.full(4, 900))
    other = build_network(written(), images=images, calibration_images=str(tmp_path / "dark.npz"))
    assert other.graph.tensors != build_network(written(), images=images).graph.tensors
    alone = build_network(written(), calibration_images=str(tmp_path / "dark.npz"))
    assert alone.graph.tensors == other.graph.tensors
    assert alone.source.labels is None


def test_class_names(written, images):
    named = build_network(written(), images=images, classes=list("abcde"))
    assert named.class_names == list("abcde")
    with pytest.raises(ResarrayError, match="4 class names are given, model 'Net' has 5 classes"):
        build_network(written(), images=images, classes=list("abcd"))


def test_class_folders(written, images, tmp_path):
    """Labels are the places of the names among the classes, never of the folders among those that
    happen to be there."""
    for name in ("dog", "ant"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 10), np.uint8)).save(tmp_path / "pictures" / name / "0.png")
    folder = str(tmp_path / "pictures")
    with pytest.raises(
        ResarrayError, match=r"2 class folders, model 'Net' has 5 classes.*give --cl"
    ):
        build_network(written(), images=folder)
    names = ["dog", "cat", "bee", "ant", "cow"]
    network = build_network(written(), images=folder, classes=names)
    assert network.source.labels.tolist() == [3, 0] and network.class_names == names
    with pytest.raises(ResarrayError, match=r"'dog' of .* is called as none of the classes given"):
        build_network(written(), images=folder, classes=["Dog", *names[1:]])
    # What only calibrates need not be of the network's classes.
    assert build_network(written(), calibration_images=folder).source.labels is None
    two = written("m.fc = nn.Linear(4, 2)")
    network = build_network(two, images=folder)
    assert network.source.labels.tolist() == [0, 1] and network.class_names == ["ant", "dog"]


def test_class_names_that_do_not_fit(written, images, tmp_path):
    with pytest.raises(ResarrayError, match="class name 'a' is given twice"):
        build_network(written(), images=images, classes=list("abcda"))
    x = np.zeros((2, 8, 10, 3), np.uint8)
    np.savez(tmp_path / "six.npz", x=x, y=np.arange(2), classes=np.array(list("abcdef")))
    with pytest.raises(ResarrayError, match="name 6 classes, model 'Net' has 5"):
        build_network(written(), images=str(tmp_path / "six.npz"))


@pytest.mark.parametrize("name", ["", "N\\n\\x1b[31m", "N" * 99])
def test_a_class_whose_name_is_none(written, images, name):
    with pytest.raises(ResarrayError, match="of 1 to 80 characters"):
        build_network(written(f"Net.__name__ = '{name}'"), images=images)
    assert build_network(written(f"Net.__name__ = '{name}'"), images=images, name="n").name == "n"


@pytest.mark.parametrize("scale", [1e-34, 1e-30, 1e-10, 1e10, 1e28])
def test_weights_of_any_scale(written, images, scale):
    """Until float32 itself ends."""
    change = f"m.fc.weight.data.mul_({scale}); m.fc.bias.data.mul_({scale})"
    logits = [prepare(written(c), images=images, count=6) for c in ("pass", change)]
    plain, scaled = (p.expected[p.graph.output] for p in logits)
    assert np.abs(plain.astype(int) - scaled).max() <= 1


# -- what its code does to the process -------------------------------------------------------

DISTURBING = (
    "os.chdir('/')",
    "sys.stdout = None",
    "sys.stderr = None",
    "sys.path.clear()",
    "os.umask(0o777)",
    "torch.set_grad_enabled(False)",
    "np.seterr(all='raise')",
    "torch.set_default_dtype(torch.float64)",
    "torch.set_default_device('meta')",
    "warnings.simplefilter('error')",
)


def process() -> list:
    """What `DISTURBING` changes."""
    mask = os.umask(0)
    os.umask(mask)
    return [
        os.getcwd(),
        sys.stdout,
        sys.stderr,
        list(sys.path),
        mask,
        torch.is_grad_enabled(),
        np.geterr(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        list(warnings.filters),
    ]


@pytest.mark.parametrize(
    ("where", "lines", "sentence"),
    [
        ("disturb()", DISTURBING, "'conv.weight' is on device 'meta'"),  # as the file is read
        ("build", DISTURBING, None),
        ("forward", DISTURBING[:7], None),
    ],
)
def test_the_process_stays_as_it_was(written, images, where, lines, sentence):
    change = {"build": "disturb()", "forward": "m.change = disturb"}.get(where, "")
    model = written(change)
    file = Path(model.removesuffix(":build"))
    disturb = "".join(f"    {line}\n" for line in lines)
    head = f"import os, warnings\nimport numpy as np\ndef disturb(y=None):\n{disturb}    return y\n"
    file.write_text(head + file.read_text() + (where if sentence else ""))
    before = process()
    if sentence:
        with pytest.raises(ResarrayError, match=sentence):
            build_network(model, images=images)
    else:
        build_network(model, images=images)
    assert process() == before


def test_outputs_stay_where_they_were_asked_for(written, images, tmp_path, monkeypatch):
    from resarray.cli.main import run

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model = written("import os; os.chdir('..')")
    options = ["--images", images, "--preset", "tiny", "-o", "out.rsa"]
    assert run(["compile", "--model", model, *options]) == 0
    assert (tmp_path / "here" / "out.rsa").is_file() and not (tmp_path / "out.rsa").exists()


OWN = {
    "Net.forward = torch.no_grad()(Net.forward)": "a forward() without gradients",
    "Net.forward = torch.inference_mode()(Net.forward)": "a forward() in inference mode",
    "m.bn.register_forward_hook(lambda m, i, y: sum([y, y, y]) + 0)": "sum() of Python",
    "m.fc = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5))": "a batch norm after a linear layer",
    "Net.eval = lambda self: (nn.Module.eval(self), None)[1]": "an eval() that returns nothing",
    "Net.train = lambda self, on=True: (nn.Module.train(self, on), 0)[1]": "a train() of that kind",
    "Net.float = lambda self: (nn.Module.float(self), None)[1]": "a float() that returns nothing",
    "with torch.inference_mode(): m = Net()": "parameters made in inference mode",
    "object.__setattr__(m, '_orig_mod', m)": "a network within itself",
    "with torch.inference_mode(): m.register_buffer('b', torch.ones(1))": "and buffers",
}


@pytest.mark.parametrize("change", OWN, ids=OWN.values())
def test_networks_of_their_own_way(written, images, change):
    build_network(written(change), images=images)


def test_a_file_whose_name_is_no_text(written, images, tmp_path):
    model = written()
    path = os.fsdecode(os.fsencode(tmp_path) + b"/n\xff.py")
    os.rename(model.removesuffix(":build"), path)
    assert find_model(f"{path}:build").name == "Net"


@pytest.mark.parametrize("name", ["named_parameters", "named_buffers", "state_dict", "__getattr__"])
def test_its_own_ways_that_fail(written, images, name, tmp_path):
    model = written(f"Net.{name} = lambda *a, **k: 1 / 0")
    torch.save(find_model(written()).build(None).state_dict(), tmp_path / "w.pth")
    model = written(f"Net.{name} = lambda *a, **k: 1 / 0")
    with pytest.raises(ResarrayError, match="ZeroDivisionError"):
        build_network(model, str(tmp_path / "w.pth"), images=images)


@pytest.mark.parametrize("raised", ["GeneratorExit()", "type('Own', (BaseException,), {})()"])
@pytest.mark.parametrize(
    "change", ["(_ for _ in ()).throw({})", "m.change = lambda y: (_ for _ in ()).throw({})"]
)
def test_exceptions_that_are_none(written, images, raised, change):
    with pytest.raises(ResarrayError, match=r"GeneratorExit|Own"):
        build_network(written(change.format(raised)), images=images)


@pytest.mark.parametrize("ending", [KeyboardInterrupt, Ended])
def test_a_signal_is_not_the_networks(written, images, monkeypatch, ending):
    """Whoever asks the command to end, ends it."""
    monkeypatch.setattr(sys, "asked", lambda: (_ for _ in ()).throw(ending(2)), raising=False)
    with pytest.raises(ending):
        build_network(written("m.change = lambda y: sys.asked()"), images=images)
