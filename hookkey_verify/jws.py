"""Compact token to parts, strictly: steps 1 to 3 of a verification. Pure, no cryptography.

RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practices). Everything that can be refused
without a key is refused here, so that a token which could never be good costs no key look-up.
"""

from __future__ import annotations

from typing import Any

from .encoding import EncodingError, base64url_decode, json_object
from .errors import (
    AlgorithmError,
    MalformedTokenError,
    TokenTooLargeError,
    TokenTypeError,
    UnsupportedHeaderError,
)
from .jwk import is_kid

__all__ = ["HeaderRules", "Signed", "parse"]

MAX_LEARNED = 64

# RFC 7515 section 4.1.11 (crit), RFC 7797 section 7 (b64), RFC 7516 (enc, zip). Presence decides,
# not the value: jose's `crit: []` and Authlib's unread crit were both advisories.
_REFUSED_MEMBERS = frozenset({"crit", "b64", "enc", "zip"})


Signed = tuple[bytes, bytes, bytes, bytes]
"""Of a token: its octets, the encoded header, what is signed, and the decoded signature."""


class HeaderRules:
    """Which headers are accepted, and a small memory of those that headed a verified token.

    Tokens of one key share their header to the octet, so reading it once is enough. ``learned``
    maps those octets to the header. Only ``learn`` adds to it, and it is called after the signature
    held: an attacker cannot fill it.
    """

    __slots__ = ("_algorithms", "_token_types", "learned")

    def __init__(self, algorithms: frozenset[str], token_types: frozenset[str]) -> None:
        """Take the accepted values of ``alg``, and of ``typ`` in lower case."""
        self._algorithms = algorithms
        self._token_types = token_types
        self.learned: dict[bytes, dict[str, Any]] = {}

    def read(self, encoded: bytes) -> dict[str, Any]:
        """Decode and check a header, or raise the ``HookVerificationError`` that says why not."""
        try:
            header = json_object(base64url_decode(encoded))
        except EncodingError as error:
            raise MalformedTokenError(f"the header {error}") from None
        self._check(header)
        return header

    def learn(self, encoded: bytes, header: dict[str, Any]) -> None:
        """Remember a header with which a signature held."""
        if len(self.learned) >= MAX_LEARNED:  # more than an org has keys: start over
            self.learned.clear()
        if all(type(value) is str for value in header.values()):  # nothing to mutate
            self.learned[encoded] = header

    def _check(self, header: dict[str, Any]) -> None:
        algorithm = header.get("alg")
        if type(algorithm) is not str or algorithm not in self._algorithms:
            raise AlgorithmError(f"only {', '.join(sorted(self._algorithms))} is accepted")
        # jku, jwk, x5u, x5c are attacker input (RFC 8725 section 3.10): never read, so not refused.
        if not _REFUSED_MEMBERS.isdisjoint(header):
            raise UnsupportedHeaderError("crit, b64, enc and zip are refused")
        if "typ" in header and not _type_allowed(header["typ"], self._token_types):
            raise TokenTypeError(f"typ must be absent or {' or '.join(sorted(self._token_types))}")
        if "kid" in header and not is_kid(header["kid"]):
            raise MalformedTokenError("kid is not a string of 1 to 255 printable ASCII characters")


def parse(
    token: object, max_bytes: int, rules: HeaderRules
) -> tuple[dict[str, Any], dict[str, Any], Signed]:
    """Take a token (str or bytes, at most ``max_bytes``) apart: header, claims, and the rest.

    Nothing of it is verified. Raises the ``HookVerificationError`` that says why not.
    """
    if not isinstance(token, str | bytes):
        raise MalformedTokenError("a token is str or bytes")
    if len(token) > max_bytes:
        raise TokenTooLargeError("it is longer than max_token_bytes allows")
    # Anything that is not ASCII becomes "?", which base64url does not have.
    octets = token if isinstance(token, bytes) else token.encode("ascii", "replace")
    signing_input, _, encoded_signature = octets.rpartition(b".")
    encoded_header, dot, encoded_claims = signing_input.partition(b".")
    if not dot or b"." in encoded_claims:
        raise MalformedTokenError("it is not three segments joined by dots")
    if not (encoded_header and encoded_claims and encoded_signature):
        raise MalformedTokenError("it has an empty segment")
    header = rules.learned.get(encoded_header) or rules.read(encoded_header)
    part = "payload"
    try:
        claims = json_object(base64url_decode(encoded_claims))
        part = "signature"
        signature = base64url_decode(encoded_signature)
    except EncodingError as error:
        raise MalformedTokenError(f"the {part} {error}") from None
    return header, claims, (octets, encoded_header, signing_input, signature)


def _type_allowed(typ: object, token_types: frozenset[str]) -> bool:
    """RFC 7515 section 4.1.9: a media type; case does not matter, application/ may be left out."""
    return type(typ) is str and typ.lower().removeprefix("application/") in token_types
