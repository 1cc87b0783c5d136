"""Tools' output: how far they are, and what went wrong."""

import sys

import pytest

from resarray.fpga.process import LoaderMeter, Meter, NextpnrMeter, YosysMeter, run_tool
from resarray.fpga.tools import Tool
from resarray.spec.cache import build_folder
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("board", by="unit")

PYTHON = Tool((sys.executable,), "")
YOSYS = """\
1. Executing Verilog-2005 frontend: soc.v
3. Executing SYNTH_LATTICE pass.
3.4. Executing PROC pass (convert processes to netlists).
3.4.1. Executing PROC_CLEAN pass (remove empty switches from decision trees).
4. Executing OPT_CLEAN pass (remove unused cells and wires).
6. Executing SYNTH_LATTICE pass.
6.12. Executing ABC9 pass.
6.19. Executing AUTONAME pass.
8. Printing statistics.
"""
NEXTPNR = """\
Info: Packing carries...
Info: overlap: COMB=99.3%, FF=99.7%, RAM=62.5%, MUL=0.0%
Info: overlap: COMB=39.6%, FF=27.0%, RAM=0.0%, MUL=0.0%
Info:   at iteration #1: temp = 0.000000, timing cost = 1333, wirelen = 308941
Info:   at iteration #26: temp = 0.000000, timing cost = 913, wirelen = 294387\x20
Info: Routing 129297 arcs.
Info:            |   (re-)routed arcs  |   delta    | remaining|       time spent     |
Info:       1000 |      565        434 |  565   434 |    129009|       5.02       5.02|
Info:     175000 |    35209     133610 |  341   659 |     10357|       2.42     460.90|
Info:     196374 |    40117     147973 | 4908 14363 |         0|      40.11     501.01|
"""

ROUTER2 = """\
Info: overlap: COMB=99.3%, FF=99.7%, RAM=62.5%, MUL=0.0%
Info: iter=480 steplen=1.661055 a=242.369064 penalty=[5.66, 5.66, 5.66, 5.66]
Info: Running router2...
Info:     iter=1 wires=640155 overused=25319 overuse=45384 archfail=NA
Info:     iter=7 wires=680091 overused=2488 overuse=2505 archfail=NA
Info:     iter=43 wires=684782 overused=0 overuse=0 archfail=0
"""

# It writes its bar anew behind a carriage return.
LOADER = """\
Jtag frequency : requested 6.00MHz   -> real 6.00MHz
Open file DONE
Parse file DONE
Loading: [===                                               ] 5.00%\rLoading: \
[=========================                         ] 50.00%\rLoading: \
[==================================================] 100.00%
Done
"""


@pytest.mark.parametrize(
    ("meter", "output", "told", "last"),
    [
        (YosysMeter(), YOSYS, 3, "AUTONAME"),
        (NextpnrMeter(), NEXTPNR, 8, "routing, 0 conn"),
        (NextpnrMeter(), ROUTER2, 4, "routing, 0 wires used twice"),
        (LoaderMeter(), LOADER, 3, "loading"),
    ],
    ids=["yosys", "nextpnr", "router2", "loader"],
)
def test_fractions_grow_to_one(meter, output, told, last):
    fractions = [meter.fraction for line in output.splitlines() if meter.read(line)]
    assert len(fractions) == told
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.1 and fractions[-1] == 1
    assert meter.doing.startswith(last)


def test_a_meter_never_goes_back():
    meter = NextpnrMeter()
    assert meter.read("Info: overlap: COMB=20.0%, FF=1.0%, RAM=0.0%, MUL=0.0%")
    before = meter.fraction
    assert meter.read("Info: overlap: COMB=80.0%, FF=1.0%, RAM=0.0%, MUL=0.0%")
    assert meter.fraction == before == pytest.approx(0.2)


def test_output_is_kept_and_read(tmp_path):
    told = []
    script = f"import pathlib; print({YOSYS!r}); pathlib.Path('made').touch()"
    run_tool(
        PYTHON,
        ["-c", script],
        tmp_path,
        "log",
        "made",
        YosysMeter(),
        lambda *found: told.append(found),
    )
    assert (tmp_path / "made").exists()
    assert (tmp_path / "log").read_text() == YOSYS + "\n"
    assert told[0] == (4 / 53, "PROC pass (convert processes to netlists)")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print('ERROR: first'); print('ERROR: second'); exit(1)", "status 1: ERROR: first;"),
        ("print('some words'); exit(3)", "status 3: some words;"),
        ("exit(1)", "status 1: it said nothing;"),
        ("import os; os.kill(os.getpid(), 9)", "status -9: it said nothing;"),
        ("print('fine')", "ended well, but did not write 'made'"),
        (r"import sys; sys.stdout.buffer.write(b'\xff\n'); exit(1)", "status 1: \ufffd;"),
    ],
)
def test_failure_is_named(tmp_path, monkeypatch, script, message):
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path / "build"))
    with pytest.raises(ResarrayError) as caught:
        run_tool(PYTHON, ["-c", script], tmp_path, "log", "made", Meter())
    assert message in str(caught.value)
    (log,) = build_folder().joinpath("logs").iterdir()
    assert f"the whole output is in '{log}'" in str(caught.value)


def test_what_an_earlier_run_left_is_not_taken(tmp_path):
    (tmp_path / "made").touch()
    with pytest.raises(ResarrayError, match="did not write 'made'"):
        run_tool(PYTHON, ["-c", ""], tmp_path, "log", "made")


def test_a_tool_that_does_not_start(tmp_path):
    broken = tmp_path / "yosys"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(ResarrayError, match=r"cannot run '.*yosys' \(Exec format error\)"):
        run_tool(Tool((str(broken),), ""), [], tmp_path, "log", "made")
