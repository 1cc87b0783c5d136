"""The generated Verilog as simulators other than Amaranth's see it."""

import re

import pytest

from resarray.hw.verilog import TARGETS, generate
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("accelerator", by="unit")


@pytest.mark.parametrize("target", TARGETS)
def test_checks_are_left_out(target):
    """They are for unit tests; simulators and Yosys see none."""
    verilog = generate(preset("tiny"), target)
    assert not re.search(r"\$write|\$display|\bassert\b|\brecent\b", verilog)


def test_no_block_waits_for_constants():
    """`always @*` with nothing but constants on its right never runs: an error report of the STORE
    engine once named LOAD for that reason."""
    verilog = generate(preset("tiny"))
    assert verilog.count("always @*") > 100, "the pattern below looks at nothing"
    stuck = re.findall(r"always @\*\n\s+(\S+) = \d+'[hdb][0-9a-f]+;", verilog)
    assert not stuck
