"""The synthesised netlist of the accelerator, simulated with models of its cells."""

from dataclasses import replace

import pytest

from resarray.compiler.compile import compile_graph
from resarray.fpga import tools
from resarray.fpga.netlist import netlist
from resarray.golden import fast
from resarray.sim.compare import compare
from resarray.sim.run import MemoryModel, run
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset
from tests.compiler.reference import Builder

pytestmark = [pytest.mark.verifies("board", "ecp5", by="netlist"), pytest.mark.long]


def test_a_residual_block_on_the_netlist():
    """Two 3x3 convolutions with a strided shortcut and a residual addition: every tensor."""
    try:
        tools.find_yosys()
    except ResarrayError as error:
        pytest.skip(str(error))
    # Half the array: less to synthesise, and Icarus simulates 20 cycles a second of it.
    config = replace(preset("tiny"), name="half", columns=4)
    b = Builder(41, (4, 6, 6))
    shortcut = b.conv("x", 8, (1, 1), (2, 2))
    y = b.conv("x", 8, (3, 3), (2, 2), padding=(1, 1, 1, 1))
    b.conv(y, 8, (3, 3), padding=(1, 1, 1, 1), residual=shortcut)
    inputs = b.input()[None]
    image = compile_graph(b.graph, config)
    memory = MemoryModel(stall_probability=0.1, seed=3)
    found = run(
        image,
        inputs,
        simulator="icarus",
        memory=memory,
        design=netlist(config),
        watchdog_cycles=5000,
    )
    checks = compare(found.tensors, fast.run(b.graph, inputs))
    assert len(checks) == 3 and not any(check.mismatches for check in checks.values())
    # The netlist takes the cycles of the RTL that it was made from.
    assert found.cycles == run(image, inputs, memory=memory).cycles
