"""Pytest plugin: what each test verifies, from its mark, and how it went.

::

    pytestmark = pytest.mark.verifies("requantiser", by="unit")

A run of the whole suite writes ``build/verification/tests.json`` for ``make verification``.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from .features import KINDS, ROOT, features

MARK = "verifies"
RESULT = ROOT / "build" / "verification" / "tests.json"
WHOLE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
# pytest's options by which not all tests run.
CHOICES = (
    *("keyword", "markexpr", "collectonly", "ignore", "ignore_glob", "deselect"),
    *("maxfail", "lf", "stepwise"),
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(*features, by): what a test verifies, and how")
    if not hasattr(config, "workerinput"):  # of pytest-xdist: the controller hears of every test
        config.pluginmanager.register(Recorder(config), "verification-recorder")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.user_properties += [(MARK, pair) for pair in verified(item)]


def verified(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """(feature, kind) of a test; pytest's usage error for names that the plan does not have."""
    for mark in item.iter_markers(MARK):
        kind = mark.kwargs.get("by")
        for name in mark.args:
            if name not in features() or kind not in KINDS:
                raise pytest.UsageError(
                    f"{item.nodeid}: no feature '{name}' in features.toml, or no kind '{kind}' "
                    f"among {', '.join(KINDS)}"
                )
            yield name, kind


class Recorder:
    """Counts outcomes by feature, kind and file."""

    def __init__(self, config: pytest.Config):
        self._config = config
        self._counts: dict[tuple[str, str, str], dict[str, int]] = defaultdict(
            lambda: {"passed": 0, "failed": 0, "skipped": 0}
        )
        self._seen: set[tuple[str, str]] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        decisive = report.when == "call" or report.outcome != "passed"
        if not decisive or (report.nodeid, report.outcome) in self._seen:
            return
        self._seen.add((report.nodeid, report.outcome))
        path = report.nodeid.partition("::")[0]
        for name, pair in report.user_properties:
            if name == MARK:
                feature, kind = map(str, tuple(pair))  # type: ignore[arg-type]
                self._counts[feature, kind, path][report.outcome] += 1

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Of a part of the tests, or of a run that was ended, nothing is written."""
        whole = self._config.args_source is pytest.Config.ArgsSource.TESTPATHS
        if not whole or exitstatus not in WHOLE or any(map(self._config.getoption, CHOICES)):
            return
        rows = [
            {"feature": feature, "by": kind, "file": path} | counts
            for (feature, kind, path), counts in sorted(self._counts.items())
        ]
        write(RESULT, rows)


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
