"""Which ``jti`` have been used: step 7 of a verification, for one process.

RFC 7523 section 3 item 7: a server may ensure that assertions are not replayed by keeping the set
of used ``jti`` values for as long as each assertion would be valid.
"""

from __future__ import annotations

import heapq
import threading

from ._arguments import flag, whole_number
from ._runtime.clock import Clock, wall_clock
from ._runtime.forking import renew_after_fork
from ._runtime.log import logger
from .errors import KeyUnavailableError

__all__ = ["MemoryReplayStore"]

TOLERANCE = 60.0
"""Seconds that an entry is kept after expiry, because a token may be checked by a clock that was
just set back."""

FORGOTTEN_PER_CLAIM = 8
"""Expired entries that one claim removes: more than the one it adds, so that they run out, and few
enough that no claim is slow, however many expired at once."""


class MemoryReplayStore:
    """Remembers used ``jti`` in this process until their token could no longer be accepted.

    It guards one process: with several workers each remembers only what it saw itself, and a token
    is good once in each. Then use ``hookkey_verify.valkey.ValkeyReplayStore``. The first claim logs
    a warning that says so, unless ``single_process`` is True: the program has one process.

    ``max_entries`` bounds the memory (about 300 bytes an entry). When that many live entries are
    held, a new one is refused with ``KeyUnavailableError`` (503): forgetting a live ``jti`` would
    let whoever can fill the store replay it. Only validly signed tokens get this far.
    """

    def __init__(
        self,
        *,
        max_entries: int = 1_000_000,
        single_process: bool = False,
        clock: Clock = wall_clock,
    ) -> None:
        """``clock`` returns epoch seconds. Raises ``ConfigurationError`` naming the argument."""
        self._max_entries = whole_number("max_entries", max_entries, 1)
        self._clock = clock
        self._used: dict[tuple[str, str], float] = {}
        self._expiries: list[tuple[float, tuple[str, str]]] = []
        self._warned = flag("single_process", single_process)
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin without a lock that another thread held when the process was forked."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._used)

    def claim(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Record the use and return True, or return False when it was used before. Atomic.

        ``expires_at`` is in epoch seconds, leeway included. Raises ``KeyUnavailableError`` when the
        store is full.
        """
        entry, kept_until = (issuer, jti), expires_at + TOLERANCE
        now = self._clock()
        with self._lock:
            self._forget_expired(now)
            if entry in self._used and not self._used[entry] <= now:
                return False
            full = len(self._used) >= self._max_entries
            if not full:
                self._used[entry] = kept_until
                heapq.heappush(self._expiries, (kept_until, entry))
        if not self._warned:
            self._warned = True
            logger.warning(
                "MemoryReplayStore guards this process only: with several workers use "
                "hookkey_verify.valkey.ValkeyReplayStore, with one pass single_process=True"
            )
        if full:
            raise KeyUnavailableError("the replay store is full; raise max_entries")
        return True

    async def aclaim(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Do as ``claim``; it never blocks."""
        return self.claim(issuer, jti, expires_at)

    def _forget_expired(self, now: float) -> None:
        for _ in range(FORGOTTEN_PER_CLAIM):
            if not self._expiries or self._expiries[0][0] > now:
                return
            kept_until, entry = heapq.heappop(self._expiries)
            if self._used.get(entry) == kept_until:  # else it was claimed again meanwhile
                del self._used[entry]
