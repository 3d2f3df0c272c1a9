"""Writes a page of the API reference for each public module, before Sphinx reads the pages."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from sphinx.pycode import ModuleAnalyzer

from .public import PACKAGE, public_modules, reference_names

__all__ = ["written_pages"]

_MEMBERS: Final = "    :members:\n    :undoc-members:\n"


def written_pages(folder: Path) -> list[str]:
    """Write a page for each public module into ``folder``, and return their names.

    Pages of modules that no longer exist are deleted. A page that did not change is left alone, so
    that Sphinx does not read it again.
    """
    folder.mkdir(exist_ok=True)
    pages = {f"{module}.rst": _page(module) for module in public_modules()}
    for old in folder.glob("*.rst"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return [name.removesuffix(".rst") for name in pages]


def _page(module: str) -> str:
    parts = [f"{module}\n{'=' * len(module)}\n"]
    if module != PACKAGE:
        parts.append(f".. automodule:: {module}\n    :no-members:\n")
    else:
        parts.append(f".. py:module:: {module}\n\n{inspect.getdoc(import_module(module))}\n")
    for name, elsewhere in reference_names(module):
        parts.append(_elsewhere(name, elsewhere) if elsewhere else _entry(name))
    return "\n".join(parts)


def _elsewhere(name: str, module: str) -> str:
    short = name.rpartition(".")[2]
    return f"``{name}`` is the same as :py:obj:`{module}.{short}`.\n"


def _entry(name: str) -> str:
    module, _, short = name.rpartition(".")
    value: Any = getattr(import_module(module), short)
    if type(value).__name__ == "LocalProxy":  # autodoc would use it outside of a request
        return (
            f".. py:currentmodule:: {module}\n\n"
            f".. py:data:: {short}\n\n    {_comment(module, short)}\n"
        )
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
        bases = "" if value.__bases__ == (object,) else "    :show-inheritance:\n"
        return f".. {kind}:: {name}\n{_MEMBERS}{bases}"
    if callable(value) and inspect.isroutine(value):
        return f".. autofunction:: {name}\n"
    return f".. autodata:: {name}\n    :no-value:\n"


def _comment(module: str, name: str) -> str:
    """Return the first line of the docstring after an assignment."""
    analyzer = ModuleAnalyzer.for_module(module)
    analyzer.analyze()
    return analyzer.attr_docs["", name][0]
