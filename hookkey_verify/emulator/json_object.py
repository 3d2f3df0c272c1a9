"""Reads JSON objects (RFC 8259), and prepares them for display. Pure."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

__all__ = ["decoded", "displayable", "json_object"]

MAX_DEPTH: Final = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def json_object(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object in these bytes, or None for anything else.

    Encodings other than UTF-8, a byte order mark, NaN, infinities and lone surrogates are refused,
    and so are objects nested more than 64 deep, because displaying them recurses.
    """
    if _depth(data) > MAX_DEPTH:
        return None
    try:
        document = json.loads(data.decode("utf-8"))
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def decoded(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object in these bytes, even if ``json_object`` refuses it, or None."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def displayable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return decoded JSON without what cannot be written: deep levels, surrogates, infinities.

    ``depth``: the number of levels that are kept. An ellipsis replaces the others.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, list):
        return [displayable(each, depth - 1) for each in value]
    return {displayable(name): displayable(each, depth - 1) for name, each in value.items()}


def _depth(data: bytes) -> int:
    """Return the nesting depth without parsing, which would recurse."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
