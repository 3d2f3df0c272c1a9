"""HookSigner: signs what Okta would sign. For tests, emulation and the service's own tokens.

Imports no other room than errors and clock, so that the emulator can use it without knowing how we
read tokens.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

from .clock import Clock, wall_clock
from .errors import ConfigurationError

__all__ = ["HookSigner"]

_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)
_KID = re.compile(r"[\x20-\x7e]{1,255}")


class HookSigner:
    """Signs JWTs with RS256 under one ``kid``. Immutable and thread-safe.

    The key is parsed once, here: handing PyJWT a PEM at each call costs over a hundred times as
    much as handing it the key object.
    """

    def __init__(
        self, private_key: rsa.RSAPrivateKey | str | bytes, kid: str, *, clock: Clock = wall_clock
    ) -> None:
        """Take an RSA private key (2048 bits or more; object or unencrypted PEM) and its kid.

        ``clock`` returns epoch seconds. Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(kid, str) or not _KID.fullmatch(kid):
            raise ConfigurationError("kid must be 1 to 255 printable ASCII characters")
        self._key = _private_key(private_key)
        self._clock = clock
        self.kid = kid

    @classmethod
    def generate(
        cls, kid: str | None = None, *, bits: int = 2048, clock: Clock = wall_clock
    ) -> HookSigner:
        """Make a new key pair. ``kid`` None takes a random UUID, as Okta's key ids are.

        Raises ``ConfigurationError`` for fewer than 2048 or more than 8192 bits.
        """
        if type(bits) is not int or not 2048 <= bits <= 8192:
            raise ConfigurationError("bits must be an integer from 2048 to 8192")
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        return cls(key, str(uuid.uuid4()) if kid is None else kid, clock=clock)

    def __repr__(self) -> str:
        return f"HookSigner(kid={self.kid!r})"

    def __reduce__(self) -> Any:
        raise ConfigurationError("a HookSigner holds a private key and is not pickled or copied")

    def client_assertion(self, *, client_id: str, token_url: str, lifetime: float = 300) -> str:
        """Sign a client assertion as Okta's authorization servers accept it (RFC 7523 section 3).

        iss = sub = ``client_id``, aud = ``token_url``, iat = now, exp = now + ``lifetime`` seconds
        (Okta accepts up to 3600), jti random. Which of iat and jti Okta's own hook assertions carry
        is not documented (https://developer.okta.com/docs/guides/build-self-signed-jwt/).

        Raises ``ConfigurationError`` naming the argument.
        """
        for name, value in (("client_id", client_id), ("token_url", token_url)):
            if not isinstance(value, str) or not value.strip():
                raise ConfigurationError(f"{name} must be a non-empty string")
        if type(lifetime) not in (int, float) or not math.isfinite(lifetime) or lifetime <= 0:
            raise ConfigurationError("lifetime must be a positive number of seconds")
        now = int(self._clock())
        return self.sign(
            {
                "iss": client_id,
                "sub": client_id,
                "aud": token_url,
                "iat": now,
                "exp": now + math.ceil(lifetime),
                "jti": str(uuid.uuid4()),
            }
        )

    def sign(self, claims: Mapping[str, Any], *, headers: Mapping[str, Any] | None = None) -> str:
        """Sign any claims, exactly as given; nothing is added to them or checked.

        ``headers`` are added to ``{"alg": "RS256", "typ": "JWT", "kid": …}``; a value of None
        removes a member, and ``alg`` cannot be changed. Raises ``ConfigurationError`` when claims
        or headers cannot be written as JSON.
        """
        added = {} if headers is None else headers
        if not isinstance(added, Mapping) or not isinstance(claims, Mapping):
            raise ConfigurationError("claims and headers must be mappings")
        if "alg" in added:
            raise ConfigurationError("headers cannot change alg: this signer only signs RS256")
        header = {"alg": "RS256", "typ": "JWT", "kid": self.kid, **added}
        return self.sign_octets(
            _json("headers", {k: v for k, v in header.items() if v is not None}),
            _json("claims", dict(claims)),
        )

    def sign_octets(self, header: bytes, payload: bytes) -> str:
        """Sign exactly these header and payload octets, whatever they say.

        For tests of verifiers: duplicate members, lying headers, text that is not JSON.
        """
        signing_input = base64url_encode(header) + b"." + base64url_encode(payload)
        signature = base64url_encode(_RS256.sign(signing_input, self._key))
        return (signing_input + b"." + signature).decode("ascii")

    def public_jwk(self) -> dict[str, str]:
        """Return the public half as a JWK that JOSE libraries import."""
        jwk = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        members = {"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}
        return {**members, "kid": self.kid, "use": "sig", "alg": "RS256"}


def _private_key(key: object) -> rsa.RSAPrivateKey:
    if isinstance(key, str | bytes):
        pem = key.encode("utf-8", "replace") if isinstance(key, str) else key
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(
            "private_key must be an RSA private key or an unencrypted PEM of one"
        )
    if key.key_size < 2048:  # RFC 7518 section 3.3
        raise ConfigurationError("private_key must have 2048 bits or more")
    return key


def _json(name: str, value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    raise ConfigurationError(f"{name} cannot be written as JSON")
