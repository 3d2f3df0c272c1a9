"""One JSON object, as RFC 8259 has it and as can be written again. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["json_object"]

MAX_DEPTH: Final = 64


def json_object(octets: bytes) -> dict[str, Any] | None:
    """Return the object in these octets; None for anything else.

    Not JSON: another encoding than UTF-8, a byte order mark, NaN and infinities, lone surrogates.
    Nor is there more than 64 deep an object, because what shows it recurses.
    """
    try:
        document = json.loads(octets.decode("utf-8"))
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and _is_shallow(document, MAX_DEPTH) else None


def _is_shallow(value: object, left: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return True
    return left > 0 and all(_is_shallow(each, left - 1) for each in value)
