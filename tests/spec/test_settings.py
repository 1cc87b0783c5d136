"""What a host writes before a start and reads after it."""

import pytest

from resarray.compiler.compile import compile_graph
from resarray.spec.memory import settings_of, stored_span
from resarray.spec.presets import preset
from tests.compiler.reference import Builder

pytestmark = pytest.mark.verifies("contract", by="unit")


def test_of_a_program():
    b = Builder(1, (3, 5, 5))
    b.conv(b.conv("x", 4, (3, 3)), 4, (1, 1))
    image = compile_graph(b.graph, preset("tiny"))
    manifest = image.manifest
    assert settings_of(image, 0x8000_0000) == {
        "MEM_BASE": 0x8000_0000,
        "MEM_SIZE": manifest["mem_size"],
        "WRITE_BASE": manifest["write_base"],
        "PROG_ADDR": manifest["program"]["addr"],
        "PROG_COUNT": manifest["program"]["count"],
        "IRQ_ENABLE": 1,
    }
    start, stop = stored_span(image)
    assert manifest["write_base"] <= start < stop <= manifest["mem_size"]
    assert start == min(tensor["addr"] for tensor in manifest["tensors"])
    # Two maps of 3x3 pixels of four channels.
    assert stop - start >= 2 * 9 * 4
