"""A cache of verified tokens, because Okta sends one access token with hundreds of requests.

A remembered token is neither decoded nor parsed, and its signature is not computed again. That is
safe because:

- An entry is found by the BLAKE2b digest (RFC 7693, 32 bytes) of the whole token, so it is for
  exactly these bytes.
- Only tokens that passed every check are added, so a sender without a valid token adds nothing.
- The signature, the header and all claims but times depend only on the token's bytes, the key and
  the verifier's rules. The rules are immutable, and each verifier has a memo of its own.
- The key comes from the key source every time, which counts as a look-up. An entry is valid only
  for the same key object. A key that was deleted, invalidated, replaced or fetched again is another
  object, and then the token is verified in full.
- ``exp``, ``nbf``, ``iat`` and the lifetime are compared with the clock every time.
- An entry keeps the payload as bytes. Each ``VerifiedHook`` reads its claims from them, so no
  handler can change what another one gets.
- Assertions and other tokens that are accepted once are never remembered.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, TypeAlias

from .._runtime.forking import PerProcess
from .encoding import JsonLimits
from .jwk import PublicKey
from .jws import Signed

__all__ = ["Opened", "RememberedToken", "TokenMemo", "Unread"]

Unread: TypeAlias = tuple[bytes, JsonLimits]
"""A verified payload in base64, and the limits within which it was read."""

_TIMES = ("exp", "nbf", "iat")
_NOTHING: Mapping[str, Any] = MappingProxyType({})

Opened: TypeAlias = tuple[str, str, dict[str, Any], Signed | None]
"""kid, algorithm, header and parts of a token; no parts if the token is remembered."""


class RememberedToken:
    """What the verification of a remembered token needs. Nothing of it is changed.

    ``name``: the digest of the token.
    ``key``: the key that verified the signature. None for a token that is not remembered.
    ``opened``: kid, algorithm and header, in place of those of a token that is read.
    ``times``: the claims that are compared with the clock.
    ``unread``: the payload.
    """

    __slots__ = ("key", "name", "opened", "times", "unread")

    def __init__(
        self,
        name: bytes,
        key: PublicKey | None = None,
        opened: Opened | None = None,
        claims: Mapping[str, Any] = _NOTHING,
        unread: Unread | None = None,
    ) -> None:
        self.name = name
        self.key = key
        self.opened = opened
        self.times = {name: claims[name] for name in _TIMES if name in claims}
        self.unread = unread


class TokenMemo:
    """Remembers up to ``max_entries`` verified tokens. Thread-safe; a look-up takes no lock."""

    def __init__(self, max_entries: int, max_token_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_token_bytes = max_token_bytes
        self._tokens: dict[bytes, RememberedToken] = {}  # oldest first
        self._lock = PerProcess(threading.Lock)

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, token: Any) -> RememberedToken | None:
        """Return what is remembered of a token, or a new entry for it without a key.

        None for what cannot be a token.
        """
        kind = type(token)
        if (kind is not str and kind is not bytes) or len(token) > self._max_token_bytes:
            return None
        # Anything that is not ASCII becomes "?", which no verified token contains.
        data = token.encode("ascii", "replace") if kind is str else token
        # In a served request, BLAKE2b costs less than OpenSSL's SHA-256, which needs more code.
        name = blake2b(data, digest_size=32).digest()
        return self._tokens.get(name) or RememberedToken(name)

    def add(self, token: RememberedToken) -> None:
        """Remember a verified token, and forget the oldest one if there are too many.

        A token is not remembered if its header has a value that callers could change.
        """
        if token.opened is None or not all(type(v) is str for v in token.opened[2].values()):
            return
        with self._lock():
            self._tokens[token.name] = token
            if len(self._tokens) > self._max_entries:
                del self._tokens[next(iter(self._tokens))]

    def forget(self, token: RememberedToken) -> None:
        """Forget a token that has expired, or whose key is another one now."""
        with self._lock():
            if self._tokens.get(token.name) is token:
                del self._tokens[token.name]
