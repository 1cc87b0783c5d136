"""The places of multipliers and block RAMs: all different, and the chain without jumps."""

import itertools
import re

import pytest

from resarray.fpga.devices import DEVICES
from resarray.fpga.floorplan import place
from resarray.spec.isa import Engine
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("board", by="unit")


QUEUES = [f"queue_{engine.name.lower()}" for engine in Engine]
FIFOS = [*QUEUES, "residual", "store", "load.reader", "fetch.reader"]


def netlist(config, prefix: str, fifos=()) -> dict[str, dict]:
    """Multipliers and block RAMs with the names that Yosys gives them."""
    names = {}
    for column in range(config.columns):
        for bank in range(2):
            names[f"accumulators.column{column}.bank{bank}.block0"] = "DP16KD"
    for column in ["shared$514", *(f"column{c}" for c in range(config.columns))]:
        for element in range(config.rows // 2):
            names[f"array.{column}.element{element}.multiplier.block"] = "MULT18X18D"
    for lane in range(config.lanes):
        for unit in ("multiplier.high", "multiplier.low", "residual$43"):
            names[f"drain.lane{lane}.{unit}.block"] = "MULT18X18D"
    for bank in ("even", "odd"):
        for part in range(4):
            for block in range(4):
                names[f"buffer.{bank}{part}.block{block}"] = "DP16KD"
    for name in fifos:
        for block in range(2):
            names[f"{name}.fifo.ram.block{block}"] = "DP16KD"
    names["profile.memory.block0"] = "DP16KD"
    return {f"{prefix}core.{name}": {"type": kind} for name, kind in names.items()}


def parse(bel: str) -> tuple[int, int, str]:
    match = re.fullmatch(r"X(\d+)/Y(\d+)/(\w+)", bel)
    return int(match[1]), int(match[2]), match[3]


@pytest.mark.parametrize(
    ("device", "name", "prefix"), [("85f", "default", "dut."), ("25f", "25f", "resarray.")]
)
def test_places(device, name, prefix):
    config, target = preset(name), DEVICES[device]
    cells = netlist(config, prefix)
    places = place(cells, target)
    assert len(set(places.values())) == len(places)
    assert {n: c["attributes"]["BEL"] for n, c in cells.items() if "attributes" in c} == places
    # Only what the plan does not know is left.
    assert cells.keys() - places.keys() == {f"{prefix}core.profile.memory.block0"}
    for name, bel in places.items():
        _, y, block = parse(bel)
        multiplier = cells[name]["type"] == "MULT18X18D"
        assert y in (target.multiplier_rows if multiplier else target.ram_rows)
        assert block.startswith("MULT18_" if multiplier else "EBR")

    # A hop of the chain is a group of blocks wide, or a row high; a column's accumulators are in
    # the row of memories next to it.
    def centre(column) -> tuple[float, float]:
        found = [parse(b) for n, b in places.items() if f"array.{column}." in n]
        return sum(x for x, *_ in found) / len(found), sum(y for _, y, _ in found) / len(found)

    columns = [centre(c) for c in ["shared$514", *(f"column{c}" for c in range(config.columns))]]
    for (x, y), (next_x, next_y) in itertools.pairwise(columns):
        assert abs(next_x - x) <= 11 and abs(next_y - y) <= 24
        assert next_y == y or abs(next_x - x) <= 1
    for c, (x, y) in enumerate(columns[1:]):
        for bank in range(2):
            ram = parse(places[f"{prefix}core.accumulators.column{c}.bank{bank}.block0"])
            assert abs(ram[0] - x) <= 20 and abs(ram[1] - y) <= 24


def test_a_memory_lies_in_one_place():
    """In one row, with as many other memories around as the default preset has."""
    config = preset("default")
    cells = netlist(config, "", FIFOS)
    others = [f"weights.fifo.ram.block{block}" for block in range(8)]
    others += [f"drain.pool.maximum.lines.block{block}" for block in range(4)]
    others += [f"drain.table{lane}.block0" for lane in range(config.lanes)]
    others += [
        f"buffer.{bank}{part}.block{block}"
        for bank, part, block in itertools.product(("even", "odd"), range(4), range(4, 8))
    ]
    cells |= {f"core.{name}": {"type": "DP16KD"} for name in others}
    for unit in ("high", "low"):
        cells[f"core.drain.pool.average.{unit}.block"] = {"type": "MULT18X18D"}
    places = place(cells, DEVICES["85f"])
    for name in (*FIFOS, "weights"):
        found = [parse(bel) for n, bel in places.items() if n.startswith(f"core.{name}.fifo.")]
        assert len({y for _, y, _ in found}) == 1, name
        across = sorted(x for x, _, _ in found)
        assert across[-1] - across[0] <= 9 * len(found), name


def test_what_is_no_accelerator_is_left_alone():
    cells = {"a": {"type": "MULT18X18D"}, "b": {"type": "DP16KD"}, "c": {"type": "LUT4"}}
    assert place(cells, DEVICES["25f"]) == {}
    assert all("attributes" not in cell for cell in cells.values())
