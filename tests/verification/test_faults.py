"""Faults: a few of every kind survive; the judge sees what would not be survived."""

import dataclasses
import os

import pytest

from resarray.spec.isa import LAYOUTS
from resarray.spec.presets import preset
from resarray.spec.registers import STATUS_DONE, ErrorCause
from resarray.verification.faults import __main__ as command
from resarray.verification.faults import cases, program, table
from resarray.verification.faults.campaign import Simulation, judge, run_cases
from resarray.verification.faults.cases import MEM_BASE, Case
from resarray.verification.faults.host import OTHER, Kind, damage_files

pytestmark = pytest.mark.verifies(
    "errors", "start", "registers", "memory-port", "instructions", "host", by="fault"
)
SEED = int(os.environ.get("RESARRAY_SEED", "17"))


def test_a_few_of_every_kind():
    rows, problems = table.quick(preset("tiny"), SEED, print)
    assert problems == [], f"seed {SEED}"
    assert all(row.survived == row.timings > 0 for row in rows)
    assert len(rows) >= len(cases.KINDS) + 4
    assert "bit of an instruction turned around" in table.text(rows)


def test_a_drain_of_more_pixels_than_its_map_is_done_once():
    """It reads on when its pool stage has ended: no next one may begin, nor the program end."""
    simulation = Simulation(preset("tiny"), print, small=False)
    prog = program.block(simulation.config)
    draw = simulation.measure(prog, SEED, 1)
    fields = LAYOUTS[cases.Engine.DRAIN]
    first = sum(f.width for f in fields[: [f.name for f in fields].index("px_count")])
    drains = [n for n, i in enumerate(prog.instructions) if i.engine == cases.Engine.DRAIN]
    flipped = [
        Case(
            "flip",
            f"bit {bit} of instruction {n}",
            {"flips": [draw.bit(n, bit)], "patience": 1000},
            cases.ANY,
        )
        for n in drains
        for bit in range(first, first + 10)
    ]
    tallies = run_cases(simulation, draw, flipped)
    simulation.forget()
    assert tallies["flip"].timings == 10 * len(drains) and not tallies["flip"].problems


def test_a_load_that_moves_nothing_for_long_leaves_no_burst():
    """513 blocks of one word from the scratchpad: 2,400 cycles in which no counter moves. The burst
    of what comes next was taken for one without an answer."""
    simulation = Simulation(preset("tiny"), print, small=False)
    prog = program.block(simulation.config)
    draw = simulation.measure(prog, SEED, 1)
    number, fields = next(
        (n, i.fields)
        for n, i in enumerate(prog.instructions)
        if i.engine == cases.Engine.LOAD and i.fields["kept"] and i.fields["run_len"] == 1
    )
    flips = draw.edit(number, n_blocks=512 + fields["n_blocks"])
    found = [
        Case("flip", f"patience {patience}", {"flips": flips, "patience": patience}, cases.ANY)
        for patience in range(500, 2500, 25)
    ]
    outcomes = simulation.run(prog, found)
    simulation.forget()
    assert not any(judge(case, outcome) for case, outcome in zip(found, outcomes, strict=True))
    assert outcomes[-1]["status"] == STATUS_DONE


GOOD: dict = {
    "status": 4,
    "irq": 1,
    "registers": {
        "ERROR_CAUSE": 3,
        "ERROR_ENGINE": 1,
        "ERROR_ADDR": 0x40,
        "FETCHED": 1,
        "PROG_COUNT": 2,
    },
    "reads": 0,
    "writes": 0,
    "violations": 0,
    "bad_burst": MEM_BASE + 0x40,
    "outside": 0,
    "exact": False,
    "ignored": True,
    "next": True,
}
ERROR = Case("x", "x", {}, cases.ERROR, ErrorCause.READ_RESPONSE, None)
NONE = GOOD["registers"] | {"ERROR_CAUSE": 0}
HUNG = GOOD | {"status": 1, "irq": 0, "states": [0, 0, 0, 3, 0, 0], "registers": NONE}
DONE = GOOD | {"status": 2, "exact": True, "registers": NONE | {"FETCHED": 2}}
AFTER_RESET = GOOD | {"status": 0, "irq": 0, "registers": NONE}
RESET = Case("x", "x", {}, cases.RESET)
FLIP = Case("x", "x", {}, cases.ANY)
HANG = Case("x", "x", {}, cases.HANG, waits=cases.Engine.COMPUTE)
EXACT = Case("x", "x", {}, cases.EXACT)
OUTSIDE = dataclasses.replace(
    ERROR, cause=ErrorCause.OUTSIDE_WINDOW, places=frozenset({(1, 0x40), (2, 0)})
)


