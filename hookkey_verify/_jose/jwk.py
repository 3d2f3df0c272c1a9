"""PublicKey, which is imported from a JWK, a PEM or Okta's key document. Pure.

Okta sends ``{"kty":"RSA","alg":"RSA","use":null,"kid":…,"e":"AQAB","n":…}``, bare or inside
``_embedded``. JOSE libraries reject this document, because "RSA" is not a JWA algorithm and null is
not an RFC 7517 use. ``PublicKey.as_jwk()`` returns the form that they accept.

Formats: RFC 7517 and RFC 7518 section 6;
https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ..errors import KeyRejectedError
from .encoding import EncodingError, base64url_decode

__all__ = ["ALGORITHMS", "SYNONYMS", "PublicKey", "is_kid"]

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""The supported algorithms: RSASSA-PKCS1-v1_5 with SHA-256, ECDSA P-256 with SHA-256, Ed25519."""

SYNONYMS: Final[Mapping[str, str]] = {"Ed25519": "EdDSA"}
"""Alternative names of these algorithms (RFC 9864 section 2.2)."""

MIN_RSA_BITS = 2048  # RFC 7518 section 3.3
MAX_RSA_BITS = 8192  # a larger key would make each verification take milliseconds
MIN_RSA_EXPONENT = 65537
MAX_RSA_EXPONENT = 2**32 - 1

_PKCS1V15 = padding.PKCS1v15()
# The DER encoding of DigestInfo for SHA-256 without the digest (RFC 8017 section 9.2, note 1).
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_KID = re.compile(r"[\x20-\x7e]{1,255}")

_Check = Callable[[bytes, bytes], object]


def is_kid(value: object) -> bool:
    """Return whether the value is a supported kid: 1 to 255 printable ASCII characters."""
    return isinstance(value, str) and _KID.fullmatch(value) is not None


class PublicKey:
    """A public key that is bound to one kid and one algorithm. Immutable.

    ``kid``: the key id.
    ``algorithm``: the only ``alg`` that this key verifies.
    ``thumbprint``: the RFC 7638 thumbprint (SHA-256, base64url).

    For example:

    >>> from hookkey_verify import HookSigner, PublicKey
    >>> signer = HookSigner.generate("key-1")
    >>> okta_sends = {**signer.public_jwk(), "alg": "RSA", "use": None}
    >>> key = PublicKey.from_document(okta_sends, expected_kid="key-1")
    >>> key.as_jwk() == signer.public_jwk()
    True
    """

    __slots__ = ("_check", "_members", "algorithm", "kid", "thumbprint")

    kid: str
    algorithm: str
    thumbprint: str
    _members: dict[str, str]
    _check: _Check

    def __init__(self, kid: str, algorithm: str, members: Mapping[str, str], check: _Check) -> None:
        set_once = object.__setattr__
        set_once(self, "kid", kid)
        set_once(self, "algorithm", algorithm)
        set_once(self, "_members", dict(members))
        set_once(self, "_check", check)
        set_once(self, "thumbprint", _thumbprint(members))

    @classmethod
    def from_document(
        cls,
        document: object,
        *,
        expected_kid: str | None,
        algorithms: Collection[str] = ("RS256",),
    ) -> PublicKey:
        """Import a JWK, or an Okta hook key whose JWK is inside ``_embedded``.

        ``document``: the parsed JSON.
        ``expected_kid``: the kid that the document must have; None accepts any kid.
        ``algorithms``: the algorithms that the key may be for; default RS256 only.

        Raises ``KeyRejectedError`` naming the member that is wrong: a different kid or kty, private
        members, a ``use`` or ``alg`` that is not for signatures, an RSA key of fewer than 2048 or
        more than 8192 bits, an even modulus, an exponent below 65537, or base64url that is padded,
        not canonical or malformed.
        """
        jwk = _unwrap(document)
        kid = jwk.get("kid")
        if not isinstance(kid, str) or not is_kid(kid):
            raise KeyRejectedError("kid must be a string of 1 to 255 printable ASCII characters")
        if expected_kid is not None and kid != expected_kid:
            raise KeyRejectedError("kid is not the requested one")
        _refuse_other_uses(jwk)
        algorithm = _algorithm(jwk, algorithms)
        members, check = _IMPORTERS[algorithm](jwk)
        return cls(kid, algorithm, members, check)

    @classmethod
    def from_pem(cls, kid: str, pem: str | bytes) -> PublicKey:
        """Import a PEM public key ("BEGIN PUBLIC KEY": RSA, P-256 or Ed25519) with this kid.

        Raises ``KeyRejectedError`` for other content, by the same rules as ``from_document``.
        """
        data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
        if not isinstance(data, bytes):
            raise KeyRejectedError("the PEM must be str or bytes")
        if b"PRIVATE KEY" in data:
            raise KeyRejectedError("the PEM is a private key; pass the public key")
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 8 ms

        try:
            key = serialization.load_pem_public_key(data)
            document = _jwk_of(key)
        except Exception:
            document = None
        if document is None:
            raise KeyRejectedError("the PEM is not an RSA, P-256 or Ed25519 public key")
        return cls.from_document({**document, "kid": kid}, expected_kid=kid, algorithms=ALGORITHMS)

    def __setattr__(self, name: str, *_: object) -> None:
        raise AttributeError(f"PublicKey is immutable: {name}")

    __delattr__ = __setattr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return (self.kid, self.thumbprint) == (other.kid, other.thumbprint)

    def __hash__(self) -> int:
        return hash((self.kid, self.thumbprint))

    def __repr__(self) -> str:
        return f"PublicKey(kid={self.kid!r}, {self.algorithm}, thumbprint={self.thumbprint!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.as_jwk(),)

    def verify(self, signature: bytes, signing_input: bytes) -> bool:
        """Return whether this key made the signature (RFC 7515 section 5.2)."""
        try:
            self._check(signature, signing_input)
        except InvalidSignature:
            return False
        return True

    def as_jwk(self) -> dict[str, str]:
        """Return a new JWK that JOSE libraries can import (``alg`` is a JWA name)."""
        return {**self._members, "kid": self.kid, "use": "sig", "alg": self.algorithm}


