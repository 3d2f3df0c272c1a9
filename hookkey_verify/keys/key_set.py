"""KeySet: the usable keys of a JWK Set (RFC 7517). Immutable; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .._jose.jwk import ALGORITHMS, PublicKey
from ..errors import KeyRejectedError

__all__ = ["KeySet"]


class KeySet:
    """Keys by kid and algorithm. Keys of different algorithms may share a kid (RFC 7517, 4.5)."""

    __slots__ = ("_by_algorithm", "_by_kid", "_rejected")

    def __init__(self, documents: Iterable[object]) -> None:
        """Import a set. Keys that cannot be used are ignored (RFC 7517 section 5).

        Two different keys with the same kid and algorithm are ignored too, because the choice is
        ambiguous. ``find`` says why such a kid is refused.
        """
        keys: dict[tuple[str, str], PublicKey] = {}
        self._rejected: dict[str, KeyRejectedError] = {}
        ambiguous: set[tuple[str, str]] = set()
        for document in documents:
            try:
                key = PublicKey.from_document(document, expected_kid=None, algorithms=ALGORITHMS)
            except KeyRejectedError as error:
                kid = document.get("kid") if isinstance(document, Mapping) else None
                if isinstance(kid, str):
                    self._rejected.setdefault(kid, error.with_traceback(None))
                continue
            if keys.setdefault((key.kid, key.algorithm), key) != key:
                ambiguous.add((key.kid, key.algorithm))
        for kid, algorithm in ambiguous:
            del keys[kid, algorithm]
            two = KeyRejectedError("two keys of the set have this kid and algorithm")
            self._rejected.setdefault(kid, two)
        self._by_algorithm = keys
        self._by_kid: dict[str, PublicKey] = {}
        for (kid, _), key in sorted(keys.items(), key=lambda item: item[0]):
            self._by_kid.setdefault(kid, key)

    @property
    def kids(self) -> Collection[str]:
        """The kids of the usable keys."""
        return self._by_kid.keys()

    def find(self, kid: str, algorithm: str | None) -> PublicKey | None:
        """Return the key with this kid, or None. Raises ``KeyRejectedError`` for an unusable one.

        ``kid``: the kid.
        ``algorithm``: selects among keys that share the kid. If none of them has it, or with None,
            any of them is returned.
        """
        key = self._by_kid.get(kid)
        if key is None and kid in self._rejected:
            raise KeyRejectedError(self._rejected[kid].detail)
        if key is None or algorithm is None or key.algorithm == algorithm:
            return key
        return self._by_algorithm.get((kid, algorithm), key)

    def thumbprints(self) -> dict[str, dict[str, str]]:
        """Return the thumbprint of each key, by kid and algorithm."""
        found: dict[str, dict[str, str]] = {}
        for (kid, algorithm), key in self._by_algorithm.items():
            found.setdefault(kid, {})[algorithm] = key.thumbprint
        return found