@pytest.mark.parametrize(
    ("case", "found", "problem"),
    [
        (ERROR, GOOD, ""),
        (HANG, HUNG, ""),
        (EXACT, DONE, ""),
        (RESET, AFTER_RESET, ""),
        (FLIP, GOOD, ""),
        (FLIP, HUNG, ""),
        (FLIP, DONE | {"exact": False}, ""),
        (ERROR, {"error": "it does not answer"}, "it does not answer"),
        (ERROR, GOOD | {"outside": 2}, "2 words outside the write window changed"),
        (ERROR, GOOD | {"violations": 1 << 12}, "a write burst outside the window"),
        (ERROR, GOOD | {"next": False}, "the next run was not bit-exact"),
        (ERROR, GOOD | {"status": 2}, "STATUS is 0x2, not 0x4"),
        (ERROR, GOOD | {"irq": 0}, "the interrupt is 0"),
        (ERROR, GOOD | {"reads": 1}, "still in flight"),
        (ERROR, GOOD | {"bad_burst": MEM_BASE}, "engine 1 at 0x40 is reported"),
        (OUTSIDE, GOOD, "ERROR_CAUSE is 3, not 2"),
        (HANG, GOOD, "where the host's time-out was expected"),
        (HANG, HUNG | {"states": [3, 0, 0, 1, 0, 0]}, "STATE_COMPUTE does not say"),
        (HANG, HUNG | {"ignored": False}, "a start was not ignored"),
        (HANG, HUNG | {"status_after_reset": 1}, "STATUS is 0x1 after the reset"),
        (HANG, HUNG | {"writes": 1}, "1 writes are still in flight"),
        (EXACT, DONE | {"exact": False}, "it ended well with wrong data"),
        (RESET, AFTER_RESET | {"irq": 1}, "the interrupt is 1 with STATUS 0x0"),
        (EXACT, DONE | {"registers": GOOD["registers"]}, "ERROR_CAUSE is 3 with STATUS 0x2"),
        (EXACT, DONE | {"registers": NONE}, "done with 1 of 2 instructions"),
        (HANG, HUNG | {"registers": GOOD["registers"]}, "ERROR_CAUSE is 3 with STATUS 0x1"),
        (FLIP, GOOD | {"status": 6}, "STATUS is 0x6, which says nothing"),
        (FLIP, GOOD | {"status": 0}, "STATUS is 0x0, which says nothing"),
        (FLIP, GOOD | {"registers": GOOD["registers"] | {"ERROR_ENGINE": 9}}, "ERROR_ENGINE is 9"),
    ],
)
def test_the_judge(case, found, problem):
    said = judge(case, found)
    assert problem in said and bool(said) == bool(problem)


def test_bursts_are_those_of_the_isa():
    """One block of two runs, 5 words from word 6 on and 5 from word 16 on, in bursts of 8 words."""
    prog = program.convolution(preset("tiny"))
    load = next(i for i in prog.instructions if i.engine == cases.Engine.LOAD)
    fields = {"addr": 6, "n_blocks": 1, "n_runs": 2, "run_stride": 10, "run_len": 5, "kept": 0}
    edited = dataclasses.replace(load, fields=load.fields | fields)
    found = [(b.start // 4, b.stop // 4) for b in program.bursts(prog, edited)]
    assert found == [(6, 8), (8, 11), (16, 21)]


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        (lambda path: path.read_bytes(), OTHER),  # takes whatever is there for right
        (lambda path: path.read_bytes().index(b"whole"), "ValueError"),
    ],
)
def test_what_the_host_takes_for_right_is_seen(read, problem):
    tally = damage_files(Kind("text", ".txt", b"a whole text", read), 50, SEED)
    assert tally.timings == 50 and tally.problems
    assert all(problem in said for said in tally.problems)


@pytest.mark.parametrize(
    "arguments", [["--preset", "no"], ["--jobs", "0"], ["--more"], ["--scheduler", "tcp://x:1"]]
)
def test_a_bad_option(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["faults", *arguments])
    assert command.main() == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
