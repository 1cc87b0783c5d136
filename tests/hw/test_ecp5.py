"""ECP5 blocks: all their registers in use, and in simulation the same as the portable units."""

import dataclasses
import os
import re
import subprocess

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from resarray.hw.ecp5 import ram
from resarray.hw.element import ELEMENTS
from resarray.hw.memory import Fifo, Ram
from resarray.hw.multiplier import Multiplier, WideMultiplier
from resarray.hw.verilog import TARGETS, generate
from resarray.sim import simulators
from resarray.sim.build import HW, MODELS
from resarray.sim.convert import convert
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

from .test_common import Adder

pytestmark = pytest.mark.verifies("ecp5", by="netlist")

CYCLES = 20_000
SEED = 1

# One RAM for each width of a block, with words that do not fill the last block, and one of LUTs.
RAMS = [(32, 512), (64, 64), (40, 1024), (64, 2048), (7, 4096), (5, 8192), (2, 16384), (8, 16)]
UNITS = {
    **{kind: unit() for kind, unit in ELEMENTS.items()},
    "multiplier": Multiplier(18, 18),
    "wide": WideMultiplier(32, 17),
    **{f"ram{width}x{depth}": Ram(width, depth) for width, depth in RAMS},
    "fifo": Fifo(24, 64),
    "adder": Adder(32, 20),
    "odd_adder": Adder(21, 8),
}

# What a unit leaves open is kept from it: a RAM is not read where it is written, and nothing goes
# into a FIFO that is not ready.
RAM_RULE = """
        if ({0}__write_en && {0}__read_addr == {0}__write_addr)
            {0}__read_addr = {0}__read_addr ^ 1;"""
FIFO_RULE = """
        {0}__i__valid = {0}__i__valid & generic_{0}__i__ready;"""


class Suite(wiring.Component):
    """All units side by side."""

    def __init__(self):
        super().__init__({name: Out(unit.signature) for name, unit in UNITS.items()})

    def elaborate(self, platform):
        m = Module()
        for name, unit in UNITS.items():
            m.submodules[name] = unit
            connect(m, flipped(getattr(self, name)), unit)
        return m


def bench() -> str:
    """Verilog that feeds both flavours of every unit the same random inputs, each cycle, and counts
    the cycles in which their outputs differ."""
    declared, randomise, compare = [], [], []
    pins = {target: [] for target in TARGETS}
    for name, unit in UNITS.items():
        for path, member, _ in unit.signature.flatten(unit):
            port, bits = "__".join((name, *map(str, path))), Shape.cast(member.shape).width
            if member.flow == In:
                declared.append(f"reg [{bits - 1}:0] {port} = 0;")
                randomise.append(f"{port} = {{$random(seed), $random(seed)}};")
                for connections in pins.values():
                    connections.append(f".{port}({port})")
                continue
            a, b = (f"{target}_{port}" for target in TARGETS)
            declared.append(f"wire [{bits - 1}:0] {a}, {b};")
            for target, connections in pins.items():
                connections.append(f".{port}({target}_{port})")
            differ = f"{a} !== {b}"
            if path[-1] == "payload":  # means nothing where it is not valid
                differ += f" && {a[: -len('payload')]}valid"
            compare.append(
                f"if ({differ}) begin wrong = wrong + 1; "
                f'$display("{port} differs in cycle %0d: %h, %h", cycle, {a}, {b}); end'
            )
        if isinstance(unit, Ram):
            randomise.append(RAM_RULE.format(name))
        elif isinstance(unit, Fifo):
            randomise.append(FIFO_RULE.format(name))
    sources = []
    for target, platform in TARGETS.items():
        declared.append(f"{target} u_{target}(.clk(clk), .rst(1'b0), {', '.join(pins[target])});")
        sources.append(verilog.convert(Suite(), name=target, platform=platform))
    body = "\n        ".join
    return f"""
module bench;
    reg clk = 0;
    integer seed = {SEED}, cycle, wrong = 0;
        {body(declared)}
    always #5 clk = ~clk;
    initial begin
        for (cycle = 0; cycle < {CYCLES}; cycle = cycle + 1) begin
            @(negedge clk);
        {body(compare)}
        {body(randomise)}
        end
        $display("seed %0d: %0d differences in %0d cycles", {SEED}, wrong, cycle);
        $finish;
    end
endmodule
""" + "\n".join(sources)


@pytest.mark.long
def test_units_equal_the_portable_ones(tmp_path):
    simulator = simulators.find("verilator")
    (tmp_path / "bench.v").write_text(bench())
    models = [str(HW / name) for name in MODELS["ecp5"]]
    environment = {**os.environ, **simulator.env}
    overrides = [part for variable in simulator.make for part in ("-MAKEFLAGS", variable)]
    build = [
        simulator.executable,
        "--binary",
        "--timing",
        "--top-module",
        "bench",
        "-Wno-fatal",
        "-Wno-lint",
        "-Wno-style",
        "-Mdir",
        str(tmp_path / "obj"),
        "bench.v",
        *models,
        *overrides,
        "-CFLAGS",
        "-std=c++20",
    ]
    made = subprocess.run(
        build, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    ran = subprocess.run(
        [str(tmp_path / "obj" / "Vbench")], capture_output=True, text=True, check=True
    )
    assert f"seed {SEED}: 0 differences in {CYCLES} cycles" in ran.stdout, ran.stdout[:2000]


def test_every_block_has_its_registers():
    """One left out would be timed too well, or cost nanoseconds."""
    source = generate(preset("tiny"), "ecp5")
    blocks = re.findall(r"(MULT18X18D|DP16KD) #\((.*?)\) \\?\S+ \(", source, re.DOTALL)
    kinds = [kind for kind, _ in blocks]
    assert kinds.count("MULT18X18D") > preset("tiny").multipliers
    assert kinds.count("DP16KD") > 8
    for kind, parameters in blocks:
        if kind == "MULT18X18D":
            for stage in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"):
                assert f'.REG_{stage}_CLK("CLK0")' in parameters
        else:
            assert '.REGMODE_A("OUTREG")' in parameters
            assert '.REGMODE_B("OUTREG")' in parameters


def test_the_portable_flavour_has_no_blocks():
    source = generate(preset("tiny"))
    assert "MULT18X18D" not in source
    assert "DP16KD" not in source


def test_too_deep_a_memory_is_refused():
    with pytest.raises(ResarrayError, match=r"32,768 words is too deep.*at most 16,384"):
        ram.tile_width(32768)


def test_too_deep_a_memory_is_refused_in_a_sentence():
    """Though Amaranth, which is broken off, warns of all that it had begun."""
    config = dataclasses.replace(preset("tiny"), scratch_words=32768)
    with pytest.raises(ResarrayError) as error:
        convert("resarray.hw.verilog:generate", config, "ecp5")
    assert "scratch_words" in str(error.value) and len(str(error.value)) < 250


def test_unknown_targets_are_refused():
    with pytest.raises(ResarrayError, match="unknown target 'xilinx': choose one of generic, ecp5"):
        generate(preset("tiny"), "xilinx")
