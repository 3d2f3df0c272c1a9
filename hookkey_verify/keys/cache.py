"""KeyCache: public keys by kid, for as long as the policy says. No HTTP, no Okta.

The fetch is a function; whatever it raises is the verdict. Nothing is locked while it runs, so a
slow fetch of one kid never delays the look-up of another. ``UnknownKeyError`` is remembered for a
while in a store of its own: unknown kids are the sender's choice and must not push out good keys.

Okta marks its answers ``no-store`` (which would mean one API call a token) while the material under
one keyId never changes, so the lifetime is ours to choose: it bounds how long a deleted key is
still accepted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

from cachetools import TTLCache

from ..clock import Clock, monotonic_clock
from ..errors import ConfigurationError, UnknownKeyError
from ..jwk import PublicKey

__all__ = ["CachePolicy", "Fetch", "KeyCache"]

Fetch = Callable[[str, float], PublicKey]
"""``fetch(kid, deadline)``: the key, or a ``HookVerificationError``; monotonic seconds."""

_RANGES = {
    "fresh_for": (1, 86_400),
    "negative_for": (0, 86_400),
    "fetch_timeout": (0.05, 60),
    "max_keys": (1, 10_000),
    "max_unknown_kids": (1, 1_000_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """How long keys are kept and how long a fetch may take. Raises ``ConfigurationError``."""

    fresh_for: float = 3600
    """Seconds that a key is served without asking again: the bound on serving a deleted key."""
    negative_for: float = 60
    """Seconds that "there is no such key" is believed; 0 asks every time."""
    fetch_timeout: float = 2.5
    """Seconds for one fetch in all. Okta waits 3 seconds for a hook
    (https://developer.okta.com/docs/concepts/inline-hooks/)."""
    max_keys: int = 64
    """Keys that are kept. An org has at most 50."""
    max_unknown_kids: int = 1024
    """Unknown kids that are remembered."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = _RANGES[field.name]
            kinds = (int,) if field.name.startswith("max_") else (int, float)
            if type(value) not in kinds or not least <= value <= most:
                raise ConfigurationError(f"{field.name} must be a number from {least} to {most}")


class _Entry(NamedTuple):
    key: PublicKey
    fresh_until: float


class KeyCache:
    """Keys by kid behind a ``Fetch``. Thread-safe."""

    def __init__(
        self, fetch: Fetch, policy: CachePolicy, *, clock: Clock = monotonic_clock
    ) -> None:
        """``clock`` returns seconds that only grow."""
        self._fetch = fetch
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()  # for changes; a look-up of one dict needs none
        self._entries: dict[str, _Entry] = {}
        self._unknown: TTLCache[str, str] = TTLCache(
            policy.max_unknown_kids, policy.negative_for, clock
        )

    def get(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Return the key, fetching it if need be, or raise what the fetch raised."""
        key = self.peek(kid)
        return key if key is not None else self._ask(kid, deadline)

    def peek(self, kid: str) -> PublicKey | None:
        """Return the key if it is here. Raises ``UnknownKeyError`` if it is known not to exist."""
        entry = self._entries.get(kid)
        if entry is not None and self._clock() < entry.fresh_until:
            return entry.key
        with self._lock:
            detail = self._unknown.get(kid)
        if detail is not None:
            raise UnknownKeyError(detail)
        return None

    def invalidate(self, kid: str) -> None:
        """Forget what is known of this kid; the next look-up fetches."""
        with self._lock:
            self._entries.pop(kid, None)
            self._unknown.pop(kid, None)

    def _ask(self, kid: str, deadline: float | None) -> PublicKey:
        latest = self._clock() + self._policy.fetch_timeout
        try:
            key = self._fetch(kid, latest if deadline is None else min(deadline, latest))
        except UnknownKeyError as error:
            with self._lock:
                self._entries.pop(kid, None)
                self._unknown[kid] = error.detail
            raise
        with self._lock:
            self._unknown.pop(kid, None)
            self._store(kid, key)
        return key

    def _store(self, kid: str, key: PublicKey) -> None:
        if kid not in self._entries and len(self._entries) >= self._policy.max_keys:
            oldest = min(self._entries, key=lambda other: self._entries[other].fresh_until)
            del self._entries[oldest]
        self._entries[kid] = _Entry(key, self._clock() + self._policy.fresh_for)
