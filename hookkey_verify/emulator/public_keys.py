"""The public keys of the org's clients, read by PyJWT. Pure."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

__all__ = ["ALGORITHMS", "ClientPublicKey", "base64url"]


@dataclass(frozen=True, slots=True)
class ClientPublicKey:
    """A public key for PyJWT with its algorithms."""

    key: Any
    algorithms: tuple[str, ...]
    thumbprint: str
    """The RFC 7638 thumbprint, because key objects cannot be compared."""

    @classmethod
    def of(cls, jwk: Mapping[str, Any]) -> ClientPublicKey:
        """Import a public RSA or EC key. Raises ``ValueError``."""
        kind = jwk.get("kty") if jwk.get("kty") == "RSA" else jwk.get("crv")
        algorithms = _ALGORITHMS.get(kind) if isinstance(kind, str) else None
        if algorithms is None or "d" in jwk:  # RFC 9449 section 4.3: private keys are refused
            raise ValueError("this is not a public RSA or EC key")
        members = {name: jwk.get(name) for name in _MEMBERS[str(jwk["kty"])]}
        try:
            key = jwt.PyJWK(members, algorithm=algorithms[0]).key
        except (jwt.PyJWTError, TypeError) as error:
            raise ValueError("the key cannot be read") from error
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
        return cls(key, algorithms, base64url(hashlib.sha256(canonical).digest()))


_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("RS256", "RS384", "RS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
}
"""The algorithms that Okta accepts, by key type or curve.
https://developer.okta.com/docs/guides/build-self-signed-jwt/"""
ALGORITHMS: Final = tuple(name for names in _ALGORITHMS.values() for name in names)
"""The accepted algorithms of assertions and DPoP proofs."""
_MEMBERS: Final = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


def base64url(data: bytes) -> str:
    """Encode bytes (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
