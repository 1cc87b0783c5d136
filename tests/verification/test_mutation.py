"""A handful of fixed mutants of both kinds, what becomes of them, and the tools around them."""

import ast
import json
import os
import re
import signal

import pytest

from resarray.fpga import tools
from resarray.sim import simulators
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset
from resarray.verification.mutation import (
    campaign,
    equivalence,
    equivalents,
    hardware,
    netlist,
    software,
    source,
    suite,
)
from resarray.verification.mutation.netlist import Change, Mutant
from resarray.verification.mutation.scenario import DEPTH

pytestmark = pytest.mark.verifies("plan", by="unit")


def change(mode: str, module: str, cell: str, port: str, bit: int) -> Mutant:
    return Mutant(f"{port}[{bit}]", (Change(mode, module, cell, port, bit, None, "", ()),))


def test_mutants_of_the_netlist(tmp_path, monkeypatch):
    """The wrong rounding constant shows in tensors where sums are half way between integers; too
    many instructions in a start that is refused; what nobody reads does not show."""
    try:
        simulators.find("icarus")
    except ResarrayError as error:
        pytest.skip(str(error))
    config = preset("tiny")
    design, (rounding, _) = netlist.draw(config, 1, 1)
    outside = change("inv", "resarray", "settings", "settings__prog_count", 30)
    unread = change("inv", "resarray", "settings", "settings__prog_count", 16)
    mutants = [rounding, outside, unread]
    campaign = hardware.prepare_few(config, design, mutants, tmp_path)
    names = [mutant.name for mutant in mutants]
    seen = campaign.run(names, 1)
    assert [seen[name].kind for name in names] == ["memory", "register", None]
    # What has been run is not run again.
    results = tmp_path / hardware.RESULTS
    assert len(results.read_text().splitlines()) == len(names)
    assert campaign.run(names, 1) == seen
    assert len(results.read_text().splitlines()) == len(names)
    # A simulator that ended once says nothing of the mutant; one that does so again, does.
    kills: list[None] = []

    def killed(binary, module, top, folder):
        if kills:
            kills.pop()
            (folder / "running").write_text(names[2])
            raise ResarrayError("the simulator ended")
        simulate(binary, module, top, folder)

    simulate = hardware.simulate
    monkeypatch.setattr(hardware, "simulate", killed)
    for count, kind in ((1, None), (2, hardware.CRASH)):
        kills += [None] * count
        results.unlink()
        assert campaign.run(names[2:], 1)[names[2]].kind == kind


def test_the_quick_suite_is_made():
    """Names tell scenarios apart, and the harness has room for what their memories hold."""
    config = preset("tiny")
    scenarios = suite.scenarios(config)
    assert len({s.name for s in scenarios}) == len(scenarios) > 140
    assert all(len(s.memory) <= config.rows * DEPTH for s in scenarios)
    # Each place where a program is seen to its end has what must be seen there.
    for s in scenarios:
        assert len(s.status) == [step[0] for step in s.steps].count("registers"), s.name


def test_only_what_is_looked_at_is_proven():
    """A change within a memory, which proofs leave out, or in two places has no proof."""
    try:
        tools.find_yosys()
    except ResarrayError as error:
        pytest.skip(str(error))
    design, _ = netlist.draw(preset("tiny"), 1, 1)
    processed = design.with_name("processed.il")
    text = processed.read_text()
    fifo = "resarray.core.queue_drain.fifo"

    def cell(module: str, kind: str) -> str:
        body = text.partition(f"\nmodule \\{module}\n")[2].partition("\nmodule ")[0]
        return re.findall(rf"^  cell {re.escape(kind)} (\S+)$", body, re.M)[0]

    ram = f"{fifo}.ram"
    within = change("inv", ram, cell(ram, "$memwr_v2"), "DATA", 0)
    assert equivalence.prove(processed, within) is None
    unread = change("inv", "resarray", "settings", "settings__prog_count", 16)
    two = Mutant("two", (*unread.changes, *within.changes))
    assert equivalence.prove(processed, two) is None


def test_an_argument_that_a_test_disproves_is_an_error():
    campaign._require_survivors({"7": "nobody reads it"}, ["7", "8"])
    with pytest.raises(ResarrayError, match=r"mutant 7 changes nothing, says equivalent\.toml"):
        campaign._require_survivors({"7": "nobody reads it"}, ["8"])


