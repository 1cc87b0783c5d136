"""What the site has beyond docs/: pages and files from outside it, and the API's modules.

MkDocs calls `on_files` and `on_page_markdown`. The pages themselves stay plain Markdown that reads
well where the repository is browsed.
"""

import re
from pathlib import Path

from docstrings import shapes
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# Pages of the repository's root; on the site they lie beside those of docs/.
ROOT_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")
SOURCES = "tests|verification"
API_PAGE = "reference/api.md"
API = "resarray.api"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add `ROOT_PAGES`, the licence and the examples."""
    examples = sorted((ROOT / "examples").glob("*.py"))
    for path in (*(ROOT / name for name in ROOT_PAGES), ROOT / "LICENSE", *examples):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they are on the site; on the API's page also the docstrings."""
    if page.file.src_uri in ROOT_PAGES:
        markdown = re.sub(r"\]\(docs/", "](", markdown)
    else:
        # From any depth a link goes up to the root once more than to docs/.
        markdown = re.sub(r"\]\(((?:\.\./)*)\.\./README\.md\)", r"](\1index.md)", markdown)
        outside = "|".join(map(re.escape, (*ROOT_PAGES, "LICENSE", "examples/")))
        markdown = re.sub(rf"\]\(((?:\.\./)*)\.\./({outside})", r"](\1\2", markdown)
        # Other files of the repository are not on the site: their names alone.
        markdown = re.sub(rf"\[([^\[\]]*)\]\((?:\.\./)+({SOURCES})/[^)]*\)", r"\1", markdown)
    markdown = shapes(markdown)
    if page.file.src_uri == API_PAGE:
        markdown += "".join(f"\n::: {name}\n" for name in api_modules())
    return markdown


def api_modules() -> list[str]:
    """The API's public modules that there are, the package first."""
    package = ROOT / "resarray" / "api"
    if package.with_suffix(".py").is_file():
        return [API]
    if not (package / "__init__.py").is_file():
        return []
    paths = sorted(package.rglob("*.py"))
    names = {".".join((API, *path.relative_to(package).with_suffix("").parts)) for path in paths}
    public = {name.removesuffix(".__init__") for name in names}
    return sorted(name for name in public if "._" not in name)
