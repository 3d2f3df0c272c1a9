"""MemoryReplayStore makes tokens single use within one process."""

from __future__ import annotations

import heapq
import threading

from .._arguments import flag, whole_number
from .._runtime.clock import Clock, wall_clock
from .._runtime.forking import PerProcess
from .._runtime.log import logger
from ..errors import ReplayStoreUnavailableError
from .finding import Finding
from .record import CLOCK_TOLERANCE

__all__ = ["MemoryReplayStore"]

FORGOTTEN_PER_CLAIM = 8
"""Expired entries that one claim removes: more than it adds, so that the store shrinks, but few
enough that a claim stays fast when many entries expire at once."""


class MemoryReplayStore:
    """Remembers each used ``jti`` in this process until its token has expired. Thread-safe.

    With several worker processes, each worker would accept a token once. There, use a store on a
    network such as ``hookkey_verify.valkey.ValkeyReplayStore``.
    """

    def __init__(
        self,
        *,
        max_entries: int = 1_000_000,
        single_process: bool = False,
        clock: Clock = wall_clock,
    ) -> None:
        """Create an empty store.

        ``max_entries``: the largest number of tokens to remember, at about 240 bytes each; default
            1,000,000. A full store refuses further tokens with ``ReplayStoreUnavailableError``
            (503), because dropping an entry would allow a replay. Only verified tokens are counted.
        ``single_process``: True if the program has a single process. False (the default) logs a
            warning at the first claim that other processes are not covered.
        ``clock``: a function that returns epoch seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._max_entries = whole_number("max_entries", max_entries, 1)
        self._clock = clock
        self._used: dict[tuple[str, str], float] = {}
        self._expiries: list[tuple[float, tuple[str, str]]] = []
        self._single_process = self._warned = flag("single_process", single_process)
        self._lock = PerProcess(threading.Lock)

    def __len__(self) -> int:
        return len(self._used)

    def claim(
        self,
        issuer: str,
        jti: str,
        expires_at: float,
        *,
        deadline: float | None = None,  # noqa: ARG002 - it does not wait
    ) -> bool:
        """Record a use and return True; return False if the token was used before. Atomic.

        ``issuer``, ``jti``: identify the token.
        ``expires_at``: until when the use is remembered, in epoch seconds.
        ``deadline``: ignored, because the store does not wait.

        Raises ``ReplayStoreUnavailableError`` if the store is full.
        """
        entry, kept_until = (issuer, jti), expires_at + CLOCK_TOLERANCE
        now = self._clock()
        with self._lock():
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
                "MemoryReplayStore covers this process only: with several worker processes use "
                "hookkey_verify.valkey.ValkeyReplayStore; with one pass single_process=True"
            )
        if full:
            raise ReplayStoreUnavailableError("the replay store is full; raise max_entries")
        return True

    async def aclaim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Do the same as ``claim``. It does not block."""
        return self.claim(issuer, jti, expires_at, deadline=deadline)

    def check(self) -> list[Finding]:
        """Return whether the store covers all processes, and how full it is."""
        scope = Finding("processes", "ok", "this process is the only one (single_process=True)")
        if not self._single_process:
            text = "it covers this process only: with several workers use a store on a network"
            scope = Finding("processes", "warning", text)
        used = f"{len(self._used)} of {self._max_entries} entries"
        if len(self._used) > 0.8 * self._max_entries:
            return [scope, Finding("entries", "warning", f"{used}: raise max_entries")]
        return [scope, Finding("entries", "ok", used)]

    def _forget_expired(self, now: float) -> None:
        for _ in range(FORGOTTEN_PER_CLAIM):
            if not self._expiries or self._expiries[0][0] > now:
                return
            kept_until, entry = heapq.heappop(self._expiries)
            if self._used.get(entry) == kept_until:  # otherwise it was claimed again
                del self._used[entry]