def test_arguments_are_of_the_campaigns_own_mutants():
    """Others may be drawn; of its own each entry has one."""
    assert equivalents.of_hardware("tiny", [], whole=False) == {}
    with pytest.raises(ResarrayError, match="the hardware has changed"):
        equivalents.of_hardware("tiny", [], whole=True)


@pytest.mark.parametrize(
    ("work", "text", "ended_by"),
    [
        (lambda: "null", "null", 0),
        (lambda: str(1 // 0), "", 0),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "", signal.SIGKILL),
        (lambda: [None for _ in iter(int, 1)], "", signal.SIGXCPU),
    ],
)
def test_what_becomes_of_a_child(work, text, ended_by):
    """Only the processor time's limit is a verdict; what else ends a process is nobody's."""
    child, end = software._fork(work, 1)
    assert software._read(end, child) == (text, ended_by)


def test_a_child_that_waits_is_ended(monkeypatch):
    """Processor time alone would let it wait for ever."""
    monkeypatch.setattr(software, "IDLE", 1)
    child, end = software._fork(lambda: str(signal.pause()), 1)
    assert software._read(end, child) == ("", signal.SIGALRM)


def test_a_function_that_no_test_calls_survives():
    assert software._first_failure([]) is None


def mutants_of(code: str, tmp_path, monkeypatch) -> list[source.Mutant]:
    monkeypatch.setattr(source, "ROOT", tmp_path)
    (tmp_path / "file.py").write_text(code)
    return list(source.mutants_of("file.py"))


CHANGES = {
    "def f(a):\n    return a < 3": ["a < 3 -> a <= 3", "3 -> 4"],
    "def f(a):\n    '''Text.'''\n    raise ValueError(1)": [],
    "def f(a):\n    if a:\n        a += 2": ["a += 2 -> a -= 2", "a += 2 -> pass", "2 -> 3"],
    "def f(a, b):\n    return max(a, b)": ["max(a, b) -> min(a, b)"],
    "def f(a):\n    for b in a:\n        if b:\n            a.append(b)": [
        "if b -> if not b",
        "a.append(b) -> pass",
    ],
    "LIMIT = 1 << 4": ["1 << 4 -> 1 >> 4", "1 -> 2", "4 -> 5"],
    "LIMIT = len('a')": [],
    "class A:\n    def f(self):\n        return not self.b": ["not self.b -> self.b"],
}


@pytest.mark.parametrize("code", CHANGES)
def test_changes_of_python(code, tmp_path, monkeypatch):
    before = ast.dump(ast.parse(code))
    assert [m.change for m in mutants_of(code, tmp_path, monkeypatch)] == CHANGES[code]
    assert ast.dump(ast.parse(code)) == before


def test_python_mutants_are_put_in_place():
    """In the function that others have imported already, and in constants wherever they are."""
    from resarray.spec import layout
    from resarray.spec.layout import ceil_div

    everything = list(source.mutants_of("spec/layout.py"))
    mutant = next(m for m in everything if m.function == "ceil_div" and "//" in m.change)
    code = ceil_div.__code__
    assert ceil_div(7, 2) == 4
    try:
        source.apply(mutant)
        assert ceil_div(7, 2) != 4 and layout.ceil_div is ceil_div
    finally:
        ceil_div.__code__ = code
    assert ceil_div(7, 2) == 4


def test_drawn_from_all_files_and_functions():
    files = ["spec/layout.py", "spec/numerics.py", "spec/isa.py"]
    drawn = source.draw(files, 30, 1)
    assert len({m.name for m in drawn}) == 30 and {m.file for m in drawn} == set(files)
    assert len({(m.file, m.function) for m in drawn}) > 10
    assert drawn == source.draw(files, 30, 1) != source.draw(files, 30, 2)


def test_equivalents_are_of_lines_that_there_are(tmp_path, monkeypatch):
    equivalents.of_python([])
    entry = {"file": "spec/layout.py", "text": "nothing", "change": "1 -> 2", "reason": "none"}
    lines = ["[[python]]", *(f"{name} = {json.dumps(value)}" for name, value in entry.items())]
    path = tmp_path / "equivalent.toml"
    path.write_text("\n".join(lines))
    monkeypatch.setattr(equivalents, "PATH", path)
    with pytest.raises(ResarrayError, match="no mutant makes '1 -> 2' of the line 'nothing'"):
        equivalents.of_python([])
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(ResarrayError, match="has the fields file, text, change"):
        equivalents.read()
