"""Reads the bearer token from request headers (RFC 6750 section 2.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError, MalformedTokenError, MissingTokenError, MultipleTokensError

__all__ = ["Headers", "bearer_token", "header_values", "pick_headers"]

Headers = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str | bytes, str | bytes]]
"""A mapping (also the multi-valued ones of Flask, Django, Starlette), or pairs of str or bytes."""

_TOKEN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
_CREDENTIALS = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*) *")

_NOT_HEADERS = "headers must be a mapping or an iterable of (name, value) pairs of str or bytes"


def bearer_token(headers: Headers) -> str:
    """Return the token of the only ``Authorization: Bearer`` header.

    Raises ``MissingTokenError`` if it is absent or has another scheme, ``MultipleTokensError`` if
    it is repeated or was joined (servers join duplicates with a comma), ``MalformedTokenError`` if
    it is not ``Bearer`` and one token, and ``ConfigurationError`` if ``headers`` is not a
    collection of names and values.
    """
    values = header_values(headers, "authorization")
    if not values:
        raise MissingTokenError("the request has no Authorization header")
    if len(values) > 1 or "," in values[0]:
        raise MultipleTokensError
    scheme, _, token = values[0].partition(" ")
    if scheme.lower() == "bearer" and _is_usual(token):
        return token
    scheme = values[0].strip().partition(" ")[0]
    if scheme.lower() != "bearer":
        raise MissingTokenError("the scheme of the Authorization header is not Bearer")
    match = _CREDENTIALS.fullmatch(values[0])
    if match is None:
        raise MalformedTokenError("the header must be Bearer, a space and one token")
    return match[1]


def _is_usual(token: str) -> bool:
    """Return whether the pattern matches a token without padding, in a tenth of its time."""
    return token != "" and not token.encode("ascii", "replace").translate(None, _TOKEN_BYTES)


def header_values(headers: Any, wanted: str) -> list[str]:
    """Return the values of one header, whose name is given in lower case.

    Raises ``ConfigurationError`` if ``headers`` is not a collection of names and values.
    """
    return pick_headers(headers, (wanted,))[0]


def pick_headers(headers: Any, wanted: Sequence[str]) -> list[list[str]]:
    """Return the values of each of these headers, in one pass. Raises ``ConfigurationError``."""
    values: list[list[str]] = [[] for _ in wanted]
    lengths = {len(name) for name in wanted}
    try:
        items = getattr(headers, "items", None)
        pairs: Any = items() if callable(items) else headers
        for name, value in pairs:
            if len(name) in lengths and (lower := _text(name).lower()) in wanted:
                values[wanted.index(lower)].append(_text(value))
        understood = True
    except Exception:  # a collection may raise anything, with a token in its text
        understood = False
    if not understood:
        raise ConfigurationError(_NOT_HEADERS)
    return values


def _text(value: Any) -> str:
    """Return an exact str without calling methods of a subclass."""
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes):
        return bytes.decode(value, "latin-1")
    raise TypeError
