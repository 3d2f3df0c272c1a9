"""The access tokens for Okta's own API, with or without DPoP. Pure.

PyJWT verifies proofs, so this is independent of how this package signs them.
https://developer.okta.com/docs/guides/dpop/
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from .._runtime.clock import Clock
from .oauth_error import OAuthError, invalid_client
from .okta_error import OktaError
from .public_keys import ALGORITHMS, ClientPublicKey, base64url
from .service_apps import TIMELESS, ServiceApps, is_date

__all__ = ["OrgTokens"]

LIFETIME = 3600
PROOF_AGE = 300  # GUESS: the maximum age of a proof is not documented


@dataclass(frozen=True, slots=True)
class _Grant:
    scopes: frozenset[str]
    expires_at: float
    thumbprint: str | None


class OrgTokens:
    """The org authorization server, which issues access tokens to service apps. Thread-safe."""

    def __init__(self, apps: ServiceApps, clock: Clock) -> None:
        """Create a server without tokens. Tokens are always in memory.

        ``apps``: the apps of the org.
        ``clock``: a function that returns epoch seconds.
        """
        self._apps = apps
        self._clock = clock
        self._grants: dict[str, _Grant] = {}
        self.nonce = secrets.token_urlsafe(16)

    def revoke_all(self) -> None:
        """Revoke all tokens."""
        self._grants.clear()

    def grant(self, form: Mapping[str, str], proof: str, url: str) -> dict[str, Any]:
        """Answer a token request to ``url`` for Okta's own API. Raises ``OAuthError``."""
        client_id, allowed = self._apps.authenticate(form, url)
        if not self._apps.keys(
            client_id
        ):  # private_key_jwt is the only method for Okta's own scopes
            raise invalid_client("client_assertion_type is invalid.")
        wanted = frozenset(form.get("scope", "").split())
        if not wanted or not wanted <= allowed:
            raise OAuthError(400, "invalid_scope", "One or more scopes are not configured.")
        dpop = self._apps.requires_dpop(client_id)
        # Okta's Node SDK sends a proof for every app, including apps with Bearer tokens.
        thumbprint = self._proven(proof, "POST", url, None) if dpop else None
        token = secrets.token_urlsafe(32)
        self._grants[token] = _Grant(wanted, self._clock() + LIFETIME, thumbprint)
        return {
            "token_type": "DPoP" if dpop else "Bearer",
            "expires_in": LIFETIME,
            "access_token": token,
            "scope": " ".join(sorted(wanted)),
        }

    def check(self, authorization: str, proof: str, method: str, url: str, scope: str) -> None:
        """Check the access token of an API request.

        ``authorization``: the ``Authorization`` header.
        ``proof``: the ``DPoP`` header; empty if absent.
        ``method``: the request method.
        ``url``: the request URL without the query.
        ``scope``: the scope that the request requires.

        Raises ``OktaError``.
        """
        scheme, _, token = authorization.partition(" ")
        grant = self._grants.get(token)
        if grant is None or grant.expires_at <= self._clock():
            raise _invalid_token(scheme)
        if scheme != ("Bearer" if grant.thumbprint is None else "DPoP"):
            raise _invalid_token(scheme)
        if grant.thumbprint is not None:
            try:
                thumbprint = self._proven(proof, method, url, token)
            except OAuthError:
                thumbprint = ""
            if thumbprint != grant.thumbprint:
                raise _invalid_token(scheme)
        if scope not in grant.scopes:
            words = "The access token provided does not contain the required scopes."
            challenge = _challenge(scheme, "insufficient_scope", words)
            summary = "You do not have permission to perform the requested action"
            raise OktaError(403, "E0000006", summary, challenge=challenge)

    def _proven(self, proof: str, method: str, url: str, token: str | None) -> str:
        """Return the thumbprint of the key of a valid proof for this request."""
        try:
            key = ClientPublicKey.of(dict(jwt.get_unverified_header(proof)["jwk"]))
            claims = jwt.decode(
                proof,
                key.key,
                algorithms=key.algorithms,
                options={**TIMELESS, "require": ["jti", "htm", "htu", "iat"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise OAuthError(400, "invalid_dpop_proof", "The DPoP proof is invalid.") from None
        if token is None and claims.get("nonce") != self.nonce:
            raise OAuthError(
                400,
                "use_dpop_nonce",
                "Authorization server requires nonce in DPoP proof.",
                nonce=self.nonce,
            )
        expected: dict[str, Any] = {"htm": method, "htu": url}
        if token is not None:
            expected["ath"] = base64url(hashlib.sha256(token.encode()).digest())
        is_recent = is_date(claims["iat"]) and abs(self._clock() - claims["iat"]) < PROOF_AGE
        if not is_recent or {name: claims.get(name) for name in expected} != expected:
            raise OAuthError(400, "invalid_dpop_proof", "The DPoP proof is not for this request.")
        self._apps.use(claims["jti"])
        return key.thumbprint


def _invalid_token(scheme: str) -> OktaError:
    challenge = _challenge(scheme, "invalid_token", "The access token is invalid.")
    return OktaError(401, "E0000011", "Invalid token provided", challenge=challenge)


def _challenge(scheme: str, error: str, description: str) -> str:
    """Return Okta's ``WWW-Authenticate`` of a 403 (RFC 6750 section 3, RFC 9449 section 7.1).

    GUESS: a 401 has it too.
    """
    algorithms = " ".join(ALGORITHMS)
    head = f'DPoP algs="{algorithms}", ' if scheme == "DPoP" else "Bearer "
    return f'{head}error="{error}", error_description="{description}"'
