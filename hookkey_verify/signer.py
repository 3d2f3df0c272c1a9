"""HookSigner signs JWTs as Okta does, for tests, the emulator and your own tokens.

It shares no code with the verifier, so that a mistake in one cannot hide the same mistake in the
other.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from ._arguments import seconds, text
from ._runtime.clock import Clock, wall_clock
from .errors import ConfigurationError

__all__ = ["HookSigner"]

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)
_CURVES = {
    "secp256r1": ("ES256", ECAlgorithm(ECAlgorithm.SHA256)),
    "secp384r1": ("ES384", ECAlgorithm(ECAlgorithm.SHA384)),
    "secp521r1": ("ES512", ECAlgorithm(ECAlgorithm.SHA512)),
}
_KID = re.compile(r"[\x20-\x7e]{1,255}")


class HookSigner:
    """Signs JWTs with one private key and one ``kid``. Immutable and thread-safe.

    ``algorithm`` is RS256 for RSA keys, which Okta uses, and ES256, ES384 or ES512 for EC keys,
    depending on the curve. The PEM is parsed only once, because parsing it takes over a hundred
    times as long as signing.

    For example:

    >>> from hookkey_verify import HookSigner
    >>> okta = HookSigner.generate("key-1")
    >>> token = okta.client_assertion(client_id="0oa1", token_url="https://hooks.acme.com/token")
    >>> token.count("."), okta.public_jwk()["kid"]
    (2, 'key-1')
    """

    def __init__(
        self, private_key: PrivateKey | str | bytes, kid: str, *, clock: Clock = wall_clock
    ) -> None:
        """Create a signer.

        ``private_key``: RSA of 2048 bits or more, P-256, P-384 or P-521; an object or an
            unencrypted PEM.
        ``kid``: 1 to 255 printable ASCII characters, for the header.
        ``clock``: a function that returns epoch seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(kid, str) or not _KID.fullmatch(kid):
            raise ConfigurationError("kid must be 1 to 255 printable ASCII characters")
        self._key: Any = _private_key(private_key)
        self.algorithm, self._signs = _algorithm_of(self._key)
        self._clock = clock
        self.kid = kid

    @classmethod
    def generate(
        cls, kid: str | None = None, *, bits: int = 2048, clock: Clock = wall_clock
    ) -> HookSigner:
        """Generate an RSA key pair of ``bits`` (2048 to 8192, default 2048).

        ``kid`` None (the default) makes a random UUID, like Okta's key ids. Raises
        ``ConfigurationError`` naming the argument.
        """
        if type(bits) is not int or not 2048 <= bits <= 8192:
            raise ConfigurationError("bits must be an integer from 2048 to 8192")
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        return cls(key, str(uuid.uuid4()) if kid is None else kid, clock=clock)

    def __repr__(self) -> str:
        return f"HookSigner(kid={self.kid!r})"

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a HookSigner contains a private key and cannot be pickled or copied"
        )

    def client_assertion(self, *, client_id: str, token_url: str, lifetime: float = 300) -> str:
        """Sign a client assertion as Okta's authorization servers accept it (RFC 7523 section 3).

        iss = sub = ``client_id``, aud = ``token_url``, iat = now, exp = now + ``lifetime`` seconds
        (Okta accepts up to 3600), jti random. Which of iat and jti Okta's own hook assertions carry
        is not documented (https://developer.okta.com/docs/guides/build-self-signed-jwt/).

        Raises ``ConfigurationError`` naming the argument.
        """
        now, lifetime = int(self._clock()), seconds("lifetime", lifetime, 1e-3)
        return self.sign(
            {
                "iss": text("client_id", client_id),
                "sub": client_id,
                "aud": text("token_url", token_url),
                "iat": now,
                "exp": now + math.ceil(lifetime),
                "jti": str(uuid.uuid4()),
            }
        )

    def sign(self, claims: Mapping[str, Any], *, headers: Mapping[str, Any] | None = None) -> str:
        """Sign any claims, exactly as given; nothing is added to them or checked.

        ``headers`` are added to ``{"alg": …, "typ": "JWT", "kid": …}``; a value of None removes a
        member, and ``alg`` cannot be changed. Raises ``ConfigurationError`` when claims
        or headers cannot be written as JSON.
        """
        added = {} if headers is None else headers
        if not isinstance(added, Mapping) or not isinstance(claims, Mapping):
            raise ConfigurationError("claims and headers must be mappings")
        if "alg" in added:
            raise ConfigurationError(f"headers cannot change alg: this key signs {self.algorithm}")
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **added}
        return self.sign_bytes(
            _json("headers", {k: v for k, v in header.items() if v is not None}),
            _json("claims", dict(claims)),
        )

    def sign_bytes(self, header: bytes, payload: bytes) -> str:
        """Sign exactly this header and payload, without checking them.

        Use it to test verifiers with duplicate members, false headers or text that is not JSON.
        """
        signing_input = base64url_encode(header) + b"." + base64url_encode(payload)
        signature = base64url_encode(self._signs(signing_input, self._key))
        return (signing_input + b"." + signature).decode("ascii")

    def public_jwk(self) -> dict[str, str]:
        """Return the public key as a JWK that JOSE libraries import."""
        rest = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if isinstance(self._key, rsa.RSAPrivateKey):
            jwk = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
            return {"kty": "RSA", "n": jwk["n"], "e": jwk["e"], **rest}
        jwk = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {**{name: jwk[name] for name in ("kty", "crv", "x", "y")}, **rest}


def _algorithm_of(key: PrivateKey) -> tuple[str, Callable[[bytes, Any], bytes]]:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256", _RS256.sign
    name, algorithm = _CURVES[key.curve.name]
    return name, algorithm.sign


def _private_key(key: object) -> PrivateKey:
    if isinstance(key, str | bytes):
        pem = key.encode("utf-8", "replace") if isinstance(key, str) else key
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(
            "private_key must be a private key, or an unencrypted PEM of one: RSA, P-256, P-384 or "
            "P-521"
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
