"""Waveforms: the window, the signals that the save file names, what is refused."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from resarray.cli.main import run as run_command
from resarray.compiler.compile import compile_graph
from resarray.golden.pipeline import prepare
from resarray.sim import process, waves
from resarray.sim.run import RunResult, run
from resarray.sim.waves import GROUPS, NAMES, Waves, signal_widths
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import Engine
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("simulation", by="unit")

MODEL = f"{Path(__file__).parents[1] / 'cli' / 'network.py'}:build"
TAIL = 40
# From a layer's last compute to its profile record, in cycles.
RECORD_LATENCY = 24

SIMULATORS = [
    pytest.param(
        "icarus",
        marks=pytest.mark.skipif(
            shutil.which("iverilog") is None, reason="Icarus Verilog is not installed"
        ),
    ),
    pytest.param(
        "verilator",
        marks=pytest.mark.skipif(
            not os.environ.get("RESARRAY_SLOW") or shutil.which("fst2vcd") is None,
            reason="minutes: set RESARRAY_SLOW=1; and fst2vcd reads the dump: apt install gtkwave",
        ),
    ),
]


@pytest.fixture(scope="module")
def prepared():
    return prepare(MODEL)


@pytest.fixture(params=SIMULATORS)
def simulator(request, monkeypatch) -> str:
    """Icarus writes VCD here, which needs no tool to be read."""
    monkeypatch.setattr(process, "ICARUS_DUMP", "-vcd")
    monkeypatch.setattr(waves, "TAIL_CYCLES", TAIL)
    return request.param


@dataclass
class Dump:
    """A value change dump: widths and values by full name, times."""

    widths: dict[str, int]
    values: dict[str, list[str]]


def read(path: Path) -> Dump:
    if path.read_bytes()[:1] != b"$":
        text = subprocess.run(["fst2vcd", path], capture_output=True, text=True, check=True).stdout
    else:
        text = path.read_text()
    head, _, body = text.partition("$enddefinitions")
    scope: list[str] = []
    widths, names = {}, {}
    for match in re.finditer(
        r"\$scope \w+ (\S+) \$end|(\$upscope)|\$var \w+ (\d+) (\S+) (\S+)", head
    ):
        if match[1]:
            scope.append(match[1])
        elif match[2]:
            scope.pop()
        else:
            name = ".".join([*scope, match[5]])
            widths[name] = int(match[3])
            names.setdefault(match[4], []).append(name)
    values: dict[str, list[str]] = {}
    for match in re.finditer(r"^(?:b([01xz]+) |([01xz]))(\S+)$", body, re.M):
        for name in names[match[3]]:
            values.setdefault(name, []).append(match[1] or match[2])
    return Dump(widths, values)


def numbers(dump: Dump, name: str) -> list[int]:
    """Values of a signal, without the x that a dump ends in."""
    return [int(v, 2) for v in dump.values[f"harness.{name}"] if set(v) <= {"0", "1"}]


def simulate(simulator: str, prepared, window: Waves) -> tuple[RunResult, Dump]:
    image = compile_graph(prepared.graph, preset("tiny"))
    result = run(image, prepared.inputs_int8, simulator=simulator, waves=window)
    return result, read(window.path)


def shown(window: Waves) -> dict[str, list[str]]:
    """Signals in the save file by group."""
    groups: dict[str, list[str]] = {}
    for line in window.save_file.read_text().splitlines():
        if line.startswith("-"):
            members = groups.setdefault(line[1:], [])
        elif line.startswith("harness."):
            members.append(line)
    return groups


def test_a_window_of_cycles(simulator, prepared, tmp_path):
    window = Waves(tmp_path / "deep" / "a.fst", 100, 300)
    _, dump = simulate(simulator, prepared, window)
    assert numbers(dump, "waves.cycle") == list(range(100, 300))
    for kind in NAMES:
        assert str(window.names_file(kind)) in window.save_file.read_text()
    # The save file names what is in the dump, with its width, and something in every group.
    groups = shown(window)
    assert list(groups) == list(GROUPS)
    for members in groups.values():
        assert members
        for member in members:
            name, _, bits = member.partition("[")
            assert dump.widths[name] == (int(bits.partition(":")[0]) + 1 if bits else 1), member
    known = sum(len(names.split()) for group in GROUPS.values() for _, names in group)
    assert sum(map(len, groups.values())) == known, "a signal has another name in hw/ now"


def test_a_layer(simulator, prepared, tmp_path):
    window = Waves(tmp_path / "a.fst", layer=1)
    result, dump = simulate(simulator, prepared, window)
    cycles = numbers(dump, "waves.cycle")
    begin, end = result.layers[0]["CYCLES"], sum(row["CYCLES"] for row in result.layers[:2])
    assert begin <= cycles[0] <= begin + RECORD_LATENCY
    assert end + TAIL <= cycles[-1] <= end + TAIL + RECORD_LATENCY
    assert sorted(set(numbers(dump, "waves.layers"))) == [1, 2]
    assert cycles == list(range(cycles[0], cycles[-1] + 1))


def test_names_fit_the_values(simulator, prepared, tmp_path):
    window = Waves(tmp_path / "a.fst", 0, 10_000)
    result, dump = simulate(simulator, prepared, window)
    # All of the run, and no more.
    assert numbers(dump, "waves.cycle") == list(range(result.cycles + 1))
    named = {}
    for kind in NAMES:
        lines = window.names_file(kind).read_text().splitlines()
        named[kind] = {int(line.split()[0], 16): line.partition(" ")[2] for line in lines}
    opcodes = set(numbers(dump, "waves.opcode"))
    sent = {named["opcode"][value] for value in opcodes}
    assert sent == {"-", "LOAD", "WEIGHTS", "COMPUTE", "DRAIN", "STORE"}
    assert {named["array"][v] for v in numbers(dump, "waves.array")} >= {"off", "busy"}
    for engine in Engine:
        name = "compute_engine" if engine is Engine.COMPUTE else engine.name.lower()
        states = {named["engine"][value] for value in numbers(dump, f"waves.{name}")}
        assert states >= {"idle", "busy"}


def test_a_window_behind_the_run(simulator, prepared, tmp_path):
    with pytest.raises(ResarrayError, match=r"the run has [\d,]+ cycles, the window begins at"):
        simulate(simulator, prepared, Waves(tmp_path / "a.fst", 1_000_000, 1_000_001))
    assert list(tmp_path.iterdir()) == []


def test_widths_of_signals():
    design = """
module \\resarray.core (a, b);
  input [3:0] a;
  wire [3:0] a;
  reg b = 1'h0;
  wire \\x.y ;
  reg signed [7:0] c;
endmodule
"""
    assert signal_widths(design) == {"accelerator.core": {"a": 4, "b": 1, "c": 8}}


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_the_command_writes_fst(tmp_path, capsys):
    path = tmp_path / "a.fst"
    options = ["--model", MODEL, "--preset", "tiny", "--sim", "icarus"]
    assert run_command(["sim", *options, "--waves", str(path), "--layer", "2"]) == 0
    out = capsys.readouterr().out
    assert "BIT-EXACT" in out
    assert f"waveforms: {path}; look at them with 'gtkwave {tmp_path / 'a.gtkw'}'" in out
    # An FST file begins with a header block of 329 bytes.
    assert path.read_bytes()[:9] == b"\0" + (329).to_bytes(8, "big")
    names = {f"a.{kind}.txt" for kind in NAMES}
    assert {found.name for found in tmp_path.iterdir()} == {"a.fst", "a.gtkw", *names}