def _restore(jwk: dict[str, str]) -> PublicKey:
    return PublicKey.from_document(jwk, expected_kid=None, algorithms=ALGORITHMS)


def _unwrap(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise KeyRejectedError("the key document must be a JSON object")
    if "_embedded" not in document:
        return document
    inner = document["_embedded"]
    if not isinstance(inner, Mapping):
        raise KeyRejectedError("_embedded must be a JSON object")
    if "kty" in document or "n" in document:
        raise KeyRejectedError("the document has a key both outside and inside _embedded")
    if document.get("keyId", inner.get("kid")) != inner.get("kid"):
        raise KeyRejectedError("keyId must be the kid of the key inside _embedded")
    return inner


def _refuse_other_uses(jwk: Mapping[str, Any]) -> None:
    for member in _PRIVATE_MEMBERS:
        if member in jwk:
            raise KeyRejectedError(f"{member} belongs to a private key; pass the public key")
    # Okta's published example has the string "null"; its servers send null.
    if jwk.get("use") not in (None, "null", "sig"):
        raise KeyRejectedError("use must be sig, null or absent")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not all(isinstance(each, str) for each in operations):
        raise KeyRejectedError("key_ops must be a list of strings")
    if "verify" not in operations or len(set(operations)) != len(operations):
        raise KeyRejectedError(
            "key_ops must contain verify and no duplicates (RFC 7517 section 4.3)"
        )


def _algorithm(jwk: Mapping[str, Any], accepted: Collection[str]) -> str:
    """Return the algorithm that this key is for, if it is accepted."""
    kty, alg = jwk.get("kty"), jwk.get("alg")
    algorithm = _ALGORITHM_OF.get(kty) if isinstance(kty, str) else None
    if algorithm is None or algorithm not in accepted:
        kinds = " or ".join(t for t, name in _ALGORITHM_OF.items() if name in accepted)
        raise KeyRejectedError(f"kty must be {kinds}")
    if alg is None or alg == "RSA" == kty:  # Okta writes the key type into alg
        return algorithm
    if not isinstance(alg, str) or SYNONYMS.get(alg, alg) != algorithm:
        raise KeyRejectedError(f"alg must be absent or {algorithm}")
    return algorithm


def _decoded(jwk: Mapping[str, Any], member: str) -> bytes:
    value = jwk.get(member)
    if not isinstance(value, str) or not value:
        raise KeyRejectedError(f"{member} must be a non-empty string")
    try:
        return base64url_decode(value.encode("utf-8", "replace"))
    except EncodingError as error:
        raise KeyRejectedError(f"{member} {error}") from None


def _integer(jwk: Mapping[str, Any], member: str) -> int:
    data = _decoded(jwk, member)
    if data[0] == 0:  # RFC 7518 section 2: Base64urlUInt has no leading zeros
        raise KeyRejectedError(f"{member} must not begin with a zero byte")
    return int.from_bytes(data, "big")


def _import_rsa(jwk: Mapping[str, Any]) -> tuple[dict[str, str], _Check]:
    n, e = _integer(jwk, "n"), _integer(jwk, "e")
    if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
        raise KeyRejectedError(
            f"n has {n.bit_length()} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted"
        )
    if n % 2 == 0:
        raise KeyRejectedError("n is even, so it is not an RSA modulus")
    if not MIN_RSA_EXPONENT <= e <= MAX_RSA_EXPONENT or e % 2 == 0:
        raise KeyRejectedError("e must be odd, at least 65537 and below 2**32")
    if _has_roca_fingerprint(n):
        raise KeyRejectedError("n was generated with the ROCA weakness (CVE-2017-15361)")
    recover = rsa.RSAPublicNumbers(e, n).public_key().recover_data_from_signature
    size = (n.bit_length() + 7) // 8

    def check(signature: bytes, signing_input: bytes) -> None:
        # RFC 8017 section 8.2.2: OpenSSL recovers the encoded digest and removes the padding. The
        # result is compared, never parsed, because parsers of it had vulnerabilities.
        # RSAPublicKey.verify gives the same verdict, but spends 7 % of its time finding the digest.
        expected = _DIGEST_INFO + hashlib.sha256(signing_input).digest()
        if len(signature) != size or recover(signature, _PKCS1V15, None) != expected:
            raise InvalidSignature

    return {"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}, check


def _import_p256(jwk: Mapping[str, Any]) -> tuple[dict[str, str], _Check]:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - not needed for RSA
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415
        encode_dss_signature,
    )

    if jwk.get("crv") != "P-256":
        raise KeyRejectedError("crv must be P-256")
    x, y = _decoded(jwk, "x"), _decoded(jwk, "y")
    if len(x) != 32 or len(y) != 32:
        raise KeyRejectedError("x and y must have 32 bytes")
    ecdsa = ec.ECDSA(hashes.SHA256())
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    )
    try:
        verify = numbers.public_key().verify
    except ValueError:
        raise KeyRejectedError("x and y are not a point of P-256") from None

    def check(signature: bytes, signing_input: bytes) -> None:
        if len(signature) != 64:  # RFC 7518 section 3.4: R and S, 32 bytes each
            raise InvalidSignature
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        verify(encode_dss_signature(r, s), signing_input, ecdsa)

    return {"kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"]}, check


