"""Every checker of the simulation sees its rule broken, on Icarus Verilog, and nothing else."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import resarray.sim
from resarray.sim import checks
from resarray.sim.run import MemoryModel, run
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

from . import stub

pytestmark = pytest.mark.verifies("simulation", by="unit")
SIM = Path(resarray.sim.__path__[0])
TINY = preset("tiny")
FIRST_CORE = len(checks.MASTER) + len(checks.PORTS)
needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="no iverilog on PATH: apt install iverilog"
)

# A cycle: what changes before it. Windows: memory from 0x4000_0000, 0x100 bytes, writes from 0x80.
Cycle = dict[str, int | str]
START: list[Cycle] = [
    {"rst": 1},
    {"rst": 0},
    *(
        cycle
        for at, value in (
            *((0x30, 0x4000_0000), (0x34, 0x100), (0x38, 0x80), (0x18, 1), (0x10, 1)),
        )
        for cycle in (
            {"axil_awvalid": 1, "axil_wvalid": 1, "axil_addr": at, "axil_wdata": value},
            {"axil_awvalid": 0, "axil_wvalid": 0, "axil_bvalid": 1},
            {"axil_bvalid": 0},
        )
    ),
]
# Two beats are read, two are written; a register is read; the interrupt comes.
GOOD: list[Cycle] = [
    {"arvalid": 1, "araddr": 0x4000_0010, "arlen": 1, "arready": 0},
    {"arready": 1},
    {"arvalid": 0, "rvalid": 1, "rready": 0, "rdata": 5},
    {"rready": 1},
    {"rdata": 6, "rlast": 1},
    {"rvalid": 0, "rlast": 0, "awvalid": 1, "awaddr": 0x4000_00F8, "awlen": 1, "wvalid": 1},
    {"awvalid": 0, "wlast": 1},
    {"wvalid": 0, "wlast": 0},
    {"bvalid": 1, "bready": 0},
    {"bready": 1},
    {"bvalid": 0, "axil_arvalid": 1},
    {"axil_arvalid": 0, "axil_rvalid": 1, "axil_rready": 0, "axil_rdata": 9},
    {"axil_rready": 1},
    {"axil_rvalid": 0, "irq": 1},
    {},
    {"axil_awvalid": 1, "axil_wvalid": 1, "axil_addr": 0x18, "axil_wdata": 0},
    {"axil_awvalid": 0, "axil_wvalid": 0, "axil_bvalid": 1},
    {"axil_bvalid": 0, "irq": 0},
    *[{}] * 8,
]
BROKEN: dict[str, list[dict[int, Cycle]]] = {
    "read data without a burst, or RLAST at the wrong beat": [
        {0: {"arvalid": 0}, 5: {"rvalid": 1, "rlast": 1}, 6: {"rvalid": 0, "rlast": 0}},
        {3: {"rready": 1, "rlast": 1}, 4: {"rvalid": 0}},
    ],
    "a write response without a burst": [
        {5: {"rvalid": 0, "rlast": 0, "awvalid": 0, "wvalid": 0}, 6: {}},
        {6: {"awvalid": 0, "wlast": 0}},
    ],
    "read data or a write response changed before it was taken": [
        {3: {"rdata": 7}},
        {3: {"rvalid": 0}, 4: {"rvalid": 1, "rready": 1}},
        {9: {"bresp": 2}},
    ],
    "a read burst outside the window": [{0: {"araddr": 0x4000_00FC}}, {0: {"araddr": 0x3FFF_FFFC}}],
    "a write burst outside the window": [
        {5: {"awaddr": 0x4000_007C}},
        {5: {"awaddr": 0x4000_00FC}},
        {5: {"awaddr": 0xFFFF_FFFC}},
    ],
    "a transaction in flight at the interrupt": [{3: {"irq": 1}}, {8: {"irq": 1}}],
    "an AXI-Lite response without an access": [
        {10: {"axil_arvalid": 0}},
        {10: {"axil_bvalid": 1}, 11: {"axil_bvalid": 0}},
    ],
    "an AXI-Lite response changed before it was taken": [
        {12: {"axil_rdata": 8}},
        {12: {"axil_rvalid": 0}},
    ],
    "an undefined handshake": [{14: {"arvalid": "1'bx"}}, {14: {"axil_rvalid": "1'bx"}}],
    "an undefined burst or word": [
        {0: {"araddr": "32'bx"}},
        {5: {"awlen": "8'bx"}},
        {6: {"wdata": "32'hzz00ff00"}},
    ],
    "an interrupt that is not enabled": [{17: {"irq": 1}}],
    "an interrupt that went by itself": [{14: {"irq": 0}}],
}
# A read waits; two beats are written to the end of 4 KiB, the address first; then a beat whose
# address comes with its data, and two beats whose data come first.
GOOD_MASTER: list[Cycle] = [
    {"arsize": 2, "arburst": 1, "awsize": 2, "awburst": 1, "wstrb": 15},
    {"arvalid": 1, "araddr": 0x4000_0FF8, "arlen": 1, "arready": 0},
    {},
    {"arready": 1},
    {"arvalid": 0, "awvalid": 1, "awaddr": 0x4000_0FF8, "awlen": 1, "awready": 0},
    {"awready": 1},
    {"awvalid": 0, "wvalid": 1, "wdata": 5, "wready": 0},
    {"wready": 1},
    {"wlast": 1},
    {"awvalid": 1, "awaddr": 0x4000_1000, "awlen": 0},
    {"awvalid": 0, "wlast": 0},
    {"wlast": 1},
    {"wvalid": 0, "wlast": 0, "awvalid": 1, "awlen": 1},
    {"awvalid": 0},
    {},
]
BROKEN_MASTER: dict[str, list[dict[int, Cycle]]] = {
    "a read burst crosses 4 KiB": [{1: {"arlen": 2}}, {1: {"araddr": 0x4000_0FFC}}],
    "a write burst crosses 4 KiB": [{4: {"awaddr": 0x4000_0FFC}}],
    "a malformed read burst": [
        {0: {"arsize": 1}},
        {0: {"arburst": 0}},
        {1: {"araddr": 0x4000_0FF2}},
    ],
    "a malformed write burst": [
        {0: {"awsize": 3}},
        {0: {"awburst": 2}},
        {4: {"awaddr": 0x4000_0FF1}},
    ],
    "WLAST at the wrong beat": [
        {7: {"wready": 1, "wlast": 1}, 8: {"wvalid": 0, "wlast": 0}, 9: {"wvalid": 1, "wlast": 1}},
        {8: {"wlast": 0}},
        {9: {"awlen": 1}},
        {12: {"awlen": 0}},
        {12: {"awlen": 2}},
        {11: {"wlast": 0}, 12: {"wvalid": 0, "awlen": 0}},  # more beats than it has, without an end
    ],
    "ARVALID or its burst changed before ARREADY": [
        {2: {"arvalid": 0}, 3: {"arvalid": 1, "arready": 1}},
        {2: {"araddr": 0x4000_0FF0}},
        {3: {"arlen": 0, "arready": 1}},
    ],
    "AWVALID or its burst changed before AWREADY": [
        {5: {"awaddr": 0x4000_0FF0, "awready": 1}},
        {5: {"awvalid": 0}, 6: {"awvalid": 1, "awready": 1}, 7: {"awvalid": 0}},
    ],
    "WVALID or its data changed before WREADY": [
        {7: {"wdata": 6, "wready": 1}},
        {7: {"wstrb": 7, "wready": 1}},
        {7: {"wlast": 1, "wready": 1}},
    ],
}


def icarus(text: str, sources: list[str], tmp_path: Path) -> list[int]:
    """The numbers that a testbench prints."""
    bench, binary = tmp_path / "bench.v", tmp_path / "bench.vvp"
    bench.write_text(text)
    files = [str(bench), *(str(SIM / name) for name in sources)]
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", str(binary), *files], check=True)
    output = subprocess.run(["vvp", str(binary)], check=True, capture_output=True, text=True).stdout
    return [int(line, 2) for line in output.split()]


def cycles(sequence: list[Cycle], scope: str = "") -> str:
    """Verilog that makes the changes before the cycles."""
    return "".join(
        "".join(f"{scope}{name} = {value}; " for name, value in cycle.items()) + "step;\n"
        for cycle in sequence
    )


def port_bench(module: str, sequences: list[list[Cycle]]) -> str:
    """A testbench for a module of checks.v: prints the violations of each sequence."""
    ports = re.search(rf"module {module}.*?\);", (SIM / "checks.v").read_text(), re.S)[0]
    width = re.search(r"output reg (\[[^\]]*\]) violations", ports)[1]
    inputs = re.findall(r"input (\[[^\]]*\] )?(\w+)", ports)
    names = [name for _, name in inputs if name != "clk"]
    idle = {name: 0 for name in names} | {name: 1 for name in names if name.endswith("ready")}
    body = "".join(
        cycles([idle | {"clear": 1, "rst": 1}, {"clear": 0}, *sequence])
        + '$display("%b", violations);\n'
        for sequence in sequences
    )
    declared = "".join(f"reg {width}{name};\n" for width, name in inputs)
    return f"""
