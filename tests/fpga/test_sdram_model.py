"""The memory chip's model notices every rule that it is there to check."""

import shutil
import subprocess

import pytest

from resarray.fpga.simulation.run import HERE, VIOLATIONS

pytestmark = [
    pytest.mark.verifies("board", by="unit"),
    pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed"),
]

# Commands as {ras_n, cas_n, we_n}; address bit 10 means all banks, or a precharge behind.
MODE, REFRESH, PRECHARGE, ACTIVATE, WRITE, READ = range(6)
ALL = 1 << 10
CL2 = 0x20
# (ps since the last one, command, bank, address)
START = [
    (1000, PRECHARGE, 0, ALL),
    (30_000, REFRESH, 0, 0),
    (70_000, REFRESH, 0, 0),
    (70_000, MODE, 0, CL2),
    (40_000, ACTIVATE, 0, 5),
]
USE = [
    (25_000, WRITE, 0, 1),
    (20_000, READ, 0, 1),
    (20_000, PRECHARGE, 0, 0),
    (25_000, ACTIVATE, 0, 6),
    (16_000, ACTIVATE, 1, 6),
    (25_000, WRITE, 1, ALL),
    (40_000, PRECHARGE, 0, ALL),
    (25_000, REFRESH, 0, 0),
    (70_000, ACTIVATE, 2, 0),
]
SEQUENCE = START + USE


def changed(index: int, **fields) -> list:
    """The sequence with one command different."""
    names = ("wait", "command", "bank", "address")
    found = list(SEQUENCE)
    found[index] = tuple(
        fields.get(name, value) for name, value in zip(names, found[index], strict=True)
    )
    return found


def refreshes(period: int, count: int) -> list:
    return SEQUENCE + [(50_000, PRECHARGE, 0, ALL), *[(period, REFRESH, 0, 0)] * count]


BROKEN = {
    0: [*SEQUENCE, (71_000_000, PRECHARGE, 0, ALL), (25_000, ACTIVATE, 0, 0)],
    1: changed(3, wait=60_000),
    2: changed(11, command=ACTIVATE, bank=3)[:12] + [(80_000, REFRESH, 0, 0)],
    3: changed(3, address=0x10),
    4: [*SEQUENCE, (70_000, ACTIVATE, 2, 1)],
    5: changed(8, wait=15_000),
    6: changed(6, bank=3),
    7: changed(5, wait=15_000),
    8: changed(6, wait=10_000, command=PRECHARGE)[:7],
    9: changed(9, wait=10_000),
    10: [*refreshes(9_000_000, 12), (70_000, ACTIVATE, 0, 0)],
    11: changed(4, wait=20_000),
}


def violations(sequence: list, tmp_path) -> set[int]:
    lines = [
        f"#{wait} {{ras_n, cas_n, we_n}} = {command}; ba = {bank}; a = {address}; "
        "clk = 1; #10 clk = 0;"
        for wait, command, bank, address in sequence
    ]
    bench = tmp_path / "bench.v"
    bench.write_text(
        "`timescale 1ps/1ps\nmodule bench;\nreg clk = 0, ras_n, cas_n, we_n;\nreg [1:0] ba;\n"
        "reg [12:0] a;\nwire [15:0] dq;\nwire [11:0] violations;\n"
        "sdram #(.ROW_BITS(4), .COLUMN_BITS(4)) chip (.clk(clk), .cke(1'b1), .cs_n(1'b0), "
        ".ras_n(ras_n), .cas_n(cas_n), .we_n(we_n), .ba(ba), .a(a), .dm(2'b00), .dq(dq), "
        ".violations(violations));\ninitial begin\n"
        + "\n".join(lines)
        + '\n#10 $display("%d", violations);\n$finish;\nend\nendmodule\n'
    )
    model = HERE / "sdram.v"
    subprocess.run(
        ["iverilog", "-g2012", "-o", "bench", "bench.v", str(model)], cwd=tmp_path, check=True
    )
    result = subprocess.run(
        ["vvp", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    found = int(result.stdout.split()[0])
    return {bit for bit in range(len(VIOLATIONS)) if found >> bit & 1}


# Another start while the last one's data decays.
AGAIN = [(50_000, PRECHARGE, 0, ALL), *[(90_000_000, REFRESH, 0, 0)] * 10, *START[3:]]
ALLOWED = {
    "use": SEQUENCE,
    "refresh": [*refreshes(7_812_500, 12), (70_000, ACTIVATE, 0, 0)],
    "start again": SEQUENCE + AGAIN + USE,
}


@pytest.mark.parametrize("sequence", ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed(sequence, tmp_path):
    assert violations(sequence, tmp_path) == set()


@pytest.mark.parametrize("rule", range(len(VIOLATIONS)), ids=VIOLATIONS)
def test_what_is_not(rule, tmp_path):
    assert rule in violations(BROKEN[rule], tmp_path)
