"""The page's templates, style and script."""

from importlib import resources

import jinja2

FILES = resources.files(__package__) / "page"


def read(name: str) -> str:
    """A file of the page."""
    return (FILES / name).read_text(encoding="utf-8")


def template(name: str) -> jinja2.Template:
    """A template, which escapes all that it is given and may import others."""
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(read),
    )
    return environment.get_template(name)
