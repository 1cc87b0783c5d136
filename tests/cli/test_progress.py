"""What is shown while something takes long, on a terminal and elsewhere."""

import io
import itertools

import pytest
from rich.console import Console

from resarray.cli import progress
from resarray.cli.progress import DETAIL_SECONDS, Reporter

pytestmark = pytest.mark.verifies("command", by="text")


@pytest.fixture
def clock(monkeypatch):
    """Time in which each look at the clock takes 8 seconds."""
    seconds = itertools.count(0, 8)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))


def shown(terminal: bool) -> str:
    out = io.StringIO()
    reporter = Reporter(Console(file=out, force_terminal=terminal, width=100, legacy_windows=False))
    for part in range(11):
        reporter.fraction(part / 10, f"routing: {10 - part} connections left")
    reporter.fraction(None, "packing")
    reporter.close()
    return out.getvalue()


def test_plain_lines_now_and_then(clock):
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "routing ..." and "packing ..." in lines
    details = [line for line in lines if "connections left" in line]
    assert details[0] == "  24 s, 20%: 8 connections left"
    assert len(details) <= 11 * 8 / DETAIL_SECONDS
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("total, line", [(4000.0, ", 25%: 1,000 cycles"), (None, ": 1,000 cycles")])
def test_units_in_plain_lines(clock, total, line):
    out = io.StringIO()
    reporter = Reporter(Console(file=out, force_terminal=False, width=100))
    report = reporter.measured("simulating", total, "cycles")
    for done in range(0, 5000, 1000):
        report(done)
    reporter.close()
    first = next(each for each in out.getvalue().splitlines() if "cycles" in each)
    assert first.startswith("  ") and first.endswith(f" s{line}")


def test_a_bar_on_a_terminal():
    text = shown(terminal=True)
    assert "routing: 0 connections left" in text and "packing" in text
    assert "━" in text
