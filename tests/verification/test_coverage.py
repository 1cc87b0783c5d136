"""What is counted, waived and shown as coverage; and floors of the tiny preset, on Verilator."""

import re
import subprocess
import sys
from collections import Counter

import pytest

from resarray.sim import build
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import Engine
from resarray.spec.presets import preset
from resarray.spec.registers import ErrorCause
from resarray.verification.coverage import (
    functional,
    measure,
    page,
    points,
    record,
    score,
    stimuli,
    verilog,
    waivers,
    wild,
)
from resarray.verification.coverage.counts import Counts
from resarray.verification.coverage.measure import Measured
from resarray.verification.coverage.stimuli import QUIET, convolutions, directed

pytestmark = pytest.mark.verifies("plan", by="program")

TINY = preset("tiny")
DESIGN = r"""
module resarray(clk, a, o);
  input clk;
  wire clk;
  input a;
  wire a;
  output [1:0] o;
  reg [1:0] o = 2'h0;
  wire other;
  wire [1:0] \named.part ;
  reg [1:0] \$1 ;
  wire sum;
  assign other = a;
  assign \named.part  = o[1:0];
  assign sum = a & o[0];
  always @(posedge clk)
    o <= \$1 ;
  always @* begin
    \$1  = o;
    (* lines = "x.py:10|x.py:12|" *)
    if (a) begin
      \$1  = 2'h1;
    end else if (sum) begin
      \$1  = 2'h2;
    end else begin
      (* lines = "x.py:14|x.py:16" *)
      casez (o)
        2'h1:
            \$1  = 2'h3;
        default:
            \$1  = 2'h0;
      endcase
    end
    (* lines = "x.py:3" *)
    if (rst) begin
      \$1  = 2'h0;
    end
  end
endmodule
"""


def test_a_net_is_counted_where_it_is_driven():
    _, found = points.annotate(DESIGN)
    assert {name for _, name in found.nets.values()} == {"clk", "a", "o", "sum"}


def test_branches_have_their_lines():
    text, found = points.annotate(DESIGN)
    lines = text.splitlines()
    branches = {(lines[at - 1].strip(), last): b.lines for (at, last), b in found.branches.items()}
    assert branches["if (a) begin", False] == ("x.py:10",)
    assert branches["end else if (sum) begin", False] == ("x.py:12",)
    assert branches["2'h1:", False] == ("x.py:14",)
    assert branches["default:", False] == ("x.py:16",)
    assert not any("x.py:3" in line for line in branches.values()), "a reset is no line of hw/"
    assert not any(b.lines == ("x.py:3",) for b in found.branches.values())


def test_only_marks_are_added():
    """What is covered is what is simulated elsewhere: the same Verilog, but for attributes."""

    def bare(text: str) -> list[str]:
        lines = text.partition("\nmodule overlaps")[0].splitlines()
        dropped = points.OFF, points.ON
        return [x for x in lines if x not in dropped and "src = " not in x and "lines = " not in x]

    text, found = points.annotate(verilog.source(TINY))
    assert bare(text) == bare(build.verilog(TINY))
    assert len(found.branches) > 1000 and len(found.overlaps) == 15


def test_lines_are_lines_of_hw():
    _, found = points.annotate(verilog.source(TINY))
    named = {line for branch in found.branches.values() for line in branch.lines}
    assert len(named) > 250
    for name in named:
        file, number = name.rsplit(":", 1)
        text = (verilog.HW / file).read_text().splitlines()[int(number) - 1]
        assert re.search(r"eq\(|m\.[dA-Z]|\+=|\[|for |next_is|restart|count", text), (name, text)


def count(records: list[tuple[int, str, str, int]], found: points.Points, folder) -> Counts:
    """Counts of a file that says (line, type, comment, count) of the top unit."""
    file = folder / "coverage.dat"
    fields = [
        f"\1f\2x.v\1l\2{line}\1t\2{kind}\1o\2{what}\1h\2harness.accelerator"
        for line, kind, what, _ in records
    ]
    rows = (f"C '{field}' {r[3]}" for field, r in zip(fields, records, strict=True))
    file.write_text("\n".join(rows) + "\n")
    counts = Counts()
    counts.add(file, found)
    return counts


def measured(folder) -> Measured:
    text, found = points.annotate(DESIGN)
    at = {line.strip(): number for number, line in enumerate(text.splitlines(), 1)}
    pair = next(line for line, pair in found.overlaps.items() if pair == (0, 5))
    records = [
        (at["if (a) begin"], "branch", "if", 3),
        (at["end else if (sum) begin"], "line", "if", 0),
        (at["wire sum;"], "toggle", "sum:0->1", 2),
        (at["reg [1:0] o = 2'h0;"], "toggle", "o[1]:1->0", 0),
        (pair, "branch", "if", 7),
        (pair, "branch", "else", 9),
    ]
    return Measured(TINY, found, text, count(records, found, folder))


