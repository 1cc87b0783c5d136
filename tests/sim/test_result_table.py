"""The table of layers in a narrow place."""

import io

import pytest
from rich.console import Console

from resarray.sim import result

pytestmark = pytest.mark.verifies("command", by="text")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_numbers_are_never_cut(width):
    """Long names take several lines instead; nothing in them is read as markup."""
    numbers = {"macs": 118_013_952, "cycles": 12_345_678, "utilization": 1.0, "mismatches": 123_456}
    name = "features.denseblock1.denselayer16.[bold]conv1"
    layer = {
        "name": name,
        "op": "conv+max_pool",
        "method": "Winograd",
        "shape": [1024, 56, 56],
        **numbers,
    }
    found = {
        **{"model": "m", "input_size": [8, 8], "preset": "default", "layers": [layer], **numbers},
        **{"predictions": [], "outputs": [{"shape": [10, 1, 1]}], "bit_exact": True},
        **{"macs_per_multiplier_cycle": 1.0, "multipliers": 4, "simulator": "verilator"},
        **{"sim_seconds": 1.0, "cycles_per_second": 1.0, "images": 1, "differences": []},
        **{"tensors_compared": 1, "values_compared": 640},
    }
    console = Console(file=io.StringIO(), width=width)
    result.show(found, [], console)
    text = console.file.getvalue().partition("1.00 MACs per multiplier")[0]
    assert "…" not in text
    assert text.count("118,013,952") == text.count("12,345,678") == text.count("123,456") == 2
    names = "".join(line.strip().split("  ")[0] for line in text.splitlines()[3:])
    assert name in names
