"""Checks the claims of a token: step 6 of a verification. Pure.

Presence and type are checked separately: 0, "", [] and null count as present. Types are compared
with ``type(x)``, because ``isinstance(True, int)`` is true. The range of a number is checked before
any arithmetic. RFC 7519 section 4.1; RFC 8725 sections 3.8 to 3.12; RFC 9068 (client_id, scope).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import (
    AudienceError,
    ClientIdError,
    Expected,
    HookVerificationError,
    InsufficientScopeError,
    InvalidClaimError,
    IssuedInFutureError,
    IssuerError,
    LifetimeError,
    MissingClaimError,
    SubjectError,
    TokenExpiredError,
    TokenNotYetValidError,
)

__all__ = ["ClaimsPolicy", "audiences", "client_ids", "granted_scopes"]

MAX_NUMERIC_DATE = 2**53
"""The limit of the range in which a double represents every whole second exactly."""

# cid: Okta; client_id: RFC 9068; azp: OpenID Connect Core section 2.
CLIENT_ID_CLAIMS = ("cid", "client_id", "azp")
_STRINGS = ("iss", "sub", "jti")
_CLIENT_AND_SCOPES = frozenset({*CLIENT_ID_CLAIMS, "scp", "scope"})
_TYPED = frozenset({*_STRINGS, *_CLIENT_AND_SCOPES, "aud", "exp", "nbf", "iat"})
"""Claims whose type is checked, which also refuses null."""


class ClaimsPolicy:
    """The expected values of claims, and the checks against them. Immutable."""

    # The dataclasses module takes 4 ms to import, and members of a named tuple are slow.
    __slots__ = (
        "audiences",
        "client_id",
        "issuers",
        "leeway",
        "max_lifetime",
        "not_null",
        "required",
        "scopes",
        "subject",
    )

    def __init__(
        self,
        *,
        issuers: frozenset[str] | None,
        audiences: frozenset[str] | None,
        subject: str | None = None,
        client_id: str | None = None,
        scopes: frozenset[str] = frozenset(),
        required: frozenset[str] = frozenset({"exp"}),
        max_lifetime: float | None = None,
        leeway: float = 60,
    ) -> None:
        """Create a policy; the arguments are not checked.

        ``issuers``: accepted values of ``iss``. None: unchecked.
        ``audiences``: accepted values of ``aud``, of which one must match. None: unchecked.
        ``subject``: the required ``sub``. Default None: unchecked.
        ``client_id``: the required client id. Default None: unchecked.
        ``scopes``: scopes that must all be granted. Default: none.
        ``required``: claims that must be present and not null; must include every claim that the
            policy compares. Default: ``exp``.
        ``max_lifetime``: the longest accepted lifetime in seconds. Default None: no limit.
        ``leeway``: tolerated clock skew in seconds. Default 60.
        """
        self.issuers = issuers
        self.audiences = audiences
        self.subject = subject
        self.client_id = client_id
        self.scopes = scopes
        self.required = tuple(sorted(required))
        self.not_null = tuple(sorted(required - _TYPED))
        self.max_lifetime = max_lifetime
        self.leeway = leeway

    def __repr__(self) -> str:
        names = (name for name in self.__slots__ if name != "not_null")
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"ClaimsPolicy({values})"

    def expected(self, claim: str) -> Expected:
        """Return the configured value of ``claim``, or None if the policy does not restrict it.

        ``claim`` is iss, aud, sub, cid or scp. One value of a tuple must match, but all scopes of
        scp are required.
        """
        if claim == "sub":
            return self.subject
        if claim == "cid":
            return self.client_id
        values = {"iss": self.issuers, "aud": self.audiences, "scp": self.scopes}.get(claim)
        if not values:
            return None
        return tuple(sorted(values)) if len(values) > 1 or claim == "scp" else next(iter(values))

    def check(self, claims: Mapping[str, Any], now: float) -> None:
        """Check the claims at ``now`` (epoch seconds). Raises a ``HookVerificationError``."""
        for name in self.required:
            if name not in claims:
                raise MissingClaimError(name, expected=self.expected(name))
        for name in self.not_null:
            if claims[name] is None:
                raise InvalidClaimError(name, "must not be null")
        for name in _STRINGS:
            if type(claims.get(name, "")) is not str:
                raise InvalidClaimError(name, "must be a string")
        self._check_times(claims, now)
        if self.issuers is not None and claims["iss"] not in self.issuers:
            raise IssuerError("iss", expected=self.expected("iss"))
        named = audiences(claims)
        if self.audiences is not None and self.audiences.isdisjoint(named):
            raise AudienceError("aud", expected=self.expected("aud"))
        if self.subject is not None and claims["sub"] != self.subject:
            raise SubjectError("sub", expected=self.subject)
        # Client assertions have neither; skipping the check avoids building two tuples.
        if (
            self.client_id or self.scopes
            or "cid" in claims or "client_id" in claims or "azp" in claims
            or "scp" in claims or "scope" in claims
        ):  # fmt: skip
            self._check_client_and_scopes(claims)

    def _check_client_and_scopes(self, claims: Mapping[str, Any]) -> None:
        clients = client_ids(claims)
        if self.client_id is not None:
            if not clients:
                raise MissingClaimError("cid", expected=self.client_id)
            for client in clients:  # all must match, or one could hide another
                if client != self.client_id:
                    raise ClientIdError("cid", expected=self.client_id)
        if not self.scopes.issubset(granted_scopes(claims)):
            raise InsufficientScopeError(sorted(self.scopes))

    def is_in_time(self, claims: Mapping[str, Any], now: float) -> bool:
        """Return whether exp, nbf, iat and the lifetime are acceptable at ``now``."""
        try:
            self._check_times(claims, now)
        except HookVerificationError:
            return False
        return True

    def _check_times(self, claims: Mapping[str, Any], now: float) -> None:
        expires_at = claims["exp"]
        if type(expires_at) is not int or not 0 <= expires_at <= MAX_NUMERIC_DATE:
            expires_at = _numeric_date(claims, "exp")
        earliest, latest = now - self.leeway, now + self.leeway
        # Each comparison states what must hold, so a clock that returns NaN refuses every token.
        if not earliest < expires_at:  # RFC 7519 section 4.1.4: not on or after exp
            raise TokenExpiredError("exp", expected=self.leeway)
        if "nbf" in claims and not _numeric_date(claims, "nbf") <= latest:
            raise TokenNotYetValidError("nbf", expected=self.leeway)
        issued_at = None
        if "iat" in claims:
            issued_at = claims["iat"]
            if type(issued_at) is not int or not 0 <= issued_at <= MAX_NUMERIC_DATE:
                issued_at = _numeric_date(claims, "iat")
            if not issued_at <= latest:
                raise IssuedInFutureError("iat", expected=self.leeway)
        if self.max_lifetime is not None:
            # iat is optional and chosen by the sender, so the time from now is limited as well.
            if not expires_at - latest <= self.max_lifetime:
                raise LifetimeError("exp", expected=self.max_lifetime)
            if issued_at is not None and expires_at - issued_at > self.max_lifetime:
                raise LifetimeError("exp", expected=self.max_lifetime)


def _numeric_date(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if type(value) is not int and type(value) is not float:
        raise InvalidClaimError(name, "must be a JSON number")
    if not -MAX_NUMERIC_DATE <= value <= MAX_NUMERIC_DATE:
        raise InvalidClaimError(name, "is out of range")
    return value


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return ``aud`` as a tuple, empty if absent. Raises ``InvalidClaimError`` for other types."""
    if "aud" not in claims:
        return ()
    value = claims["aud"]
    if type(value) is str:
        return (value,)
    return _strings("aud", value)


def client_ids(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the values of ``cid``, ``client_id`` and ``azp`` that are present.

    Raises ``InvalidClaimError`` if one is not a string.
    """
    return _strings("cid", [claims[name] for name in CLIENT_ID_CLAIMS if name in claims])


def granted_scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the scopes of ``scp`` or, without it, of ``scope``; empty if both are absent.

    Each may be a list, like Okta's ``scp``, or a string, like ``scope`` of RFC 9068, because other
    servers mix the two. Raises ``InvalidClaimError`` for other types.
    """
    for name in ("scp", "scope"):
        if name in claims:
            value = claims[name]
            if type(value) is str:
                return tuple(value.split(" ")) if value else ()
            return _strings(name, value)
    return ()


def _strings(name: str, value: object) -> tuple[str, ...]:
    if type(value) is not list:
        raise InvalidClaimError(name, "must be a list of strings")
    for item in value:
        if type(item) is not str:
            raise InvalidClaimError(name, "must be a list of strings")
    return tuple(value)
