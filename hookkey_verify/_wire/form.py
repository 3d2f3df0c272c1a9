"""``application/x-www-form-urlencoded`` as OAuth wants it read: each parameter once. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

__all__ = ["FormError", "read_form"]

MAX_PARAMETERS = 32
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_NOTHING: Mapping[str, str] = MappingProxyType({})


class FormError(ValueError):
    """The body is not such a form; the text says which rule. It never holds any of the body."""


def read_form(body: bytes, known: Mapping[str, str] = _NOTHING) -> dict[str, str]:
    """Return the parameters; those without a value count as not sent (RFC 6749 section 3.2).

    ``known`` has the plain text of escaped values that are common, to spare the work.

    Raises ``FormError`` for a parameter that comes twice (also one that nobody knows), for what is
    not ASCII, or not UTF-8 behind its escapes, and for a broken escape.
    """
    text = _decoded(body, "ascii", "is not ASCII")
    pairs = text.split("&") if text else []
    if len(pairs) > MAX_PARAMETERS:
        raise FormError("has too many parameters")
    form: dict[str, str] = {}
    empty: set[str] = set()
    for pair in pairs:
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in name or "+" in name:
            name = _plain(name)
        if "%" in value or "+" in value:
            value = known.get(value) or _plain(value)
        if name in form or name in empty:
            raise FormError("has a parameter twice")
        if value:
            form[name] = value
        else:
            empty.add(name)
    return form


def _plain(text: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise FormError("has a broken escape")
    return _decoded(unquote_to_bytes(text.replace("+", " ")), "utf-8", "is not UTF-8")


def _decoded(data: bytes, encoding: str, problem: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:  # which holds the data, so it is not raised from
        pass
    raise FormError(problem)
