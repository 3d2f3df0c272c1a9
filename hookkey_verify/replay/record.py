"""The digest and the lifetime of a token's record. Pure."""

from __future__ import annotations

import hashlib

from ..errors import ConfigurationError

__all__ = ["CLOCK_TOLERANCE", "LONGEST", "kept_until", "record_digest", "seconds_to_keep"]

CLOCK_TOLERANCE = 60
"""Seconds that a used token is remembered after its expiry: clocks differ or are set back."""

LONGEST = 1e10
"""The longest lifetime of a record, in seconds: a number that every engine can represent."""


def kept_until(expires_at: float, now: float) -> float:
    """Return until when a record counts, in epoch seconds, from 0 to ``now + LONGEST``.

    Raises ``ConfigurationError`` if ``expires_at`` is not a number.
    """
    if not isinstance(expires_at, int | float) or expires_at != expires_at:  # noqa: PLR0124 - NaN
        raise ConfigurationError("expires_at must be a number of seconds since the epoch")
    return max(0.0, min(expires_at, now + LONGEST - CLOCK_TOLERANCE) + CLOCK_TOLERANCE)


def seconds_to_keep(expires_at: float, now: float) -> float:
    """Return for how many seconds a record counts, at least 0.001.

    Raises ``ConfigurationError`` if ``expires_at`` is not a number.
    """
    return max(0.001, kept_until(expires_at, now) - now)


def record_digest(issuer: str, jti: str) -> bytes:
    """Return 32 bytes that are the same only for the same issuer and jti.

    No token can be derived from them, so a store reveals none. The length of the issuer separates
    it from the jti. A lone surrogate, which JSON can contain, is allowed.

    Raises ``ConfigurationError`` if one of them is not a string.
    """
    if not isinstance(issuer, str) or not isinstance(jti, str):
        raise ConfigurationError("issuer and jti must be strings")
    text = f"{len(issuer)}:{issuer}{jti}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).digest()
