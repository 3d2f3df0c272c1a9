"""Makes all checks of a token that this org can make, each separately. Pure.

A verifier stops at the first defect, while the inspector shows all. It uses PyJWT, so it is
independent of this package's verifier.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

import jwt

from ..signer import HookSigner
from .authorization_server import EmulatedServer
from .hook_keys import HookKeyStore
from .inline_hooks import InlineHooks
from .okta_error import OktaError

__all__ = ["Check", "Inspection", "inspect"]

MAX_TOKEN: Final = 16 * 1024
"""The longest accepted token in characters; Okta's have fewer than 2,000."""
LONGEST_LIFE: Final = 3600
"""The longest lifetime of an assertion, in seconds, that Okta's authorization servers accept."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a token."""

    name: str
    passed: bool
    note: str = ""
    expected: str = ""
    """What the check requires; empty if the note says it."""
    actual: str = ""
    """What the token has; empty if the note says it."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The content of a token and its checks."""

    kind: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)


def inspect(
    token: str,
    *,
    keys: HookKeyStore,
    hooks: InlineHooks,
    server: EmulatedServer,
    issuer: str,
    now: float,
) -> Inspection:
    """Check an assertion of this org's hook keys or an access token of its server.

    ``token``: the token, or any other text.
    ``keys``: the hook keys of the org.
    ``hooks``: the inline hooks of the org.
    ``server``: the authorization server of the org.
    ``issuer``: the issuer of ``server``.
    ``now``: the current time in epoch seconds.
    """
    token = token.strip()
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        note = f"a JWT has three parts between dots and at most {MAX_TOKEN} characters"
        return Inspection("no token", {}, {}, (Check("form", passed=False, note=note),))
    header, claims = (_object(part) for part in parts[:2])
    form = Check("form", header is not None and claims is not None, "header and claims are JSON")
    header, claims = header or {}, claims or {}
    kid, alg = header.get("kid"), header.get("alg")
    note = f"alg is {_shown(alg)}; Okta signs with RS256"
    algorithm = Check("algorithm", alg == "RS256", note, '"RS256"', _shown(alg))
    kind, note, signer = _source(kid, keys, server)
    checks = [form, algorithm, Check("key", signer is not None, note)]
    if signer is not None:
        checks.append(_signature(token, signer))
    if kind == "client assertion":
        checks += _assertion(claims, hooks, now)
    elif kind == "access token":
        checks += _access_token(claims, server, issuer)
    return Inspection(kind, header, claims, (*checks, *_times(claims, now)))


def _source(
    kid: object, keys: HookKeyStore, server: EmulatedServer
) -> tuple[str, str, HookSigner | None]:
    """Return the kind of a token with this kid, a note on its key, and its signer."""
    signer = _signer_of(keys, kid)
    if signer is not None:
        note = f"kid is the keyId of a hook key: {_name(keys, signer.kid)}"
        return "client assertion", note, signer
    if kid == server.signer.kid:
        return "access token", "kid is the authorization server's", server.signer
    return "unknown", f"kid is {_shown(kid)}, and no key of this org has it", None


def _signature(token: str, signer: HookSigner) -> Check:
    good = _is_signed(token, signer.public_jwk())
    note = "made with that key" if good else "not made with that key, or changed afterwards"
    return Check("signature", good, note)


def _signer_of(keys: HookKeyStore, kid: object) -> HookSigner | None:
    try:
        return keys.signer(kid) if isinstance(kid, str) else None
    except OktaError:
        return None


def _assertion(claims: Mapping[str, Any], hooks: InlineHooks, now: float) -> Iterator[Check]:
    """Check an assertion by RFC 7523 section 3, like Okta's servers."""
    issuer, audience, expires = claims.get("iss"), claims.get("aud"), claims.get("exp")
    signed = [hook for hook in hooks.all() if hook.hook_key_id is not None]
    clients = [hook for hook in signed if hook.client_id == issuer]
    who = f"the client id of {clients[0].name}" if clients else "the client id of no inline hook"
    expected = " or ".join(sorted({_shown(hook.client_id) for hook in signed}))
    note = f"iss is {_shown(issuer)}, {who}"
    yield Check("issuer", bool(clients), note, expected or "a client id", _shown(issuer))
    subject = claims.get("sub")
    note = f"sub is {_shown(subject)}"
    yield Check("subject", subject == issuer, note, _shown(issuer), _shown(subject))
    urls = sorted({hook.token_url for hook in clients or signed})
    known = " or ".join(urls) or "not known"
    note = f"aud is {_shown(audience)}; the token URL is {known}"
    yield Check("audience", audience in urls, note, known, _shown(audience))
    if _is_time(expires):
        left = int(expires - now)
        note = f"exp is {left} seconds ahead; Okta accepts {LONGEST_LIFE}"
        longest = f"at most {LONGEST_LIFE} seconds"
        yield Check("lifetime", left <= LONGEST_LIFE, note, longest, f"{left} seconds")


def _access_token(
    claims: Mapping[str, Any], server: EmulatedServer, issuer: str
) -> Iterator[Check]:
    """Check an access token (https://developer.okta.com/docs/guides/validate-access-tokens/)."""
    given = claims.get("iss")
    note = f"iss is {_shown(given)}; the issuer is {issuer}"
    yield Check("issuer", given == issuer, note, _shown(issuer), _shown(given))
    audience = claims.get("aud")
    note = f"aud is {_shown(audience)}; the server's is {server.audience}"
    is_meant = server.audience in _listed(audience)
    yield Check("audience", is_meant, note, _shown(server.audience), _shown(audience))
    client, scopes = claims.get("cid"), claims.get("scp")
    note = f"cid is {_shown(client)}"
    yield Check("client", isinstance(client, str), note, "a client id", _shown(client))
    note = f"scp is {_shown(scopes)}"
    yield Check("scopes", isinstance(scopes, list), note, "a list of scopes", _shown(scopes))


def _times(claims: Mapping[str, Any], now: float) -> Iterator[Check]:
    """Check the times (RFC 7519 section 4.1). Only ``exp`` is required."""
    expires = claims.get("exp")
    when = _when(expires, now)
    is_future = _is_time(expires) and expires > now
    yield Check("expiry", is_future, f"exp is {when}", f"after {_date(now)}", when)
    for name, what in (("nbf", "not before"), ("iat", "issued")):
        if name in claims:
            value = claims[name]
            when = _when(value, now)
            is_past = _is_time(value) and value <= now
            yield Check(what, is_past, f"{name} is {when}", f"until {_date(now)}", when)


def _object(part: str) -> dict[str, Any] | None:
    try:
        decoded = urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
        document = json.loads(decoded)
    except (Base64Error, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _is_signed(token: str, jwk: Mapping[str, Any]) -> bool:
    unchecked: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    unchecked |= {"verify_aud": False, "verify_sub": False, "verify_jti": False}
    key = jwt.PyJWK(dict(jwk), algorithm="RS256")
    try:
        jwt.decode(token, key, algorithms=["RS256"], options=unchecked)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return False
    return True


def _name(keys: HookKeyStore, key_id: str) -> str:
    return next((key["name"] for key in keys.list() if key["keyId"] == key_id), "")


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e11


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _when(value: Any, now: float) -> str:
    if not _is_time(value):
        return f"{_shown(value)}, not a time"
    seconds = int(value - now)
    return f"{_date(value)}, {abs(seconds)} seconds {'from now' if seconds >= 0 else 'ago'}"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _shown(value: Any) -> str:
    """Return a value as shortened JSON."""
    if value is None:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:120] + "…"
