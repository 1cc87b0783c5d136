"""The site: generated parts are fresh, it builds strictly, links resolve, and it loads nothing from
elsewhere."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .extract import GENERATED, PAGES, ROOT
from .test_commands import slow

pytestmark = pytest.mark.verifies("documentation", by="text")

SITE = ROOT / "docs" / "site"
# Tags and attributes that make a browser load something.
LOADS = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}
# A link's relations that load nothing.
QUIET = {"canonical", "prev", "next"}


def run(*arguments: str | Path) -> None:
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "script, folder", [("reference.py", GENERATED), ("pictures.py", ROOT / "docs" / "images")]
)
def test_generated_parts_are_fresh(script, folder, tmp_path):
    run(SITE / script, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_text() == (folder / path.name).read_text(), f"run docs/site/{script}"
    assert {p.name for p in tmp_path.iterdir()} >= {p.name for p in folder.glob("*.svg")}


@slow
def test_the_followed_convolution_is_that_of_the_rtl(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SITE)
    import convolution

    assert json.loads(json.dumps(convolution.record())) == json.loads(convolution.FILE.read_text())


def test_docstrings_become_markdown(monkeypatch):
    pytest.importorskip("griffe", reason="the site's packages are missing: make venv")
    monkeypatch.syspath_prepend(SITE)
    from docstrings import to_markdown

    source = "Sum of ``x``.\n\nsize:   pixels,\n        both ways\n\nAs::\n\n    a = 1\n\nEnd."
    assert to_markdown(source) == (
        "Sum of `x`.\n\n\n- `size`: pixels,\n    both ways\n\nAs:\n\n```text\na = 1\n```\n\nEnd."
    )


def test_links_between_files_resolve():
    """As the repository is browsed, where a page is a file."""
    for page in (*PAGES, *GENERATED.glob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if not urlsplit(target).scheme:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_rows_of_a_table_have_its_columns():
    """Else it is no table: a page shows its lines as text, or leaves cells out."""
    for page in (*PAGES, *GENERATED.glob("*.md")):
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for table in re.findall(r"^.*\n\|(?: ?:?-+:? ?\|)+$(?:\n\|.*)*", text, re.M):
            columns = [len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()]
            assert len(set(columns)) == 1, f"{page.relative_to(ROOT)}: {table.splitlines()[0]}"


class Html(HTMLParser):
    """A page's identifiers, its links, and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found.get("id", ""), found.get("name", "")}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif LOADS.get(tag) in found and found.get("rel") not in QUIET:
            self.loads.add(found[LOADS[tag]])


def test_site(tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the site's packages are missing: make venv")
    run("-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path)
    pages = {path: Html(path) for path in tmp_path.rglob("*.html")}
    assert len(pages) > 20
    for path, page in pages.items():
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert link not in page.loads, f"{path.name} loads {link}"
                continue
            absolute = parts.path.startswith("/")  # of the page for what is not there
            start = tmp_path if absolute else path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            if target in pages and parts.fragment:
                assert unquote(parts.fragment) in pages[target].ids, f"{path.name}: {link}"
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?https?:", sheet.read_text()), sheet.name
