"""The process of the command: that it ends, and how."""

import subprocess
import sys

import pytest

from resarray.cli import entry

pytestmark = pytest.mark.verifies("command", by="text")

THREAD = """
import threading, time
threading.Thread(target=lambda: time.sleep(600)).start()
def build():
    return None
"""


def test_a_thread_of_the_model_file_does_not_keep_it(tmp_path):
    (tmp_path / "net.py").write_text(THREAD)
    command = [sys.executable, "-c", "from resarray.cli.entry import main; main()"]
    options = ["accuracy", "--model", "net.py:build"]
    result = subprocess.run(
        command + options, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 2
    assert "build() of 'net.py' returned NoneType" in result.stderr


def test_interrupted_while_importing(monkeypatch, capsys):
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_run", interrupted)
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 130
    assert capsys.readouterr() == ("", "error: interrupted\n")