def scored(folder, monkeypatch, known: list[waivers.Waiver]) -> score.Score:
    monkeypatch.setattr(score.constants, "constants", lambda text: {})
    return score.score(measured(folder), known)


def test_what_is_missed_is_named(tmp_path, monkeypatch):
    found = scored(tmp_path, monkeypatch, [])
    assert (found.branches.reached, found.branches.missed) == (1, 1)
    assert found.lines["x.py:12"].missed == 1
    assert found.missing == {"resarray": Counter({"o[1]": 1})}
    assert found.bins["engines at once"]["LOAD and STORE"] == (7, False)
    assert not record.reached(found)


def test_a_waiver_excuses_what_it_names(tmp_path, monkeypatch):
    known = [
        waivers.Waiver("line", ("x.py:12",), "why"),
        waivers.Waiver("toggle", ("resarray.o",), "why", limit=("below", "2")),
        waivers.Waiver("toggle", ("resarray.sum",), "why"),
    ]
    found = scored(tmp_path, monkeypatch, known)
    assert (found.branches.waived, found.toggles.waived) == (1, 1)
    assert [(w.waived, w.reached) for w in known] == [(1, 0), (1, 0), (0, 1)]
    waivers.require_used(known, ["tiny"])
    with pytest.raises(ResarrayError, match="matches nothing"):
        waivers.require_used([waivers.Waiver("line", ("y.py:1",), "why")], ["tiny"])
    page.write(tmp_path / "page.html", [found], known)
    assert "why" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("limit", "bits"),
    [
        (("below", "burst_words"), range(3, 9)),
        (("at_most", "burst_words"), range(4, 9)),
        (("at_most", "burst_words*max_reads"), range(6, 9)),
        (("multiple_of", "rows"), range(2)),
    ],
)
def test_limits_of_waivers(limit, bits):
    waiver = waivers.Waiver("toggle", ("*",), "why", limit=limit)
    assert [bit for bit in range(9) if waiver.matches(TINY, "x", bit)] == list(bits)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[net]]\nsignals = ['x']\nreason = 'y'", "none of toggle, line, bin"),
        ("[[toggle]]\nsignals = ['x']", "a reason"),
        ("[[toggle]]\nsignals = ['x']\nreason = 'y'\nbit = 3", "no key 'bit'"),
        ("[[toggle]]\nsignals = ['x']\nreason = 'y'\nbelow = 'width'", "'width' is no number"),
        ("[[toggle]]\nsignals = ['x']\nreason = 'y'\nbelow = 1\nbits = [1, 2]", "give one of"),
        ("[[toggle", "cannot read"),
    ],
)
def test_a_wrong_waiver_is_refused(text, message, tmp_path):
    (tmp_path / "waivers.toml").write_text(text)
    with pytest.raises(ResarrayError, match=message):
        waivers.read(tmp_path / "waivers.toml")


def test_the_projects_waivers_are_right():
    assert waivers.read()


def test_bins_of_a_network():
    graph = convolutions(((2, 2),)).graph
    image = next(s.job.image for s in directed(TINY))
    found = functional.of_program(image, graph, QUIET)
    assert found["conv 3x3, stride 2, padding even, quiet"] == 1
    assert not found["conv 3x3, stride 1, padding even, quiet"]
    assert found["one image"] and not found["several images"]
    names = {name for group in functional.bins(TINY).values() for name in group}
    assert set(found) <= names
    errors = functional.of_errors(Counter({(ErrorCause.OUTSIDE_WINDOW, Engine.STORE): 2}))
    assert errors == {"outside window, STORE": 2} and set(errors) <= names


def test_programs_are_looked_for_that_reach_what_is_missing():
    name = "table, pool max, one pixel"
    found = list(stimuli.missing(TINY, 0, {name}))
    assert len(found) == 1
    assert functional.of_program(found[0].job.image, None, QUIET)[name]
    assert not list(stimuli.missing(TINY, 0, set()))


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--preset", "huge"], "unknown preset 'huge'"), (["--steps", "1"], "'--steps'")],
)
def test_a_bad_option_is_one_sentence(options, message):
    command = [sys.executable, "-m", "resarray.verification.coverage", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


# What a quick part of `make coverage` reached when this was written, less a little.
FLOORS = {"lines": 0.99, "toggles": 0.92}


@pytest.mark.long
def test_floors_of_tiny():
    """On the same simulation as `make coverage`, which is built once."""
    measured = measure.begin(TINY)
    wild.run(measured, 0, 60)
    measure.run(measured, stimuli.random(TINY, 0, 8))
    assert not measured.failures, measured.failures
    found = score.score(measured, waivers.read())
    shares = {"lines": found.branches, "toggles": found.toggles}
    reached = {kind: share.reached / share.of for kind, share in shares.items()}
    print(reached, found.missing)
    for kind, floor in FLOORS.items():
        assert reached[kind] >= floor, (kind, reached[kind], found.missing)