def _import_ed25519(jwk: Mapping[str, Any]) -> tuple[dict[str, str], _Check]:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    if jwk.get("crv") != "Ed25519":
        raise KeyRejectedError("crv must be Ed25519")
    x = _decoded(jwk, "x")
    if len(x) != 32:
        raise KeyRejectedError("x must have 32 bytes")
    y = int.from_bytes(x, "little") & ~(1 << 255)  # the highest bit is the sign of x
    if y >= _ED25519_P:  # RFC 8032 section 5.1.3
        raise KeyRejectedError("x is not the canonical encoding of a point")
    if y in _SMALL_ORDER:
        raise KeyRejectedError("x is a point of small order, so signatures can be forged")
    members = {"kty": "OKP", "crv": "Ed25519", "x": jwk["x"]}
    return members, ed25519.Ed25519PublicKey.from_public_bytes(x).verify


_ED25519_P = 2**255 - 19
# The y coordinates of the eight points whose order divides 8: 1, -1, 0, and those of order 8
# (Chalkias et al., Taming the many EdDSAs, table 6). With such a key, one signature is valid for
# almost any message.
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = frozenset({0, 1, _ED25519_P - 1, _ORDER_8, _ED25519_P - _ORDER_8})

_ROCA_PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip


def _has_roca_fingerprint(n: int) -> bool:
    """Return whether n is a power of 65537 modulo all of these primes.

    All moduli from the weak generator are; other moduli are with a probability of 2**-27 (Nemec et
    al., The Return of Coppersmith's Attack, section 3.2).
    """
    return all(_is_power_of_65537(n % prime, prime) for prime in _ROCA_PRIMES)


def _is_power_of_65537(residue: int, prime: int) -> bool:
    power = 1
    for _ in range(prime):
        if power == residue:
            return True
        power = power * 65537 % prime
    return False


_ALGORITHM_OF = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
_IMPORTERS = {"RS256": _import_rsa, "ES256": _import_p256, "EdDSA": _import_ed25519}


def _thumbprint(members: Mapping[str, str]) -> str:
    """Return the SHA-256 over the required members (RFC 7638 section 3)."""
    canonical = json.dumps(dict(members), sort_keys=True, separators=(",", ":")).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _base64url_uint(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _jwk_of(key: object) -> dict[str, str] | None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415

    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _base64url_uint(numbers.n), "e": _base64url_uint(numbers.e)}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(key.public_bytes_raw())}
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        point = key.public_numbers()
        x, y = (_base64url(v.to_bytes(32, "big")) for v in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    return None
