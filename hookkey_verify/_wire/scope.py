"""Checks scope names (RFC 6749 section 3.3). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from .._arguments import texts
from ..errors import ConfigurationError

__all__ = ["is_scope", "scope_names"]

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_scope(value: object) -> bool:
    """Return whether this is one scope name (RFC 6749 section 3.3, scope-token)."""
    return isinstance(value, str) and _SCOPE_TOKEN.fullmatch(value) is not None


def scope_names(scopes: Collection[str], *, least: int = 0) -> tuple[str, ...]:
    """Return ``scopes`` as a tuple after checking that it has ``least`` or more scope names.

    Raises ``ConfigurationError``.
    """
    named = texts("scopes", scopes)
    if len(named) < least or not all(map(is_scope, named)):
        raise ConfigurationError(
            f"scopes must be a list of scope names (RFC 6749 section 3.3), {least} or more"
        )
    return named
