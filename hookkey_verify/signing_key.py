"""SigningKey signs the access tokens of a token endpoint. Pure.

The default is ES256, the fastest supported algorithm for signing and verifying together
(``python -m tests.bench.token_endpoint``).
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from ._jose.jwk import SYNONYMS, PublicKey, is_kid
from .errors import ConfigurationError, KeyRejectedError

__all__ = ["SigningKey"]

Algorithm = Literal["ES256", "EdDSA", "RS256"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_PKCS1V15 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())
_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")


class SigningKey:
    """A private key: P-256 (ES256), Ed25519 (EdDSA) or RSA (RS256). Immutable and thread-safe.

    ``public_key``: the public key.
    ``algorithm``: the algorithm of its signatures.
    ``kid``: the given kid, or the RFC 7638 thumbprint, which is the same in every process.

    For example:

    >>> from hookkey_verify.signing_key import SigningKey
    >>> SigningKey.generate().public_key.algorithm
    'ES256'
    """

    def __init__(self, private_key: PrivateKey | str | bytes, kid: str | None = None) -> None:
        """Create a signing key.

        ``private_key``: a key object or an unencrypted PEM, such as the output of
            ``openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256``.
        ``kid``: 1 to 255 printable ASCII characters. Default None: the RFC 7638 thumbprint.

        Raises ``ConfigurationError`` naming the argument.
        """
        key = _loaded(private_key)
        if kid is not None and not is_kid(kid):
            raise ConfigurationError("kid must be 1 to 255 printable ASCII characters")
        try:
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            public = PublicKey.from_pem("x", pem)
            public = PublicKey.from_pem(kid or public.thumbprint, pem)
        except KeyRejectedError:
            public = None
        if public is None:
            raise ConfigurationError("private_key must be P-256, Ed25519, or RSA of 2048 bits")
        self.public_key = public
        self.kid = public.kid
        self.algorithm = public.algorithm
        self._sign = _signing(key)
        header = {"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid}  # RFC 9068 section 2.1
        self._header = _base64url(json.dumps(header, separators=(",", ":")).encode()) + b"."

    @classmethod
    def generate(cls, algorithm: Algorithm | Literal["Ed25519"] = "ES256") -> SigningKey:
        """Generate a key that exists only in this process. Raises ``ConfigurationError``.

        ``algorithm``: ES256 (the default), EdDSA (also named Ed25519) or RS256.
        """
        make: Any = _GENERATE.get(SYNONYMS.get(algorithm, algorithm))
        if make is None:
            raise ConfigurationError("algorithm must be ES256, EdDSA (Ed25519) or RS256")
        return cls(make())

    @classmethod
    def from_file(cls, path: str | PathLike[str], kid: str | None = None) -> SigningKey:
        """Read a PEM from a file. Raises ``ConfigurationError`` naming the file."""
        try:
            data = Path(path).read_bytes()
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from None
        try:
            return cls(data, kid)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error.detail}") from None

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, kid={self.kid!r})"

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a SigningKey contains a private key and cannot be pickled or copied"
        )

    def sign(self, payload: bytes) -> bytes:
        """Return a compact access token with exactly this payload (RFC 7515)."""
        signing_input = self._header + _base64url(payload)
        return signing_input + b"." + _base64url(self._sign(signing_input))


def _signing(key: PrivateKey) -> Callable[[bytes], bytes]:
    if isinstance(key, rsa.RSAPrivateKey):
        return lambda data: key.sign(data, _PKCS1V15, _SHA256)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, _ECDSA_SHA256))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")  # RFC 7518 section 3.4

    return sign


def _loaded(key: Any) -> PrivateKey:
    if isinstance(key, str | bytes):
        pem = key.encode("utf-8", "replace") if isinstance(key, str) else key
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
    if not isinstance(key, PrivateKey):
        raise ConfigurationError("private_key must be an unencrypted PEM of P-256, Ed25519 or RSA")
    return key


def _base64url(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(_TO_BASE64URL, b"=")


_GENERATE = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
