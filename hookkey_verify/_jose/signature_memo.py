"""A cache of verified signatures, because Okta sends one access token with hundreds of requests.

Only the RSA operation is skipped for a token that was verified before. That is safe because:

- A signature depends only on the token's bytes and the key. An entry is the SHA-256 of the whole
  token together with the key that verified it.
- The header and all claims are parsed and checked again, against the current rules and time. No
  claims are kept.
- The key comes from the key source every time. A key that was deleted, invalidated or replaced
  differs from the entry's key, so the entry does not match.
- Only verified tokens are added. The number of entries is limited; the least recently used entry is
  dropped first.
"""

from __future__ import annotations

import hashlib
import threading

from .._runtime.forking import PerProcess
from .jwk import PublicKey

__all__ = ["SignatureMemo"]


class SignatureMemo:
    """Remembers up to ``max_entries`` verified tokens, at about 300 bytes each. Thread-safe."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._keys: dict[bytes, PublicKey] = {}  # least recently used first
        self._lock = PerProcess(threading.Lock)

    def __len__(self) -> int:
        return len(self._keys)

    def verify(self, key: PublicKey, token: bytes, signature: bytes, signing_input: bytes) -> bool:
        """Return the result of ``key.verify``, without repeating a verification that succeeded."""
        digest = hashlib.sha256(token).digest()
        lock = self._lock()
        with lock:
            known = self._keys.pop(digest, None)
            if known == key:
                self._keys[digest] = key
                return True
        if not key.verify(signature, signing_input):
            return False
        with lock:
            self._keys[digest] = key
            if len(self._keys) > self._max_entries:
                del self._keys[next(iter(self._keys))]
        return True

    def forget(self, token: bytes) -> None:
        """Remove the entry of an expired token."""
        with self._lock():
            self._keys.pop(hashlib.sha256(token).digest(), None)