module bench;
    localparam ROWS = 4;
    {declared}
    wire {width} violations;
    {module} #(.ROWS(ROWS)) dut (.violations(violations),
        {", ".join(f".{name}({name})" for _, name in inputs)});
    task step; begin #1 clk = 1; #1 clk = 0; end endtask
    initial begin clk = 0; {body} end
endmodule
"""


@needs_icarus
@pytest.mark.parametrize(
    "module, rules, before, good, broken",
    [
        ("master_checks", checks.MASTER, [{"rst": 0}], GOOD_MASTER, BROKEN_MASTER),
        ("port_checks", checks.PORTS, START, GOOD, BROKEN),
    ],
)
def test_ports(module, rules, before, good, broken, tmp_path):
    expected, sequences = [0], [[*before, *good]]
    for rule, breaches in broken.items():
        for breach in breaches:
            expected.append(rules.index(rule))
            changed = [cycle | breach.get(i, {}) for i, cycle in enumerate(good)]
            sequences.append([*before, *changed])
    unbroken, *found = icarus(port_bench(module, sequences), ["checks.v"], tmp_path)
    assert unbroken == 0
    assert broken.keys() == set(rules)
    for bit, seen, sequence in zip(expected[1:], found, sequences[1:], strict=True):
        assert seen >> bit & 1, (rules[bit], bin(seen), sequence)


def core_bench(sequences: list[list[Cycle]]) -> str:
    """A testbench for core_checks, with a hierarchy of what it looks at."""
    source = (SIM / "core_checks.v").read_text()
    leaves = {"CORE.fetch_rst": 1}
    for kind, path in re.findall(r"^    `(STREAM|QUEUE|ROOM)\(.*?`(CORE[\w.]+)\)", source, re.M):
        if kind == "ROOM":
            leaves |= {f"{path}.fifo.i__valid": 1, f"{path}.fifo.level": 4}
        elif kind == "QUEUE":
            leaves |= {f"{path}.offered": 1, f"{path}.full": 1, f"{path}.bits": 256}
        else:
            leaves |= {f"{path}valid": 1, f"{path}ready": 1, f"{path}payload": 32}
    leaves |= {path: 20 for path in re.findall(r"`(CORE\.completion\.\w+)", source)}
    leaves |= {
        path: 1
        for path in re.findall(r"`(CORE\.(?:arbiter\.bus|store\.bus|errors)\w*\.?\w+)", source)
    }
    tree: dict = {}
    for path, width in leaves.items():
        *parts, name = path.removeprefix("CORE.").split(".")
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
        node[name] = width

    modules: list[str] = []

    def module(node: dict, name: str) -> str:
        inside = "".join(
            f"{module(inner, f'{name}_{key}')} {key} ();\n"
            if isinstance(inner, dict)
            else f"reg [{inner - 1}:0] {key} = 0;\n"
            for key, inner in node.items()
        )
        modules.append(f"module {name};\n{inside}endmodule\n")
        return name

    module(tree, "core")
    reset = "".join(f"harness.accelerator.{path.replace('CORE', 'core')} = 0; " for path in leaves)
    body = "".join(
        f"{reset} harness.clear = 1; harness.rvalid = 0; harness.bvalid = 0; step; step;\n"
        + "harness.clear = 0; step;\n"
        + cycles(sequence, "harness.")
        + 'step; $display("%b", harness.violations);\n'
        for sequence in sequences
    )
    return (
        "".join(modules)
        + f"""
