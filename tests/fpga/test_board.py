"""The whole SoC, simulated from its pins: the host's own code loads and runs a residual network."""

import importlib.util

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.fpga.boards import board
from resarray.fpga.host.accelerator import Accelerator
from resarray.golden import fast
from resarray.spec.config import preset
from resarray.spec.errors import ResarrayError
from tests.compiler.reference import Builder

if importlib.util.find_spec("litex") is None:
    pytest.skip("LiteX is not installed: make bitstream installs it", allow_module_level=True)

from resarray.fpga.simulation.run import SimulatedBoard

# The simulation is slower than the board by about this much.
TIMEOUT, GAP = 30.0, 2.0


def residual_network(seed: int) -> Builder:
    """A stem, a block with a projected shortcut, one with the identity, a classifier."""
    b = Builder(seed, (3, 8, 8), "block")
    x = b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    y = b.conv(x, 16, (3, 3), (2, 2), (1, 1, 1, 1))
    shortcut = b.conv(x, 16, (1, 1), (2, 2), relu=False)
    x = b.conv(y, 16, (3, 3), padding=(1, 1, 1, 1), residual=shortcut)
    y = b.conv(x, 16, (3, 3), padding=(1, 1, 1, 1))
    x = b.conv(y, 16, (3, 3), padding=(1, 1, 1, 1), residual=x)
    b.conv(b.average(x), 10, (1, 1), relu=False)
    return b


def equal(accelerator: Accelerator, golden: dict[str, np.ndarray]) -> None:
    found = accelerator.tensors()
    assert len(found) >= 6
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, golden[name], name)


def test_residual_network_from_the_pins():
    config = preset("tiny")
    network = residual_network(1)
    image = compile_graph(network.graph, config)
    with (
        SimulatedBoard(board("ulx3s-25f"), config) as simulated,
        Accelerator.open(
            simulated.port, simulated.description, timeout=TIMEOUT, gap=GAP
        ) as accelerator,
    ):
        other = compile_graph(network.graph, preset("small"))
        with pytest.raises(ResarrayError, match=r"was compiled for configuration .* \('small'\)"):
            accelerator.load(other)
        accelerator.load(image)
        for _ in range(2):  # what the first image left behind does not matter
            x = network.input()[None]
            accelerator.write_inputs(x)
            accelerator.run()
            equal(accelerator, fast.run(network.graph, x))
        counters = accelerator.counters()
        assert counters["CYCLES"] > counters["BUSY"] > 0
        assert accelerator.retries == 0
