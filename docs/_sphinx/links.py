"""Links of the site: to files of the repository, and from names in the text to the reference."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform

from .public import PACKAGE, ROOT, public_modules, reference_names

__all__ = ["NameLinks", "home", "in_the_repository"]

_PAGES: Final = {"CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
"""Files of the repository that are pages of the site."""
_LINK: Final = re.compile(r"\]\((?P<up>(?:\.\./)+)(?P<path>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")


def home() -> str:
    """Return the address of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["home"])


def in_the_repository(page: str, text: str) -> str:
    """Return a page's Markdown with links to files outside of docs/ leading to the repository.

    ``page``: the name of the page below docs/, without suffix.
    ``text``: its Markdown.
    """
    depth = page.count("/")

    def target(match: re.Match[str]) -> str:
        if match["up"].count("../") <= depth:
            return match[0]
        anchor = match["anchor"] or ""
        if match["path"] in _PAGES:
            return f"]({'../' * depth}{_PAGES[match['path']]}{anchor})"
        kind = "blob" if (ROOT / match["path"]).is_file() else "tree"
        return f"]({home()}/{kind}/main/{match['path']}{anchor})"

    return _LINK.sub(target, text)


def _targets() -> dict[str, str]:
    """Return the full name of each public name that only one module has."""
    found: dict[str, set[str]] = {}
    for module in public_modules():
        for name, elsewhere in reference_names(module):
            if not elsewhere:
                found.setdefault(name.rpartition(".")[2], set()).add(name)
                found.setdefault(name.removeprefix(f"{PACKAGE}."), set()).add(name)
    return {short: names.pop() for short, names in found.items() if len(names) == 1}


class NameLinks(SphinxTransform):
    """Makes each public class or function that the text names a link to the reference."""

    default_priority = 400

    def apply(self, **_: Any) -> None:
        """Replace the literals of the document."""
        names = _targets()
        for literal in list(self.document.findall(nodes.literal)):
            target = names.get(literal.astext().removesuffix("()"))
            short = literal.astext().rpartition(".")[2]
            if target is None or not short[:1].isupper() or _is_linked(literal):
                continue
            link = pending_xref(
                "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=True
            )
            literal.replace_self(link)
            link += literal


def _is_linked(node: nodes.Node) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, nodes.reference | nodes.title | pending_xref):
            return True
        parent = parent.parent
    return False
