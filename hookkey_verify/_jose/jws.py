"""Strict parsing of compact JWTs: steps 1, 2 and 5 of a verification. Pure, no cryptography.

RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practices). ``read_claims`` reads
payloads whose signature has been verified; ``unverified_issuer`` reads only ``iss``.
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import Any

from ..errors import (
    AlgorithmError,
    MalformedTokenError,
    TokenTooLargeError,
    TokenTypeError,
    UnsupportedHeaderError,
)
from .encoding import (
    EncodingError,
    JsonLimits,
    base64url_decode,
    checked_base64,
    json_object,
    skimmed_member,
)
from .jwk import SYNONYMS, is_kid

__all__ = [
    "HeaderRules",
    "PayloadError",
    "Signed",
    "media_type",
    "read_claims",
    "split",
    "unverified_issuer",
]

MAX_HEADER = 2_048
"""The longest accepted encoded header in bytes; Okta's have about 100."""
MAX_REMEMBERED = 64
HEADER_LIMITS = JsonLimits(containers=8, members=16, values=16)

# RFC 7515 section 4.1.11 (crit), RFC 7797 section 7 (b64), RFC 7516 (enc, zip). Presence decides,
# not the value: accepting `crit: []` (jose) and ignoring crit (Authlib) were both vulnerabilities.
_REFUSED_MEMBERS = frozenset({"crit", "b64", "enc", "zip"})


Signed = tuple[bytes, bytes, bytes, bytes, bytes]
"""A token's bytes, encoded header, payload in base64, signing input, and signature in base64."""


class PayloadError(MalformedTokenError):
    """The signature is valid, but the payload is not a JSON object within the limits."""


class HeaderRules:
    """Decodes and checks token headers, and caches the headers of verified tokens.

    Tokens of one key have byte-identical headers, so reading each header once is enough. Only
    ``remember`` adds to the cache. The verifier calls it after verifying a signature, so an
    attacker cannot fill it.

    ``verified``: the cached headers, by their encoded bytes.
    """

    __slots__ = ("_algorithms", "_token_types", "_type_required", "verified")

    def __init__(
        self, algorithms: frozenset[str], token_types: frozenset[str], *, type_required: bool
    ) -> None:
        """Create rules.

        ``algorithms``: accepted values of ``alg``.
        ``token_types``: accepted values of ``typ``, as ``media_type`` returns them.
        ``type_required``: whether a header without ``typ`` is refused.
        """
        synonyms = {name for name, algorithm in SYNONYMS.items() if algorithm in algorithms}
        self._algorithms = algorithms | synonyms
        self._token_types = token_types
        self._type_required = type_required
        self.verified: dict[bytes, dict[str, Any]] = {}

    def read(self, encoded: bytes) -> dict[str, Any]:
        """Decode and check a header that is not in ``verified``.

        Raises a ``HookVerificationError``.
        """
        if len(encoded) > MAX_HEADER:
            raise MalformedTokenError(f"the header is longer than {MAX_HEADER} bytes")
        try:
            header = json_object(base64url_decode(encoded), HEADER_LIMITS)
        except EncodingError as error:
            if encoded[:7].lower() == b"bearer ":
                raise MalformedTokenError("it begins with Bearer: pass the token alone") from None
            raise MalformedTokenError(f"the header {error}") from None
        self._check(header)
        return header

    def remember(self, encoded: bytes, header: dict[str, Any]) -> None:
        """Remember the header of a verified token if all its values are strings."""
        if len(self.verified) >= MAX_REMEMBERED:  # more than an org has keys
            self.verified.clear()
        if all(type(value) is str for value in header.values()):  # so callers cannot change it
            self.verified[encoded] = header

    def _check(self, header: dict[str, Any]) -> None:
        algorithm = header.get("alg")
        if type(algorithm) is not str or algorithm not in self._algorithms:
            accepted = tuple(sorted(self._algorithms))
            raise AlgorithmError(f"only {', '.join(accepted)} is accepted", expected=accepted)
        # jku, jwk, x5u, x5c are attacker input (RFC 8725 section 3.10): never read, so not refused.
        if not _REFUSED_MEMBERS.isdisjoint(header):
            raise UnsupportedHeaderError("crit, b64, enc and zip are refused")
        self._check_type(header)
        if "kid" in header and not is_kid(header["kid"]):
            raise MalformedTokenError("kid is not a string of 1 to 255 printable ASCII characters")

    def _check_type(self, header: dict[str, Any]) -> None:
        if "typ" not in header:
            if self._type_required:
                raise self._wrong_type("")
            return
        typ = header["typ"]
        if type(typ) is not str or media_type(typ) not in self._token_types:
            raise self._wrong_type("" if self._type_required else "absent or ")

    def _wrong_type(self, absent: str) -> TokenTypeError:
        accepted = tuple(sorted(self._token_types))
        return TokenTypeError(f"typ must be {absent}{' or '.join(accepted)}", expected=accepted)


def split(token: Any, max_bytes: int) -> Signed:
    """Split a token (str or bytes, at most ``max_bytes``) into its parts; verify nothing.

    Raises ``MalformedTokenError`` unless it is three segments of canonical base64url.
    """
    # Only exact types: a subclass can replace methods, and isinstance trusts a false __class__.
    kind = type(token)
    if kind is not str and kind is not bytes:
        raise MalformedTokenError("a token is str or bytes")
    if len(token) > max_bytes:
        raise TokenTooLargeError(
            f"it is longer than max_token_bytes, {max_bytes}", expected=max_bytes
        )
    # Anything that is not ASCII becomes "?", which base64url does not have.
    token_bytes = token.encode("ascii", "replace") if kind is str else token
    signing_input, _, encoded_signature = token_bytes.rpartition(b".")
    encoded_header, dot, encoded_claims = signing_input.partition(b".")
    if not dot or b"." in encoded_claims:
        raise MalformedTokenError("it is not three segments joined by dots")
    if not (encoded_header and encoded_claims and encoded_signature):
        raise MalformedTokenError("it has an empty segment")
    part = "payload"
    try:
        payload = checked_base64(encoded_claims)
        part = "signature"
        signature = checked_base64(encoded_signature)
    except EncodingError as error:
        raise MalformedTokenError(f"the {part} {error}") from None
    return token_bytes, encoded_header, payload, signing_input, signature


def read_claims(payload: bytes, limits: JsonLimits) -> dict[str, Any]:
    """Read a payload whose signature has been verified. Raises ``PayloadError``."""
    try:
        return json_object(a2b_base64(payload), limits)
    except EncodingError as error:
        raise PayloadError(f"the payload {error}") from None


def unverified_issuer(payload: bytes, limits: JsonLimits) -> str | None:
    """Return the ``iss`` of an unverified payload, or None.

    Use it only to select the verifier. Raises ``MalformedTokenError``.
    """
    try:
        return skimmed_member(a2b_base64(payload), "iss", limits)
    except EncodingError as error:
        raise MalformedTokenError(f"the payload {error}") from None


def media_type(typ: str) -> str:
    """Return a ``typ`` for comparison: lower case, without the prefix ``application/``.

    RFC 7515 section 4.1.9: the prefix is optional only if the rest contains no slash.
    """
    name = typ.lower().removeprefix("application/")
    return typ.lower() if "/" in name else name
