"""Creates a ``VerifiedHook`` without a token, for tests of handlers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ClaimError, ConfigurationError
from ..verifier import VerifiedHook

__all__ = ["verified_hook"]

CLAIMS: Mapping[str, Any] = {
    "ver": 1,
    "jti": "AT.example",
    "iss": "https://acme.okta.com/oauth2/aus1hooks",
    "aud": "api://hooks",
    "sub": "0oa1hookclient4x7",
    "cid": "0oa1hookclient4x7",
    "scp": ["hooks"],
    "iat": 1_800_000_000,
    "exp": 1_800_003_600,
}
"""Claims of an access token of an Okta custom authorization server, as Okta documents them.
https://developer.okta.com/docs/reference/api/oidc/#access-token-payload"""


def verified_hook(
    claims: Mapping[str, Any] | None = None,
    *,
    header: Mapping[str, Any] | None = None,
    kid: str = "test",
    key_thumbprint: str = "",
) -> VerifiedHook:
    """Return the hook that a verifier returns for a token with these claims, without verifying.

    ``claims``: all claims. Default None: those of an Okta access token.
    ``header``: the JOSE header. Default None: ``{"alg": "RS256", "kid": kid}``.
    ``kid``: the id of the signing key. Default: "test".
    ``key_thumbprint``: the RFC 7638 thumbprint of that key. Default: empty.

    Raises ``ConfigurationError`` for claims that no verifier accepts, such as a numeric ``aud``.
    """
    if not isinstance(claims, Mapping | None) or not isinstance(header, Mapping | None):
        raise ConfigurationError('claims and header must be mappings such as {"cid": "0oa1"}')
    hook = VerifiedHook(
        dict(CLAIMS if claims is None else claims),
        {"alg": "RS256", "kid": kid} if header is None else dict(header),
        kid,
        key_thumbprint,
    )
    for name in ("iss", "sub", "jti"):
        if not isinstance(hook.claims.get(name, ""), str):
            raise ConfigurationError(f"claims: {name} must be a string")
    for name in ("exp", "iat", "nbf"):
        if type(hook.claims.get(name, 0)) not in (int, float):
            raise ConfigurationError(f"claims: {name} must be a number")
    try:
        _ = hook.audience, hook.client_id, hook.scopes
    except ClaimError as error:
        problem = f"claims: {error.claim} {error.detail}"
        raise ConfigurationError(problem) from None
    return hook
