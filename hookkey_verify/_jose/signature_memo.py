"""Which signatures held already: an access token comes with hundreds of calls. In memory.

Why it is safe to skip the RSA operation for a token that passed before, and nothing else:

- Whether a signature holds depends on the octets of the token and on the key, and on nothing else.
  An entry is the SHA-256 of all octets of a token, with the key that they were verified with.
- The token is parsed again, its header and all claims are judged again, by the rules and the time
  of now; no claims are kept that somebody could change.
- The key comes from the key source each time. A key that was deleted, invalidated or replaced is
  not the one of the entry, so the entry does not count.
- Only tokens whose signature held get in, and the number of entries is bounded: the least recently
  used one goes.
"""

from __future__ import annotations

import hashlib
import threading

from .._runtime.forking import renew_after_fork
from .jwk import PublicKey

__all__ = ["SignatureMemo"]


class SignatureMemo:
    """Remembers up to ``max_entries`` tokens, by digest. Thread-safe. About 300 bytes each."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._keys: dict[bytes, PublicKey] = {}  # the least recently used one first
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin without a lock that another thread held when the process was forked."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def verify(self, key: PublicKey, token: bytes, signature: bytes, signing_input: bytes) -> bool:
        """Do as ``key.verify``, once for each token and key."""
        digest = hashlib.sha256(token).digest()
        with self._lock:
            known = self._keys.pop(digest, None)
            if known == key:
                self._keys[digest] = key
                return True
        if not key.verify(signature, signing_input):
            return False
        with self._lock:
            self._keys[digest] = key
            if len(self._keys) > self._max_entries:
                del self._keys[next(iter(self._keys))]
        return True

    def forget(self, token: bytes) -> None:
        """Drop a token whose time is over."""
        with self._lock:
            self._keys.pop(hashlib.sha256(token).digest(), None)
