"""What is built is kept, found whole or made anew, and does not grow without bound."""

import itertools
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resarray.sim import build, cache, convert, simulators
from resarray.spec.cache import build_folder, build_limit, cache_folder
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

from . import stub
from .test_children import until

pytestmark = pytest.mark.verifies("simulation", by="unit")

TINY = preset("tiny")
KB = 1024
SHARED = build_folder()  # of all tests


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A build folder of its own."""
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


def make(name: str, text: str = "whole", note=lambda text: None) -> Path:
    """A folder of the cache with one file."""
    folder = build_folder() / "sim" / name

    def write(folder: Path) -> None:
        (folder / "spare").write_text("not kept")
        (folder / "file").write_text(text)

    return cache.made(folder, ["file"], write, note)


def forget(folder: Path, used: float) -> None:
    """As if another process, which has ended, had used ``folder`` at time ``used``."""
    os.close(cache._used.pop(folder / "complete"))
    os.utime(folder / "complete", (used, used))


def test_the_place_of_the_cache(monkeypatch, tmp_path):
    for name in ("RESARRAY_BUILD", "RESARRAY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/resarray")
    assert build_folder() == Path("/home/somebody/.cache/resarray/build")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path("/home/somebody/.cache/resarray")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/resarray")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESARRAY_CACHE", "mine")
    assert build_folder() == tmp_path / "mine" / "build"
    monkeypatch.setenv("RESARRAY_BUILD", "/elsewhere")
    assert cache_folder() == tmp_path / "mine"
    assert build_folder() == Path("/elsewhere")


def test_a_user_without_a_home(monkeypatch):
    for name in ("RESARRAY_BUILD", "RESARRAY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    with pytest.raises(ResarrayError, match="no home folder to keep builds in: set RESARRAY_CACHE"):
        build_folder()


@pytest.mark.parametrize(("text", "size"), [("", 2 << 30), ("0.5", 1 << 29), ("0", 0)])
def test_the_bound(monkeypatch, text, size):
    monkeypatch.setenv("RESARRAY_BUILD_GIB", text)
    assert build_limit() == size


@pytest.mark.parametrize("text", ["2G", "-1", "nan", "inf", "1e999"])
def test_what_is_no_bound_is_refused_before_anything_is_made(monkeypatch, own, text):
    monkeypatch.setenv("RESARRAY_BUILD_GIB", text)
    with pytest.raises(ResarrayError, match=f"RESARRAY_BUILD_GIB={text} is no size: give GiB"):
        make("a")
    assert not list((own / "sim").iterdir())


def test_made_once_without_anything_beside_it():
    notes = []
    folder = make("a", note=notes.append)
    assert make("a", "other", notes.append) == folder
    assert (folder / "file").read_text() == "whole"
    assert sorted(path.name for path in folder.iterdir()) == ["complete", "file"]
    assert [path.name for path in folder.parent.iterdir()] == ["a"]
    assert not notes


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "file").write_text("whol"),
        lambda folder: (folder / "file").write_text("Whole"),
        lambda folder: (folder / "file").unlink(),
        lambda folder: (folder / "file").chmod(0o755),
        lambda folder: ((folder / "file").unlink(), (folder / "file").mkdir()),
        lambda folder: (folder / "complete").write_text(""),
        lambda folder: (folder / "complete").write_text("[1]"),
        lambda folder: (folder / "complete").write_text('{"other": "x"}'),
        lambda folder: (folder / "complete").write_bytes(b"\xff"),
    ],
    ids=["cut", "edited", "missing", "mode", "folder", "empty", "list", "other", "bytes"],
)
def test_damage_is_noticed_told_once_and_mended(damage):
    damage(make("a"))
    notes = []
    folder = make("a", note=notes.append)
    assert notes == [f"what was kept in '{folder}' is damaged, so it is made anew"]
    make("a", note=notes.append)
    assert len(notes) == 1
    assert (folder / "file").read_text() == "whole"


def test_a_file_in_place_of_the_folder(own):
    (own / "sim").mkdir(parents=True)
    (own / "sim" / "a").write_text("")
    assert (make("a") / "file").read_text() == "whole"


def test_damaged_verilog_is_converted_again(own, monkeypatch):
    monkeypatch.setattr(convert, "convert", lambda *_: "module resarray; endmodule")
    expected = build.verilog(TINY)
    (path,) = own.glob("rtl/*/resarray.v")
    path.write_text(expected.replace("module", "module "))
    notes = []
    assert build.verilog(TINY, notes.append) == expected
    assert "is damaged" in notes[0] and "converting" in notes[1]
    assert build.verilog(TINY, notes.append) == expected
    assert len(notes) == 2


@pytest.mark.long
def test_a_damaged_build_is_built_again(own, monkeypatch):
    """Also where what all builds share is damaged."""
    what = simulators.find("verilator"), stub.design(TINY), TINY.rows, 1
    with monkeypatch.context() as shared:
        shared.setenv("RESARRAY_BUILD", str(SHARED))
        made = build.build(*what).binary
    (own / "sim").mkdir(parents=True)
    for folder in (made.parent, *(SHARED / "sim").glob("runtime-*")):
        shutil.copytree(folder, own / "sim" / folder.name)
    binary = own / "sim" / made.parent.name / made.name
    assert build.build(*what, pytest.fail).binary == binary
    os.truncate(binary, made.stat().st_size // 2)
    for path in own.glob("sim/runtime-*/verilated.o"):
        path.write_bytes(b"")
    notes = []
    assert build.build(*what, notes.append).binary == binary
    assert binary.stat().st_size == made.stat().st_size
    assert "is damaged" in notes[0] and "building the verilator simulation" in notes[1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ResarrayError, OSError])
def test_nothing_is_left_of_what_was_not_finished(own, error):
    def fail(folder: Path) -> None:
        (folder / "file").write_text("")
        raise error

    with pytest.raises(error):
        cache.made(own / "sim" / "a", ["file"], fail)
    assert not list((own / "sim").iterdir())


@pytest.mark.parametrize("place", ["/proc/none", "file/build"])
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESARRAY_BUILD", str(tmp_path / place))
    sentence = r"cannot write '.*': .*; set RESARRAY_BUILD to a folder that can be written"
    with pytest.raises(ResarrayError, match=sentence):
        make("a")
    with pytest.raises(ResarrayError, match=sentence), cache.scratch():
        pass


def test_the_disk_is_full(own):
    def fill(folder: Path) -> None:
        Path("/dev/full").write_text("more")

    with pytest.raises(ResarrayError, match="No space left on device; set RESARRAY_BUILD"):
        cache.made(own / "sim" / "a", ["file"], fill)
    assert not list((own / "sim").iterdir())


def test_the_least_recently_used_goes_first(monkeypatch):
    monkeypatch.setenv("RESARRAY_BUILD_GIB", str(12 * KB / 2**30))
    first, second = make("first", "1" * 5 * KB), make("second", "2" * 5 * KB)
    forget(first, 200)
    forget(second, 100)
    third = make("third", "3" * 5 * KB)
    assert first.exists() and not second.exists() and third.exists()


def test_what_is_used_or_made_stays(own):
    """By this process and by another."""
    kept = make("kept")
    other = make("other")
    forget(other, 0)
    script = f"""
