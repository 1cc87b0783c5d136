"""Runs the examples, each in a process of its own, and prints their times: ``make examples``."""

import subprocess
import sys
import time
from pathlib import Path

LIMIT = 180  # seconds that an example should take at most on two cores
FOLDER = Path(__file__).parent


def main() -> int:
    """Status 1 where one has failed."""
    times, failed = [], []
    for path in sorted(FOLDER.glob("[0-9]*.py")):
        print(f"== {path.name}", flush=True)
        started = time.monotonic()
        if subprocess.run([sys.executable, path], cwd=FOLDER.parent, check=False).returncode:
            failed.append(path.name)
        times.append((path.name, time.monotonic() - started))
    print()
    for name, seconds in times:
        verdict = "failed" if name in failed else "too slow" if seconds > LIMIT else ""
        print(f"{name:22} {seconds:6.1f} s  {verdict}".rstrip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
