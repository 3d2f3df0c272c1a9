"""Writes values of an org into Python source, so that no value can become code. Pure.

The source is formatted like that of ``ruff format`` with its default settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from rich.cells import cell_len

__all__ = [
    "WIDTH",
    "assignment",
    "imports",
    "in_docstring",
    "list_assignment",
    "literal",
    "paragraph",
]

WIDTH = 88
"""The line length of ``ruff format``."""
_STDLIB = ("collections.abc", "os", "secrets", "typing", "wsgiref.types")


def literal(text: str) -> str:
    """Return a string literal with this value, in the quotes that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_escaped(character, quote) for character in text) + quote


def _escaped(character: str, quote: str) -> str:
    if character in (quote, "\\"):
        return "\\" + character
    # Characters that change the order or the lines of the text are not printable either.
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def assignment(name: str, value: str) -> str:
    """Return a statement that assigns a string to a constant."""
    line, alone = f"{name} = {literal(value)}", f"    {literal(value)}"
    if cell_len(line) > WIDTH >= cell_len(alone):
        return f"{name} = (\n{alone}\n)"
    return line


def list_assignment(name: str, values: Iterable[str]) -> str:
    """Return a statement that assigns a list of strings to a constant."""
    literals = [literal(value) for value in values]
    line = f"{name} = [{', '.join(literals)}]"
    if cell_len(line) <= WIDTH:
        return line
    return "\n".join([f"{name} = [", *(f"    {each}," for each in literals), "]"])


def in_docstring(text: str, most: int = 40) -> str:
    """Return text that neither ends a docstring nor hides a part of it."""
    harmless = "".join(c if c.isprintable() and c not in '"\\' else "?" for c in text)
    return harmless if len(harmless) <= most else harmless[: most - 1] + "…"


def paragraph(text: str) -> str:
    """Return a paragraph of a docstring or comment, in lines of at most ``WIDTH``."""
    return "\n".join(wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def imports(names: Iterable[tuple[str, str]]) -> str:
    """Return the import statements for pairs of a module and a name in it, sorted as by ruff.

    The name "" imports the module itself.
    """
    by_module: dict[str, set[str]] = {}
    for module, name in names:
        by_module.setdefault(module, set()).add(name)
    groups: list[list[str]] = []
    for is_stdlib in (True, False):
        modules = sorted(m for m in by_module if (m in _STDLIB) is is_stdlib)
        plain = [f"import {module}" for module in modules if "" in by_module[module]]
        named = [_from(m, by_module[m] - {""}) for m in modules if by_module[m] - {""}]
        groups.append([*plain, *named])
    return "\n\n".join("\n".join(group) for group in groups if group)


def _from(module: str, names: set[str]) -> str:
    # Classes come before functions.
    ordered = sorted(names, key=lambda name: (not name[0].isupper(), name.lower()))
    return f"from {module} import {', '.join(ordered)}"
