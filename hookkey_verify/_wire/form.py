"""Reads ``application/x-www-form-urlencoded`` without repeated parameters (OAuth 2.0). Pure."""

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
    """The body is not a valid form. The text names the broken rule and contains no part of it."""


def read_form(body: bytes, known: Mapping[str, str] = _NOTHING) -> dict[str, str]:
    """Return a form's parameters; those without a value count as absent (RFC 6749 section 3.2).

    ``known`` maps common escaped values to their plain text, which saves decoding them.

    Raises ``FormError`` for repeated parameters (including unknown ones), text that is not ASCII,
    escapes that are not UTF-8, and broken escapes.
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
    except UnicodeDecodeError:  # it contains the body, so it is not chained
        pass
    raise FormError(problem)
