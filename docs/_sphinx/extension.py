"""The Sphinx extension that adds what is generated from the code to the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .api_pages import written_pages
from .docstrings import with_lists
from .links import NameLinks, in_the_repository
from .tables import TABLES

__all__ = ["setup"]


class GeneratedTable(SphinxDirective):
    """Inserts Markdown that ``tables`` generates from the code."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the parsed Markdown."""
        text = TABLES[self.arguments[0]]()
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _write_pages(app: Sphinx) -> None:
    written_pages(Path(app.srcdir, "reference", "api"))


def _read_source(app: Sphinx, page: str, content: list[str]) -> None:  # noqa: ARG001
    content[0] = in_the_repository(page, content[0])


def _read_include(app: Sphinx, path: Path, page: str, content: list[str]) -> None:  # noqa: ARG001
    content[0] = in_the_repository(page, content[0].replace("](docs/", "]("))


def _process_docstring(*arguments: Any) -> None:
    lines = arguments[-1]
    lines[:] = with_lists(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the parts."""
    app.add_directive("hookkey", GeneratedTable)
    app.add_transform(NameLinks)
    app.connect("builder-inited", _write_pages)
    app.connect("source-read", _read_source)
    app.connect("include-read", _read_include)
    app.connect("autodoc-process-docstring", _process_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
