"""Behind ``resarray report``: results in, report.html and report.md out."""

from pathlib import Path

from resarray.report.inspection import read_inspection
from resarray.report.markdown import markdown
from resarray.report.numbers import verdict
from resarray.report.page import page
from resarray.report.read import read_result, require_comparable
from resarray.report.synthesis import read_synthesis
from resarray.spec.files import write_together

from .output import json_file

# Files of the report; together they are replaced or not at all.
PAGE, SUMMARY = "report.html", "report.md"


def report(
    results: list[Path],
    synth: Path | None,
    inspection: Path | None,
    folder: Path,
    json_path: Path | None,
) -> str:
    """Make the report of the first of ``results``, compared with the others; a line to print. Which
    files, and their verdict, go to ``json_path``."""
    read = [(path, read_result(path)) for path in results]
    require_comparable(read)
    found = None if synth is None else read_synthesis(synth, read[0][1])
    inspected = None if inspection is None else read_inspection(inspection, read[0][1])
    runs = [result for _, result in read]
    html = page(runs, found, inspected).encode()
    summary = markdown(runs, found).encode()
    made = {"page": str(folder / PAGE), "summary": str(folder / SUMMARY), "page_bytes": len(html)}
    made |= {"verdict": verdict(runs[0]), "bit_exact": runs[0]["bit_exact"]}
    write_together({folder / SUMMARY: summary, folder / PAGE: html} | json_file(json_path, made))
    return f"{folder / PAGE}: {len(html) / 1e6:.1f} MB, open it in a browser; {folder / SUMMARY}"
