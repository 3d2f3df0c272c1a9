"""Texts of requests and replies for the page: JSON by lines, without credentials. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...hooks.pointer import join
from ..secret_values import is_secret

__all__ = ["Line", "json_lines"]

MAX_DEPTH: Final = 40
"""The depth below which a document is not shown."""
MAX_LINE: Final = 1_000
"""The number of characters of a line that are shown."""
MAX_LINES: Final = 400
"""The number of lines of a document that are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a JSON document."""

    text: str
    pointer: str
    """The JSON Pointer (RFC 6901) of the member that begins in this line, or ends in it."""
    begins: bool
    """Whether the member begins in this line."""


def _without_secrets(value: Any, depth: int = 0, *, secret: bool = False) -> Any:
    """Return JSON values with passwords, one-time codes and phone numbers replaced.

    ``value``: the values.
    ``depth``: how deep they are in the document. What is deeper than ``MAX_DEPTH`` is left out.
    ``secret``: whether they belong to a secret member.
    """
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {
            name: _without_secrets(each, depth + 1, secret=secret or is_secret(str(name)))
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(each, depth + 1, secret=secret) for each in value]
    return f"({len(str(value))} characters)" if secret and value is not None else value


def json_lines(document: Any, hide: Callable[[str], str] = str) -> list[Line]:
    """Return an indented JSON document without secrets by lines, at most ``MAX_LINES``.

    ``document``: the document.
    ``hide``: hides secret values in a line, before it is cut. Default: hides none.
    """
    lines: list[Line] = []
    for line in _lines(_without_secrets(document), "", "", ""):
        if len(lines) == MAX_LINES:
            return [*lines, Line("…", "", begins=False)]
        text = hide(line.text)
        cut = text[:MAX_LINE] + ("…" if len(text) > MAX_LINE else "")
        lines.append(Line(cut, line.pointer, line.begins))
    return lines


def _lines(value: Any, pointer: str, before: str, after: str) -> Iterator[Line]:
    """Yield the lines of a value.

    ``before``: the indentation, and the name of the member.
    ``after``: the comma that follows the value.
    """
    members = _members(value)
    if not members:
        yield Line(f"{before}{json.dumps(value, ensure_ascii=False)}{after}", pointer, begins=True)
        return
    first, last = ("{", "}") if isinstance(value, Mapping) else ("[", "]")
    indent = " " * (len(before) - len(before.lstrip(" ")))
    yield Line(before + first, pointer, begins=True)
    for number, (label, name, each) in enumerate(members, 1):
        comma = "," if number < len(members) else ""
        yield from _lines(each, pointer + join((name,)), f"{indent}  {label}", comma)
    yield Line(indent + last + after, pointer, begins=False)


def _members(value: Any) -> list[tuple[str, str, Any]]:
    """Return the label, the name and the value of each member."""
    if isinstance(value, Mapping):
        return [
            (f"{json.dumps(str(name), ensure_ascii=False)}: ", str(name), each)
            for name, each in value.items()
        ]
    if isinstance(value, list | tuple):
        return [("", str(index), each) for index, each in enumerate(value)]
    return []
