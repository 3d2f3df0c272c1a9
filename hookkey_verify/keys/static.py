"""StaticKeys: a fixed set of keys. No network, no cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

from .._jose.encoding import EncodingError, json_object
from .._jose.jwk import ALGORITHMS, PublicKey
from ..errors import ConfigurationError, KeyRejectedError, UnknownKeyError

__all__ = ["StaticKeys"]


class StaticKeys:
    """A fixed set of public keys: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA). Immutable.

    For example:

    >>> from hookkey_verify import HookSigner, StaticKeys
    >>> keys = StaticKeys.from_jwk(HookSigner.generate("key-1").public_jwk())
    >>> keys.get("key-1").algorithm
    'RS256'
    """

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        """Create a source with these keys.

        ``keys``: at least one key. Keys of different algorithms may share a kid (RFC 7517 section
            4.5).

        Raises ``ConfigurationError`` if there is no key, or if two different keys have the same kid
        and algorithm.
        """
        if not isinstance(keys, Iterable):
            raise ConfigurationError("keys must be a list of PublicKey objects")
        self._keys: dict[str, PublicKey] = {}
        self._by_algorithm: dict[tuple[str, str], PublicKey] = {}
        for key in keys:
            if not isinstance(key, PublicKey):
                raise ConfigurationError(
                    "keys must be PublicKey objects; StaticKeys.from_jwk(…) takes a JWK, "
                    "from_jwks(…) a JWK Set"
                )
            known = self._by_algorithm.setdefault((key.kid, key.algorithm), key)
            if known != key:
                raise ConfigurationError(
                    f"two keys have the kid {key.kid!r} and the algorithm {key.algorithm}"
                )
            self._keys.setdefault(key.kid, key)
        if not self._keys:
            raise ConfigurationError("there is no key; a verifier without keys refuses every token")

    @classmethod
    def from_jwk(cls, document: Mapping[str, Any]) -> StaticKeys:
        """Create a source from one JWK, or from one hook key as Okta returns it.

        ``document``: the JWK as a mapping.

        Raises ``ConfigurationError`` if the key is not acceptable.
        """
        if isinstance(document, Mapping) and "keys" in document:
            raise ConfigurationError("this is a JWK Set: use StaticKeys.from_jwks(…)")
        return cls([_import(document, "the JWK")])

    @classmethod
    def from_jwks(cls, document: Mapping[str, Any]) -> StaticKeys:
        """Create a source from a JWK Set.

        ``document``: ``{"keys": [...]}``. Keys for encryption are ignored (RFC 7517 section 5).

        Raises ``ConfigurationError`` naming the key that is not acceptable.
        """
        documents = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(documents, list):
            raise ConfigurationError('a JWK Set is a JSON object with a list of "keys"')
        numbered = enumerate(documents)
        return cls([_import(each, f"keys[{i}]") for i, each in numbered if not _encrypts(each)])

    @classmethod
    def from_pem(cls, kid: str, pem: str | bytes) -> StaticKeys:
        """Create a source from one public key in PEM format.

        ``kid``: the kid of the key, which PEM does not contain.
        ``pem``: the key.

        Raises ``ConfigurationError`` if the key is not acceptable.
        """
        try:
            return cls([PublicKey.from_pem(kid, pem)])
        except KeyRejectedError as error:
            raise ConfigurationError(error.detail) from None

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, kid: str | None = None) -> StaticKeys:
        """Create a source from a file with a JWK, a JWK Set or a public key in PEM format.

        ``path``: the file.
        ``kid``: the kid of a PEM key. Required for PEM, otherwise ignored. Default None.

        Raises ``ConfigurationError`` naming the file.
        """
        from pathlib import Path  # noqa: PLC0415 - not needed to verify

        try:
            data = Path(path).read_bytes()
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from None
        try:
            if data.lstrip().startswith(b"-----BEGIN"):
                if kid is None:
                    raise ConfigurationError("a PEM file has no kid; pass kid=")
                return cls.from_pem(kid, data)
            document = json_object(data)
            return cls.from_jwks(document) if "keys" in document else cls.from_jwk(document)
        except (ConfigurationError, EncodingError) as error:
            reason = getattr(error, "detail", str(error))
            raise ConfigurationError(f"{path}: {reason}") from None

    def __repr__(self) -> str:
        return f"StaticKeys({', '.join(map(repr, self._keys))})"

    def get(
        self,
        kid: str,
        *,
        algorithm: str | None = None,
        deadline: float | None = None,  # noqa: ARG002
    ) -> PublicKey:
        """Return the key with this kid, without I/O.

        ``kid``: the kid.
        ``algorithm``: selects among keys that share the kid. If none of them has it, or with None
            (the default), the first of them is returned.
        ``deadline``: ignored.

        Raises ``UnknownKeyError`` if there is no such key.
        """
        key = self._by_algorithm.get((kid, algorithm or "")) or self._keys.get(kid)
        if key is None:
            known = ", ".join(map(repr, list(self._keys)[:5]))
            more = ", …" if len(self._keys) > 5 else ""
            raise UnknownKeyError(f"the kids of the configured keys are {known}{more}")
        return key

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Do the same as ``get``. It never blocks."""
        return self.get(kid, algorithm=algorithm, deadline=deadline)

    def close(self) -> None:
        """Do nothing, because no connections are open."""


def _encrypts(document: object) -> bool:
    """Return whether a JWK is a public key for encryption."""
    return isinstance(document, Mapping) and document.get("use") == "enc" and "k" not in document


def _import(document: object, name: str) -> PublicKey:
    try:
        return PublicKey.from_document(document, expected_kid=None, algorithms=ALGORITHMS)
    except KeyRejectedError as error:
        raise ConfigurationError(f"{name}: {error.detail}") from None
