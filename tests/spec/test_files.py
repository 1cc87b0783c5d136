"""Files are written whole, and together, or not at all."""

import os
from pathlib import Path

import pytest

from resarray.spec import files
from resarray.spec.errors import ResarrayError
from resarray.spec.files import require_writable, same_file, write_together

pytestmark = pytest.mark.verifies("contract", by="unit")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("old").write_bytes(b"before")
    return tmp_path


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_together(folder):
    write_together({Path("old"): b"1", Path("new"): b"2", Path("/dev/null"): b"3"})
    assert contents() == {"old": b"1", "new": b"2"}


@pytest.mark.parametrize("failing", range(1, 6))
@pytest.mark.parametrize("order", [("old", "new", "older"), ("new", "older", "old")])
def test_whatever_fails_nothing_changes(folder, monkeypatch, order, failing):
    """Each ``os.replace`` in turn: of what was there, and of what comes."""
    Path("older").write_bytes(b"long before")
    before, calls, real = contents(), [], os.replace

    def replace(source, target):
        calls.append(target)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    with pytest.raises(ResarrayError, match=r"cannot write '.*': No space left on device"):
        write_together({Path(name): b"after" for name in order})
    assert contents() == before


def test_a_full_device_stops_the_others(folder):
    with pytest.raises(ResarrayError, match="cannot write '/dev/full'"):
        write_together({Path("old"): b"1", Path("new"): b"2", Path("/dev/full"): b"3"})
    assert contents() == {"old": b"before"}


def test_a_folder_in_the_way(folder):
    Path("taken").mkdir()
    with pytest.raises(ResarrayError, match="cannot write 'taken'"):
        write_together({Path("old"): b"1", Path("taken"): b"2"})
    assert contents() == {"old": b"before"}


def test_missing_folders(folder):
    with pytest.raises(ResarrayError, match="there is no folder 'no/where'; make it first"):
        require_writable(Path("no/where/x.json"))
    with pytest.raises(ResarrayError, match="there is no folder 'no'"):
        require_writable(Path("no/where/x.json"), make_folder=True)
    require_writable(Path("where/x.json"), make_folder=True)
    require_writable(Path("build/no/where/x.json"))
    assert contents() == {"old": b"before"}


def test_same_file(folder):
    Path("soft").symlink_to("old")
    Path("hard").hardlink_to("old")
    Path("to_new").symlink_to("new")
    Path("sub").mkdir()
    for name in ("old", "soft", "hard", folder / "old", "sub/../old", "./old"):
        assert same_file(Path("old"), Path(name)), name
    for name in ("new", "to_new", folder / "new", "NEW", "sub/../New"):
        assert same_file(Path("new"), Path(name)), name
    Path("other").write_bytes(b"before")
    for name in ("new", "other", "sub"):
        assert not same_file(Path("old"), Path(name)), name


def test_what_leads_to_a_pipe(folder):
    """As /dev/stdout and a shell's process substitution do."""
    reading, writing = os.pipe()
    path = Path(f"/dev/fd/{writing}")
    require_writable(path)
    write_together({path: b"bytes", Path("new"): b"2"})
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert file.read() == b"bytes"
    assert contents() == {"old": b"before", "new": b"2"}
