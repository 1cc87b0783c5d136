"""The whole SoC, simulated from its pins: the host's own code loads and runs a residual network."""

import dataclasses
import importlib.util
import os

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.fpga.boards import board
from resarray.fpga.host.accelerator import Accelerator, open_port
from resarray.fpga.host.link import Link
from resarray.golden import fast
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset
from tests.compiler.reference import Builder

if importlib.util.find_spec("litex") is None:
    pytest.skip("LiteX is not installed: make bitstream installs it", allow_module_level=True)

from resarray.fpga.simulation.run import SimulatedBoard

pytestmark = pytest.mark.verifies("board", "accelerator", by="program")

# The simulation is slower than the board by about this much.
TIMEOUT, GAP = 30.0, 2.0
DISTURBED_BYTES = 256
NOWHERE = 0x7000_0000


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


class DisturbedPort:
    """A serial port that damages the next write or the next reply."""

    def __init__(self, port):
        self._port = port
        self.damage_write = self.damage_read = None

    @property
    def timeout(self) -> float:
        return self._port.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._port.timeout = seconds

    def reset_input_buffer(self) -> None:
        self._port.reset_input_buffer()

    def flush(self) -> None:
        self._port.flush()

    def close(self) -> None:
        self._port.close()

    def write(self, data: bytes) -> None:
        damage, self.damage_write = self.damage_write, None
        self._port.write(damage(data) if damage else data)

    def read(self, size: int) -> bytes:
        damage, self.damage_read = self.damage_read, None
        data = self._port.read(size)
        return damage(data) if damage else data


def flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


# A core at its own clock reaches memory and registers through clock domain crossings.
SLOW = pytest.mark.skipif(
    not os.environ.get("RESARRAY_SLOW"), reason="minutes: set RESARRAY_SLOW=1"
)


@pytest.mark.parametrize(
    ("name", "core_clk"),
    [
        pytest.param("tiny", 60e6, id="one clock", marks=pytest.mark.long),
        pytest.param("tiny", 80e6, id="two clocks", marks=SLOW),
        # A port of 64 bits, as the default preset's, on the memory's 16.
        pytest.param("small", 60e6, id="wide port", marks=SLOW),
    ],
)
def test_residual_network_from_the_pins(name, core_clk):
    config = preset(name)
    network = residual_network(1)
    image = compile_graph(network.graph, config)
    chosen = dataclasses.replace(board("ulx3s-25f"), core_clk=core_clk)
    with SimulatedBoard(chosen, config) as simulated:
        with Accelerator.open(
            simulated.port, simulated.description, timeout=TIMEOUT, gap=GAP
        ) as accelerator:
            other = compile_graph(network.graph, preset("25f"))
            with pytest.raises(ResarrayError, match=r"was compiled for configuration .* \('25f'\)"):
                accelerator.load(other)
            accelerator.load(image)
            assert not accelerator.interrupt()
            for _ in range(2):  # what the first image left behind does not matter
                x = network.input()[None]
                accelerator.write_inputs(x)
                accelerator.run()
                equal(accelerator, fast.run(network.graph, x))
            assert accelerator.interrupt()
            counters = accelerator.counters()
            assert counters["CYCLES"] > counters["BUSY"] > 0
            assert accelerator.retries == 0
            # Nobody is there: LiteX answers such a read with ones, and says so beside the data.
            with pytest.raises(ResarrayError, match="bus has nothing at address 0x7"):
                accelerator._link.read_word(NOWHERE)
            # The SoC's reset ends, and takes the interrupt with it.
            accelerator._restart()
            assert not accelerator.interrupt()
        if core_clk == board("ulx3s-25f").sys_clk:
            disturbed_transfers(simulated)


def disturbed_transfers(simulated: SimulatedBoard) -> None:
    """The real bridge on a bad line: what arrives is right."""
    description = simulated.description
    port = DisturbedPort(open_port(simulated.port, description["baud"]))
    link = Link(port, simulated.port, description["baud"], timeout=4, gap=GAP)
    base = description["memory"]["base"]
    data = np.random.default_rng(9).bytes(DISTURBED_BYTES)
    link.write(base, bytes(DISTURBED_BYTES))
    for side, damage in (
        ("damage_write", flipped),
        ("damage_write", lambda frame: frame[: len(frame) // 2]),
        ("damage_write", lambda frame: frame[:7] + frame[8:]),
        ("damage_read", lambda reply: reply[:2]),
    ):
        before = link.retries
        setattr(port, side, damage)
        link.write(base, data)
        assert link.retries > before
        setattr(port, side, damage)
        assert link.read(base, DISTURBED_BYTES) == data
        data = data[::-1]
    port.close()