module accelerator_; core core (); endmodule
module harness;
    reg clk = 0, clear, reset = 0, rvalid, rready = 0, bvalid, bready = 0;
    wire [30:0] violations;
    accelerator_ accelerator ();
    core_checks #(.ROWS(4)) checks (
        .clk(clk), .rst(reset), .clear(clear), .violations(violations),
        .rvalid(rvalid), .rready(rready), .bvalid(bvalid), .bready(bready)
    );
endmodule
module bench;
    harness harness ();
    task step; begin #1 harness.clk = 1; #1 harness.clk = 0; end endtask
    initial begin {body} end
endmodule
"""
    )


@needs_icarus
def test_inside(tmp_path):
    """Each stream: held and taken, changed, given up, reset; each other rule: kept and broken."""
    core = "accelerator.core."
    done, sent = f"{core}completion.done__3", f"{core}completion.dispatched__3"
    failed, read = f"{core}errors.failed", f"{core}arbiter.bus__arvalid"
    rows: list[tuple[list[Cycle], int | None]] = [
        ([{sent: 2, done: 2}, {done: 1}], None),
        ([{sent: 2, done: 3}, {done: 1}], 0),
        ([{read: 1, failed: 1}, {}, {read: 0}], None),
        ([{failed: 1}, {read: 1}, {read: 0}], None),
        ([{failed: 1}, {}, {read: 1}, {}], 1),
        ([{failed: 1}, {}, {f"{core}store.bus__awvalid": 1}, {}], 1),
        ([{"rvalid": 1}, {}, {}, {}, {"rvalid": 0}], None),
        ([{"rvalid": 1}, {}, {}, {}, {}, {}, {}], 2),
        ([{"bvalid": 1}, {}, {}, {}, {}, {}, {}], 3),
    ]
    source = (SIM / "core_checks.v").read_text()
    found = re.findall(r"^    `(STREAM|QUEUE|ROOM)\((\d+),.*?`CORE\.([\w.]+)\)", source, re.M)
    assert [int(number) for _, number, _ in found] == list(range(len(found)))
    for kind, number, path in found:
        bit = 4 + int(number)
        if kind == "ROOM":
            valid, level = f"{core}{path}.fifo.i__valid", f"{core}{path}.fifo.level"
            rows += [
                ([{valid: 1, level: 7}, {valid: 0, level: 8}], None),
                ([{level: 8}, {valid: 1}], bit),
                ([{f"{core}fetch_rst": 1, level: 8, valid: 1}], None),
            ]
            continue
        if kind == "QUEUE":
            valid, taken, payload = (f"{core}{path}.{n}" for n in ("offered", "full", "bits"))
            offer, take = {valid: 1, taken: 1, payload: 9}, {valid: 0, taken: 0}
        else:
            valid, taken, payload = (f"{core}{path}{n}" for n in ("valid", "ready", "payload"))
            offer, take = {valid: 1, taken: 0, payload: 9}, {taken: 1}
        rows += [
            ([offer, {}, {}, take, {valid: 0, taken: 0, payload: 1}], None),
            ([offer, {}, {payload: 8}], bit),
            ([offer, {}, {valid: 0}], bit),
            ([offer, {f"{core}fetch_rst": 1}, {f"{core}fetch_rst": 0, valid: 0}], None),
        ]
    seen = icarus(core_bench([row for row, _ in rows]), ["checks.v", "core_checks.v"], tmp_path)
    for (sequence, bit), violations in zip(rows, seen, strict=True):
        assert violations == (0 if bit is None else 1 << bit), (sequence, bin(violations))
    assert {bit for _, bit in rows if bit is not None} == set(range(len(checks.CORE)))


def test_a_breach_ends_the_run():
    program = stub.program(TINY, (4, 2, 4))
    inputs = np.zeros((1, 4, 2, 4), np.int8)
    program.manifest["program"]["addr"] = 64  # the stub reads on behind the window
    with pytest.raises(ResarrayError, match="a read burst outside the window; this is a bug in hw"):
        run(program, inputs, design=stub.design(TINY), memory=MemoryModel(4))
