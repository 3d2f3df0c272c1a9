"""One JSON object, as RFC 8259 has it and as can be written again. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final

__all__ = ["json_object"]

MAX_DEPTH: Final = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def json_object(octets: bytes) -> dict[str, Any] | None:
    """Return the object in these octets; None for anything else.

    Not JSON: another encoding than UTF-8, a byte order mark, NaN and infinities, lone surrogates.
    Nor is there more than 64 deep an object, because what shows it recurses.
    """
    if _depth(octets) > MAX_DEPTH:
        return None
    try:
        document = json.loads(octets.decode("utf-8"))
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _depth(octets: bytes) -> int:
    """Count how deep brackets are nested, without parsing: that recurses."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", octets)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
