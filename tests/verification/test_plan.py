"""The plan: every module has a feature, every test a mark, and the page is what results say."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from resarray.verification import results
from resarray.verification.faults import table as faults
from resarray.verification.fuzz import campaign as fuzz
from resarray.verification.fuzz import files
from resarray.verification.fuzz.cases import Case
from resarray.verification.fuzz.execute import EXACT, Outcome
from resarray.verification.mutation import campaign as mutation
from resarray.verification.plan import features, marks, page
from resarray.verification.plan.features import ROOT

pytestmark = pytest.mark.verifies("plan", by="text")

FOLDERS = ("hw", "spec", "golden", "compiler", "sim", "fpga", "report", "cli", "api", "bench")


def test_every_module_belongs_to_one_feature():
    listed = [path for feature in features.features().values() for path in feature.files]
    assert len(listed) == len(set(listed))
    modules = [
        path.relative_to(ROOT).as_posix()
        for folder in (*FOLDERS, "verification")
        for path in (ROOT / folder).rglob("*.py")
        if not empty(path)
    ]
    assert [path for path in modules if path not in listed] == []


def empty(path: Path) -> bool:
    """Only a docstring."""
    return all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def test_every_test_says_what_it_verifies():
    unmarked = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if f"pytest.mark.{marks.MARK}(" not in path.read_text()
    ]
    assert unmarked == []


def test_recorder_counts_by_feature_kind_and_file(pytestconfig, monkeypatch, tmp_path):
    recorder = marks.Recorder(pytestconfig)
    monkeypatch.setattr(marks, "RESULT", tmp_path / "tests.json")

    class Report:
        def __init__(self, nodeid, when, outcome):
            self.nodeid, self.when, self.outcome = nodeid, when, outcome
            self.user_properties = [("verifies", ("drain", "unit")), ("other", 3)]

    for outcome in ("passed", "failed"):
        for when in ("setup", "call", "teardown"):
            recorder.pytest_runtest_logreport(
                Report(f"tests/a.py::{outcome}", when, outcome if when == "call" else "passed")
            )
    recorder.pytest_runtest_logreport(Report("tests/a.py::skipped", "setup", "skipped"))
    counts = {"passed": 1, "failed": 1, "skipped": 1}
    assert dict(recorder._counts) == {("drain", "unit", "tests/a.py"): counts}


@pytest.mark.parametrize("option", [None, *marks.CHOICES])
def test_only_a_whole_run_is_recorded(option, pytestconfig, monkeypatch, tmp_path):
    result = tmp_path / "tests.json"
    monkeypatch.setattr(marks, "RESULT", result)

    class Config:
        args_source = pytest.Config.ArgsSource.TESTPATHS

        def getoption(self, name):
            pytestconfig.getoption(name)  # there is such an option
            return ["x"] if name == option else []

    recorder = marks.Recorder(Config())
    recorder.pytest_sessionfinish(pytest.ExitCode.INTERRUPTED)
    assert not result.exists()
    recorder.pytest_sessionfinish(pytest.ExitCode.OK)
    assert result.exists() == (option is None)
    result.unlink(missing_ok=True)
    Config.args_source = pytest.Config.ArgsSource.ARGS
    recorder.pytest_sessionfinish(pytest.ExitCode.OK)
    assert not result.exists()


def test_the_page_is_what_the_results_say():
    assert page.PAGE.read_text() == page.render(), "run 'make verification'"


def test_the_page_shows_what_campaigns_record(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    faults.record_rows(
        "make faults",
        [
            faults.Row("SLVERR on R", "pair", 1234, 1233),
            faults.Row("image", faults.HOST, 10, 10, {"refused in a sentence": 10}),
        ],
    )
    killers, kinds = Counter({"operators": 4321}), Counter()
    score = mutation.Score("tiny", 7, 5, {"a": "proven"}, {"b": "a | b"}, killers, kinds)
    mutation.keep([score], "make mutation")
    counted = {"steps": 7}
    outcomes = [Outcome(Case("network", 3, "random7"), EXACT, "", 987654, counted)]
    files.append(tmp_path / "results.jsonl", outcomes, "abc1234", results.sources(fuzz.SOURCES))
    fuzz.summarise(tmp_path / "results.jsonl", "make fuzz")
    text = page.render()
    for part in ("| SLVERR on R | pair | 1,234 | 1,233 |", "refused in a sentence 10"):
        assert part in text
    for part in ("**tiny**: 7 mutants, 1 change nothing", "| `b` | a \\| b |", "operators 4321"):
        assert part in text
    for part in ("| `random7` | 0 | 1 |", "on commits abc1234", "987,654 cycles"):
        assert part in text
    assert page.level("tiny") == "mutants killed 83.3 %"


def test_readme_has_the_table_of_presets():
    readme = (ROOT / "README.md").read_text()
    assert page.with_presets(readme) == readme, "run 'make verification'"
