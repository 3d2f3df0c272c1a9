"""The grammar of a scope name. Pure."""

from __future__ import annotations

import re

__all__ = ["is_scope"]

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_scope(value: object) -> bool:
    """Tell whether this is one scope name (RFC 6749 section 3.3, scope-token)."""
    return isinstance(value, str) and _SCOPE_TOKEN.fullmatch(value) is not None
