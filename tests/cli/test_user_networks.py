"""Random networks of users, through the command line to the RTL.

Each is a module in a file with a checkpoint and images of random kinds; the command may end
bit-exact (0) or refuse in one sentence (2), and nothing else. ``RESARRAY_USER_NETWORKS``: how many
(a full run: 200); ``RESARRAY_USER_SEED``: the first seed, to see one again.
"""

import collections
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from resarray.cli.main import run
from resarray.golden.user_model import load_module

pytestmark = pytest.mark.verifies("command", "front-ends", "compiler", by="random")

COUNT = int(os.environ.get("RESARRAY_USER_NETWORKS", "5"))
FIRST = int(os.environ.get("RESARRAY_USER_SEED", "1000"))
# Of multiply-accumulates: 'tiny' does 16 a cycle.
LARGEST = 1_500_000


@dataclass
class Network:
    """A module as text while it is written, for images [channels][height][width]."""

    rng: np.random.Generator
    channels: int
    height: int
    width: int
    macs: int = 0
    init: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def add(self, module: str) -> str:
        name = f"m{len(self.init)}"
        self.init.append(f"self.{name} = {module}")
        return f"self.{name}"

    def conv(self, out: int, kernel: tuple[int, int], stride: int, padding: str) -> str:
        bias = self.chance(0.6)
        tall, wide = (
            -(-side // stride) if padding != "0" else (side - k) // stride + 1
            for side, k in zip((self.height, self.width), kernel, strict=True)
        )
        self.macs += out * self.channels * kernel[0] * kernel[1] * tall * wide
        made = self.add(
            f"nn.Conv2d({self.channels}, {out}, {kernel}, {stride}, {padding}, bias={bias})"
        )
        if self.chance(0.6):
            norm = self.add(f"nn.BatchNorm2d({out})")
            return f"{norm}({made}(x))"
        return f"{made}(x)"

    def activation(self, text: str) -> str:
        if self.chance(0.3):
            return text
        return self.pick(
            f"torch.relu({text})",
            f"F.relu({text})",
            f"({text}).relu()",
            f"{self.add('nn.ReLU(inplace=True)')}({text})",
        )

    def stage(self) -> None:
        """A convolution, a residual block or a pool."""
        smallest = min(self.height, self.width)
        kind = self.rng.random()
        if kind < 0.2 and smallest >= 3:
            kernel, padding = self.pick((2, 0), (3, 1), (3, 0))
            self.body.append(f"x = F.max_pool2d(x, {kernel}, 2, {padding})")
            self.height = (self.height + 2 * padding - kernel) // 2 + 1
            self.width = (self.width + 2 * padding - kernel) // 2 + 1
        elif kind < 0.5:
            self.body.append("y = x")
            first = self.activation(self.conv(self.channels, (3, 3), 1, "1"))
            self.body += [f"x = {first}", f"x = {self.conv(self.channels, (3, 3), 1, '1')}"]
            self.body.append(f"x = {self.activation(self.pick('x + y', 'y + x'))}")
        else:
            k = int(self.pick(1, 3, 3, 5))
            kernel = (k, int(self.pick(k, k, 1)))
            padded = max(kernel) > smallest or self.chance(0.7)
            stride = int(self.pick(1, 1, 2)) if not padded or "5" not in str(kernel) else 1
            padding = f"({kernel[0] // 2}, {kernel[1] // 2})" if padded else "0"
            out = int(self.rng.integers(1, 21))
            self.body.append(f"x = {self.activation(self.conv(out, kernel, stride, padding))}")
            self.channels = out
            if padded:
                self.height, self.width = -(-self.height // stride), -(-self.width // stride)
            else:
                self.height = (self.height - kernel[0]) // stride + 1
                self.width = (self.width - kernel[1]) // stride + 1

    def head(self, classes: int) -> None:
        features = self.channels
        if self.chance(0.6) or features * self.height * self.width > 2000:
            pool = self.pick(
                "F.adaptive_avg_pool2d(x, 1)",
                "x.mean((2, 3), keepdim=True)",
                f"{self.add('nn.AdaptiveAvgPool2d((1, 1))')}(x)",
            )
            self.body.append(f"x = {pool}")
        else:
            features *= self.height * self.width
        flat = self.pick(
            "x.view(x.size(0), -1)",
            "torch.flatten(x, 1)",
            "x.flatten(1)",
            "x.reshape(x.shape[0], -1)",
            f"x.view(-1, {features})",
            f"{self.add('nn.Flatten()')}(x)",
        )
        self.body.append(f"x = {flat}")
        if self.chance(0.3):
            self.body.append(f"x = torch.relu({self.add(f'nn.Linear({features}, 12)')}(x))")
            features = 12
        if self.chance(0.2):
            self.body.append(f"x = {self.add('nn.Dropout(0.3)')}(x)")
        self.body.append(f"x = {self.add(f'nn.Linear({features}, {classes})')}(x)")


# What no accelerator of today takes, or no network should be: (lines of forward(), lines behind the
# network's construction).
ODD = [
    ("x = torch.sigmoid(x)", ""),
    ("x = F.max_pool2d(x, 2, 2, ceil_mode=True) if x.dim() == 4 else x * 2", ""),
    ("x = x if x.sum() > 0 else -x", ""),
    ("raise ValueError('not today')", ""),
    ("x = x + torch.rand(1)", ""),
    ("x = {'a': x, 'b': x}", ""),
    ("x = (x, x)", ""),
    ("x = x.sum()", ""),
    ("x = x.half()", ""),
    ("", "m.mean = 'dark'"),
    ("", "m.std = (0.0,)"),
    ("", "m.input_size = 'large'"),
    ("", "m.input_size = (3000, 4)"),
    ("", "next(m.parameters()).data.fill_(float('nan'))"),
    ("", "m.register_buffer('c', torch.ones(2, dtype=torch.complex64))"),
    ("", "m = m.to('meta')"),
    ("", "import sys; sys.exit(1)"),
    ("", "m = [m]"),
    ("", "import no_such_module"),
]


def write_module(path: Path, rng: np.random.Generator) -> tuple[Network, tuple[int, int, int]]:
    """A module's file; the network and its input's shape."""
    while True:
        shape = (
            int(rng.choice([1, 1, 3, 3, 3, 2, 4, 5, 7, 12, 20])),
            int(rng.integers(4, 28)),
            int(rng.integers(4, 28)),
        )
        net = Network(rng, *shape)
        for _ in range(rng.integers(1, 6)):
            if min(net.height, net.width) >= 1:
                net.stage()
        net.head(int(rng.integers(2, 12)))
        if min(net.height, net.width) >= 1 and net.macs < LARGEST:
            break
    if net.chance(0.15):
        net.body.append(
            net.pick(
                "x = {'logits': x}",
                "x = {'out': x}",
                "x = [x]",
                "x = {'logits': x, 'features': x * 1}",
            )
        )
    if net.chance(0.7) or shape[0] not in (1, 3):
        number = net.pick("0.5", "(0.5,)", "torch.tensor(0.4)", "None")
        each = repr([round(float(v), 3) for v in rng.random(shape[0])])
        several = net.pick(each, f"np.array({each})", f"torch.tensor({each}).view(1, -1, 1, 1)")
        net.attributes.append(f"m.mean = {net.pick(number, several)}")
        net.attributes.append(f"m.std = {net.pick('0.25', '[0.2]', '1.0')}")
    if net.chance(0.4):
        tall, wide = shape[1:]
        exact = net.pick(f"({tall}, {wide})", f"torch.Size([{tall}, {wide}])", f"[{tall}, {wide}]")
        net.attributes.append(f"m.input_size = {exact}")
    if net.chance(0.2):
        line, after = net.pick(*ODD)
        if line:
            net.body.insert(int(rng.integers(len(net.body) + 1)), line)
        if after:
            net.attributes.append(after)
    dtype = net.pick("", "", "", ".half()", ".double()", ".bfloat16()")
    lines = [
        "from __future__ import annotations",
        "import numpy as np",
        "import torch",
        "from torch import nn",
        "from torch.nn import functional as F",
        "class Net(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line}" for line in net.init),
        "    def forward(self, x):",
        *(f"        {line}" for line in net.body),
        "        return x",
        "def build():",
        f"    torch.manual_seed({rng.integers(1 << 30)})",
        f"    m = Net(){dtype}",
        *(f"    {line}" for line in net.attributes),
        "    return m",
    ]
    path.write_text("\n".join(lines) + "\n")
    return net, shape


def write_weights(folder: Path, module: Path, net: Network) -> Path | None:
    """A checkpoint in one of the forms that training leaves behind, or none."""
    if net.chance(0.4):
        return None
    try:
        model = load_module(module, "build")
        state = {k: v for k, v in model.state_dict().items() if not v.is_meta}
    except Exception:  # a module that is to be refused
        return None
    for value in state.values():
        if value.is_floating_point():
            value.mul_(1.1)
    prefix = net.pick("", "", "module.", "_orig_mod.", "model.", "net.", "model._orig_mod.module.")
    state = {prefix + name: value for name, value in state.items()}
    if net.chance(0.06) and state:
        del state[net.pick(*state)]
    if net.chance(0.2):
        save_file({k: v.contiguous() for k, v in state.items()}, folder / "w.safetensors")
        return folder / "w.safetensors"
    form = net.pick("", "", "state_dict", "model_state_dict", "model", "net")
    found = {form: state, "epoch": 3, "best": torch.tensor(1.0)} if form else state
    path = folder / f"w{net.pick('.pth', '.pt', '.th', '.ckpt')}"
    torch.save(found, path)
    if net.chance(0.03):
        path.write_bytes(path.read_bytes()[:-100])
    return path


def write_images(folder: Path, net: Network, shape: tuple[int, int, int]) -> Path:
    """Images for ``shape``, mostly of that size and with so many channels."""
    rng, (channels, tall, wide), count = net.rng, shape, int(net.rng.integers(3, 9))
    if net.chance(0.05):
        tall, wide = tall + 1, wide + 3
    pixels = rng.integers(0, 256, (count, tall, wide, channels)).astype(np.uint8)
    floats = ((pixels / 255.0 - 0.5) * 3).transpose(0, 3, 1, 2)
    floats = floats.astype(net.pick(np.float32, np.float64, np.float16))
    kind = net.pick(
        "npz", "npz", "npy", "ready.npy", "ready.npz", "pictures", "pictures", "classes"
    )
    if channels not in (1, 3) and net.chance(0.9):
        kind = "npz" if "np" not in kind else kind
    path = folder / f"x.{kind}" if "np" in kind else folder / "pictures"
    labels = rng.integers(0, 2, count)
    if kind == "npz":
        np.savez(path, **{"x": pixels} | ({"y": labels} if net.chance(0.6) else {}))
    elif kind == "npy":
        np.save(path, net.pick(pixels, pixels.transpose(0, 3, 1, 2)))
    elif kind == "ready.npy":
        np.save(path, floats)
    elif kind == "ready.npz":
        np.savez(path, x=floats, y=labels)
    else:
        modes = net.pick(
            ["L"],
            ["RGB"],
            ["P"],
            ["RGBA"],
            ["16"],
            ["L", "RGB", "P", "RGBA", "16", "LA", "1", "CMYK"],
        )
        for number in range(count):
            inner = path / f"c{number % 2}" if kind == "classes" else path
            inner.mkdir(parents=True, exist_ok=True)
            grey, mode = pixels[number, :, :, 0], net.pick(*modes)
            if mode == "16":
                picture = Image.fromarray(grey.astype(np.uint16) * 257)
            else:
                picture = Image.fromarray(np.stack([grey, grey // 2, 255 - grey], 2)).convert(mode)
            picture.save(inner / f"{number}{'.jpg' if mode == 'CMYK' else '.png'}")
    return path


def command(folder: Path, seed: int) -> list[str]:
    """The arguments of ``resarray`` for the network of ``seed``, written to ``folder``."""
    rng = np.random.default_rng(seed)
    module = folder / "net.py"
    net, shape = write_module(module, rng)
    weights = write_weights(folder, module, net)
    images = write_images(folder, net, shape)
    options = ["--model", f"{module}:build", "--images", str(images), "--preset", "tiny"]
    if weights is not None:
        options += ["--weights", str(weights)]
    if net.chance(0.3):
        exact = f"{shape[1]}x{shape[2]}"
        options += ["--input-size", net.pick(exact, exact, exact, f"{shape[2]}", "12x9")]
    if net.chance(0.3):
        several = ",".join(["0.4"] * shape[0])
        mean = net.pick("0.5", "0", several, several, "0.4,0.5,0.6")
        options += ["--mean", mean, "--std", "0.3"]
    if net.chance(0.2):
        options += ["--name", "my net"]
    if net.chance(0.4):
        options += ["--count", "2", *(["--batch"] if net.chance(0.5) else [])]
    return ["sim", "--sim", "verilator", *options]


def sentences(err: str) -> list[str]:
    """Lines of standard error beside progress and warnings."""
    progress = r"  [\d.]+ s$|.* \.\.\.$|warning: "
    return [line for line in err.splitlines() if not re.match(progress, line)]


def judge(status: int, out: str, err: str, what: str) -> str:
    """What became of a network, in a few words; fails where that may not be."""
    assert "Traceback" not in err, what + err
    assert status in (0, 2), f"{what}status {status}\n{out}{err}"
    if status == 0:
        assert "BIT-EXACT" in out, what + out
        return "bit-exact"
    lines = sentences(err)
    assert len(lines) == 1, what + err
    assert lines[0].startswith("error: "), what + err
    assert "\x1b" not in lines[0], what + err
    assert "weights_only" not in lines[0], what + err
    return "refused: " + re.sub(r"'[^']*'|\[[^]]*\]|\d+", "_", lines[0][7:])[:90]


def described(seed: int, arguments: list[str], folder: Path) -> str:
    return (
        f"seed {seed} (RESARRAY_USER_SEED={seed} RESARRAY_USER_NETWORKS=1): resarray "
        f"{' '.join(arguments)}\n{(folder / 'net.py').read_text()}\n"
    )


@pytest.mark.filterwarnings("ignore")
def test_random_networks(tmp_path, capsys):
    """All but a few in this process, since PyTorch takes seconds to be imported."""
    became = collections.Counter()
    for seed in range(FIRST, FIRST + COUNT):
        folder = tmp_path / str(seed)
        folder.mkdir()
        arguments = command(folder, seed)
        capsys.readouterr()
        status = run(arguments)
        outcome = judge(status, *capsys.readouterr(), described(seed, arguments, folder))
        became[outcome] += 1
        if COUNT > 20:
            with capsys.disabled():
                print(seed, outcome, flush=True)
    with capsys.disabled():
        if COUNT > 20:
            print("\n".join(f"{number} {what}" for what, number in became.most_common()))
    assert became["bit-exact"] or COUNT < 5, f"seeds from {FIRST}: {became}"


@pytest.mark.long
def test_a_random_network_by_the_installed_command(tmp_path):
    seed = FIRST + 7
    arguments = command(tmp_path, seed)
    tool = str(Path(sys.executable).with_name("resarray"))
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    judge(done.returncode, done.stdout, done.stderr, described(seed, arguments, tmp_path))
