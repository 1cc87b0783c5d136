"""The ECP5 flavour with models of its blocks: the same tensors and the same cycles."""

from dataclasses import replace

import pytest

from resarray.spec.presets import preset
from tests.compiler.reference import random_graph

from .rtl import run_and_compare

pytestmark = [pytest.mark.verifies("ecp5", "accelerator", by="netlist"), pytest.mark.long]

# Words of 4 bytes, and of 8.
CONFIGS = {
    "tiny": preset("tiny"),
    "narrow": replace(preset("small"), name="narrow", columns=8),
}


@pytest.mark.parametrize("name, seed", [("tiny", 7000), ("narrow", 7100)])
def test_random_graphs_on_both_flavours(name, seed):
    """Every counter is the same: the flavours differ in nothing but what they are built from."""
    found = {}
    for target in ("generic", "ecp5"):
        builders = [random_graph(s) for s in range(seed, seed + 6)]
        found[target] = run_and_compare(
            builders, CONFIGS[name], "verilator", 0.2, target=target, quick=True
        )
    for generic, ecp5 in zip(found["generic"], found["ecp5"], strict=True):
        assert generic.counters == ecp5.counters
