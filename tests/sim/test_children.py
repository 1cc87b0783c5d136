"""Processes that end with the one that started them, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resarray.sim import children
from resarray.spec.errors import Stop

pytestmark = pytest.mark.verifies("simulation", by="unit")

# A process with a child and a grandchild, all of which ignore SIGHUP; the last one says its number.
FAMILY = ["sh", "-c", "trap '' HUP; (sh -c 'echo $$ > number; exec sleep 1000'; true) & wait; true"]
PARENT = f"""
import signal
from resarray.sim import children
from resarray.spec.errors import Stop
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run under nohup
with children.start({FAMILY!r}) as process:
    process.wait()
"""


def alive(number: int) -> bool:
    """Whether a process runs; one that is only not waited for does not."""
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def until(what, seconds: float = 10.0) -> bool:
    """Whether ``what()`` becomes true in time."""
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(found)


@pytest.fixture
def number(tmp_path, monkeypatch):
    """What tells the number of the last one of the family, once it runs."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "number"

    def read() -> int:
        assert until(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())

    return read


def test_a_block_ends_with_its_family(number):
    with pytest.raises(KeyboardInterrupt), children.start(FAMILY) as process:
        last = number()
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGTERM
    assert until(lambda: not alive(last))


def test_what_does_not_heed_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "GRACE_SECONDS", 0.1)
    command = ["sh", "-c", "trap '' TERM; touch ready; while true; do sleep 0.1; done"]
    with children.start(command, cwd=tmp_path) as process:
        assert until((tmp_path / "ready").exists)
    assert process.returncode == -signal.SIGKILL


def test_what_is_left_behind_ends_too(tmp_path):
    result = children.run(
        ["sh", "-c", "sleep 1000 >&- & echo $!"], stdout=subprocess.PIPE, text=True
    )
    assert result.returncode == 0
    assert until(lambda: not alive(int(result.stdout)))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_the_family_ends_with_a_parent_that_is_ended(number, name):
    with subprocess.Popen([sys.executable, "-c", PARENT], stderr=subprocess.DEVNULL) as parent:
        last = number()
        parent.send_signal(signal.Signals[name])
    assert until(lambda: not alive(last))


def test_giving_up_ends_what_threads_wait_for():
    with pytest.raises(Stop), children.start(["sleep", "1000"]) as process:
        children.end_all()
        assert process.wait(10) == -signal.SIGTERM
    assert children.run(["true"]).returncode == 0


def test_a_command_that_does_not_start(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError), children.start([str(tmp_path / "none")]):
        pass
    assert len(os.listdir("/proc/self/fd")) == before
