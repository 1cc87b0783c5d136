"""Building beside the preparation: what is told, what is raised, and its end."""

import threading
import time

import pytest

from resarray.sim import ahead, build, cache, children
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("simulation", by="unit")

CONFIG = preset("tiny")


@pytest.fixture
def steps(monkeypatch):
    """The builder's steps in place of the real ones; each waits for its event."""
    converted, compiled = threading.Event(), threading.Event()

    def verilog(config, note):
        note("converting")
        converted.wait(10)
        return "design"

    def compile_design(simulator, design, rows, words, note, waves, told):
        note("building")
        compiled.wait(10)
        told(1, 2)
        told(2, 2)

    monkeypatch.setattr(build, "verilog", verilog)
    monkeypatch.setattr(build, "build", compile_design)
    return converted, compiled


def test_who_waits_is_told_the_step_and_what_follows(steps):
    converted, compiled = steps
    told = []

    def note(text):
        told.append(text)
        {"converting": converted, "building": compiled}[text].set()

    with ahead.started(None, CONFIG, False) as building:
        while not building._step:
            time.sleep(0.01)
        building.wait(note, lambda files, of: told.append((files, of)))
    assert told == ["converting", "building", (1, 2), (2, 2)]


def test_who_comes_late_is_told_nothing(steps):
    for event in steps:
        event.set()
    told = []
    with ahead.started(None, CONFIG, False) as building:
        building._done.result()
        building.wait(told.append, lambda files, of: told.append(files))
    assert not told


def test_what_fails_is_raised_where_it_is_waited_for(monkeypatch):
    def refuse(config, note):
        raise ResarrayError("no")

    monkeypatch.setattr(build, "verilog", refuse)
    reached = False
    with pytest.raises(ResarrayError, match=r"^no$"), ahead.started(None, CONFIG, False) as made:
        reached = True
        made.wait(print, print)
    assert reached


def test_a_block_that_fails_waits_for_no_other_process(monkeypatch, tmp_path):
    """Which has the lock of what is to be built."""
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path))
    monkeypatch.setattr(ahead, "GIVE_UP_SECONDS", 0.2)
    waiting = threading.Event()

    def verilog(config, note):
        with cache.locked(tmp_path / "rtl" / "taken"):
            begun.set()
        waiting.set()

    monkeypatch.setattr(build, "verilog", verilog)
    begun = threading.Event()
    with cache.locked(tmp_path / "rtl" / "taken"):
        started = time.monotonic()
        with pytest.raises(ResarrayError), ahead.started(None, CONFIG, False):
            raise ResarrayError("no")
        assert time.monotonic() - started < 10
        assert not begun.is_set()
    assert waiting.wait(10)


def test_a_block_that_fails_ends_the_building(monkeypatch):
    """Also where it is between two commands then."""
    begun, failed = threading.Event(), threading.Event()

    def verilog(config, note):
        begun.set()
        failed.wait(10)
        time.sleep(0.3)
        children.run(["sleep", "1000"])

    monkeypatch.setattr(build, "verilog", verilog)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), ahead.started(None, CONFIG, False) as building:
        begun.wait(10)
        failed.set()
        raise KeyboardInterrupt
    assert time.monotonic() - started < 60
    assert building._done.done()
