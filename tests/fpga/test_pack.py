"""What is instantiated for the ECP5 goes through all tools to a bitstream."""

import json

import pytest
from amaranth.back import verilog
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from resarray.fpga import tools
from resarray.fpga.devices import DEVICES
from resarray.fpga.floorplan import place
from resarray.fpga.harness import Harness
from resarray.fpga.process import run_tool
from resarray.hw.common import copies
from resarray.hw.memory import Ram
from resarray.hw.multiplier import Multiplier
from resarray.hw.verilog import platform_of
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("board", by="unit")


class Blocks(wiring.Component):
    """A multiplier, memories of two widths and copied registers."""

    i: In(72)
    o: Out(128)

    def elaborate(self, platform):
        m = Module()
        m.submodules.multiplier = multiplier = Multiplier(9, 9)
        m.submodules.narrow = narrow = Ram(8, 1024)
        m.submodules.wide = wide = Ram(36, 512)
        twice = copies(m, platform, self.i[:4], 2, "twice", init=0b1010)
        output = Signal(128)
        m.d.sync += output.eq(Cat(multiplier.product, narrow.read_data, wide.read_data, *twice))
        m.d.comb += [
            multiplier.a.eq(self.i[:9]),
            multiplier.b.eq(self.i[9:]),
            *(
                signal.eq(self.i)
                for ram in (narrow, wide)
                for signal in (ram.write_en, ram.write_addr, ram.write_data, ram.read_addr)
            ),
            self.o.eq(output),
        ]
        return m


@pytest.mark.long
def test_every_block_is_packed(tmp_path):
    """ecppack refuses a block with a mode that it does not know, after minutes of routing."""
    try:
        yosys, nextpnr = tools.find_yosys(), tools.find_nextpnr()
        ecppack = tools.find_ecppack(nextpnr)
    except ResarrayError as error:
        pytest.skip(str(error))
    source = verilog.convert(Harness(Blocks()), name="top", platform=platform_of("ecp5"))
    (tmp_path / "top.v").write_text(source)
    script = f"read_verilog top.v; {tools.synthesis('top')}; write_json top.json"
    run_tool(yosys, ["-q", "-p", script], tmp_path, "yosys.log", "top.json")
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    kinds = [cell["type"] for cell in cells.values()]
    assert kinds.count("MULT18X18D") == 1 and kinds.count("DP16KD") == 2
    # Both copies are there.
    assert sum("twice_copy" in name for name in cells) == 8
    assert place(cells, DEVICES["25f"]) == {}
    options = [DEVICES["25f"].option, "--lpf-allow-unconstrained", "--json", "top.json"]
    run_tool(
        nextpnr,
        [*options, *tools.PLACER, "--textcfg", "top.config"],
        tmp_path,
        "nextpnr.log",
        "top.config",
    )
    run_tool(
        ecppack, ["--input", "top.config", "--bit", "top.bit"], tmp_path, "ecppack.log", "top.bit"
    )
    assert (tmp_path / "top.bit").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("condition", "port", "fewest"),
    [
        ("if (c) o <= i;", "CE", tools.FEWEST_ENABLED),
        ("if (c) o <= 0; else o <= i;", "LSR", tools.FEWEST_SET),
    ],
    ids=["enable", "reset"],
)
def test_signals_for_few_registers_become_logic(tmp_path, condition, port, fewest):
    try:
        yosys = tools.find_yosys()
    except ResarrayError as error:
        pytest.skip(str(error))
    used = []
    for width in (fewest - 1, fewest):
        bits = f"[{width - 1}:0]"
        (tmp_path / "top.v").write_text(
            f"module top(input clk, c, input {bits} i, output reg {bits} o);"
            f"always @(posedge clk) {condition} endmodule"
        )
        script = f"read_verilog top.v; {tools.synthesis('top')}; write_json top.json"
        run_tool(yosys, ["-q", "-p", script], tmp_path, "yosys.log", "top.json")
        cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
        registers = [c["connections"] for c in cells.values() if c["type"] == "TRELLIS_FF"]
        assert len(registers) == width
        # A constant is a text, a net a number.
        used.append(any(isinstance(bit, int) for r in registers for bit in r.get(port, [])))
    assert used == [False, True]
