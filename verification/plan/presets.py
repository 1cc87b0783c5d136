"""``python -m resarray.verification.plan.presets``: what the README's table says of each preset's
speed and size, measured: ResNet-20 at 32×32 on the RTL, and what Yosys makes of the accelerator."""

from collections.abc import Iterator

from ...bench.cases import Case
from ...bench.measure import measure
from ...fpga.core import resources
from ...fpga.devices import luts_of
from ...spec.config import PRESETS
from ...spec.progress import silent
from ..results import Figure, record

COMMAND = "python -m resarray.verification.plan.presets"


def figures(preset: str) -> Iterator[Figure]:
    """Speed and size of ``preset``."""
    row = measure(Case("ResNet-20", "resnet20", 32, classes=10, preset=preset), silent)
    assert row["bit_exact"], row["failed"]
    yield Figure(f"{preset}: cycles", row["cycles"])
    yield Figure(f"{preset}: MACs per multiplier and cycle", row["macs_per_multiplier_cycle"])
    cells = resources(PRESETS[preset])
    yield Figure(f"{preset}: LUT4", luts_of(cells))
    yield Figure(f"{preset}: multipliers", cells["MULT18X18D"])
    yield Figure(f"{preset}: block RAMs", cells["DP16KD"])


if __name__ == "__main__":
    record("presets", COMMAND, [figure for preset in PRESETS for figure in figures(preset)])
