"""Networks that return several tensors, or feature maps, from the module to the RTL."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from resarray.compiler.compile import compile_graph
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.golden.importer import import_model
from resarray.golden.quantise import normalise, quantise, quantise_input
from resarray.golden.user_model import with_outputs
from resarray.sim import build
from resarray.sim.run import MemoryModel, run_many
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("operators", "drain", "pools", by="program")

SHAPE = (3, 8, 6)
MEAN, STD = (0.5,) * 3, (0.25,) * 3


class Net(nn.Module):
    """Two maps of 4 and 8 channels, of which ``answer`` makes what it returns."""

    def __init__(self, answer):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 8, 1)
        self.c = nn.Conv2d(12, 5, 1)
        self.answer = answer

    def forward(self, x):
        return self.answer(self, self.a(x).relu(), self.b(x))


RETURNED = {
    "two shapes": lambda m, y, z: (y.mean((2, 3)), z),
    "read by others": lambda m, y, z: (m.c(torch.cat([y, z], 1)), y, z),
    "twice": lambda m, y, z: [y, z, y],
    "a dict": lambda m, y, z: {"map": z, "pooled": functional.max_pool2d(y, 2), "none": None},
    "a concatenation and an operand": lambda m, y, z: (torch.cat([y, z], 1), z),
    "a concatenation in another": lambda m, y, z: (
        (both := torch.cat([z, y], 1)),
        torch.cat([both, z.relu()], 1),
        both[:, 4:8],
    ),
    "before a pool and a table": lambda m, y, z: (functional.max_pool2d(y, 2), y, z, z.tanh()),
}


@pytest.mark.parametrize("name", RETURNED)
def test_outputs_on_the_rtl(name):
    torch.manual_seed(1)
    model = with_outputs(Net(RETURNED[name]).eval(), SHAPE, "net")
    pixels = np.random.default_rng(2).integers(0, 256, (4, *SHAPE[1:], SHAPE[0]), np.uint8)
    images = normalise(pixels, MEAN, STD)
    graph = quantise(import_model(model, SHAPE, "net"), images)
    x = quantise_input(graph.tensors[graph.input], pixels, MEAN, STD)
    config = preset("tiny")
    program = compile_graph(graph, config, batch=2)
    assert program.manifest["outputs"] == list(graph.outputs)
    (result,) = run_many(
        [(program, x[:2])],
        memory=[MemoryModel(stall_probability=0.3)],
        design=build.verilog(config),
    )
    golden = complete(graph, config, fast.run(graph, x[:2]))
    for tensor, values in result.tensors.items():
        np.testing.assert_array_equal(values, golden[tensor], tensor)
    with torch.no_grad():
        expected = model(images)
    for output, own in zip(graph.outputs, expected, strict=True):
        y = graph.tensors[output]
        real = y.scale * (result.tensors[output].astype(float) - y.zero_point)
        error = real.reshape(2, -1) - own[:2].flatten(1).numpy()
        assert np.abs(error).max() < 0.05 * float(own.abs().max()), output