from pathlib import Path
from resarray.sim import cache
cache.use(Path({str(other)!r}))
with cache.locked(Path({str(own / "sim" / "half")!r})):
    Path({str(own / "sim" / "half")!r}).mkdir()
    input()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
        assert until((own / "sim" / "half").exists)
        cache.clear()
        assert kept.exists() and other.exists() and (own / "sim" / "half").exists()
        process.communicate(b"\n")
    cache.clear()
    assert kept.exists() and not other.exists() and not (own / "sim" / "half").exists()


def test_what_a_killed_run_left_goes_with_the_next(own):
    left = own / "run" / "20200101-000000-1-0"
    left.mkdir(parents=True)
    (left / "job0.mem").write_text("big")
    with cache.scratch() as one, cache.scratch() as two:
        assert sorted(path for path in (own / "run").iterdir() if path.is_dir()) == [one, two]
    assert not list((own / "run").iterdir())


def test_old_logs_go(own, tmp_path, monkeypatch):
    """The newest stay, also where the counts in their names get a digit more within a second."""
    monkeypatch.setattr(cache, "_counter", itertools.count(100 - cache.KEPT_LOGS // 2))
    for count in range(cache.KEPT_LOGS + 3):
        log = tmp_path / "sim.log"
        log.write_text(str(count))
        kept = cache.keep_log(log)
    assert kept.read_text() == str(count)
    texts = {int(log.read_text()) for log in (own / "logs").iterdir()}
    assert texts == set(range(3, cache.KEPT_LOGS + 3))


def test_waiting_for_another_process_is_told(own):
    notes = []
    with ThreadPoolExecutor() as pool:
        with cache.locked(own / "sim" / "a"):
            waiting = pool.submit(make, "a", "whole", notes.append)
            assert until(lambda: notes)
            assert not waiting.done()
        assert waiting.result().exists()
    assert notes == ["waiting for another command that makes the same"]


def test_one_lock_for_many_processes(own):
    """The lock's file comes and goes; only one at a time has it."""
    script = """
import os, sys
from pathlib import Path
from resarray.sim import cache
folder = Path(sys.argv[1])
for _ in range(200):
    with cache.locked(folder):
        os.mkdir(folder)
        os.rmdir(folder)
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(own / "sim" / "a")]) for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert not list((own / "sim").iterdir())
