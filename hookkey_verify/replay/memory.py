"""MemoryReplayStore makes tokens single use within one process."""

from __future__ import annotations

import heapq
import threading
from logging import WARNING

from .._arguments import flag, whole_number
from .._runtime.clock import Clock, monotonic_clock, wall_clock
from .._runtime.forking import PerProcess
from ..errors import ReplayStoreUnavailableError
from ..events import EventName, OnEvent, Reporter, reason_of
from .finding import Finding
from .health import ReplayHealth
from .record import CLOCK_TOLERANCE

__all__ = ["MemoryReplayStore"]

_FULL = "the replay store is full; raise max_entries"
FORGOTTEN_PER_CLAIM = 8
"""Expired entries that one claim removes: more than it adds, so that the store shrinks, but few
enough that a claim stays fast when many entries expire at once."""


class MemoryReplayStore:
    """Remembers each used ``jti`` in this process until its token has expired. Thread-safe.

    With several worker processes, each worker would accept a token once. There, use a store on a
    network such as ``hookkey_verify.valkey.ValkeyReplayStore``.

    For example:

    >>> from hookkey_verify.replay import MemoryReplayStore
    >>> store = MemoryReplayStore(single_process=True)
    >>> [store.claim("0oa1", "first", 4102444800, deadline=float("inf")) for _ in range(2)]
    [True, False]
    """

    def __init__(
        self,
        *,
        max_entries: int = 1_000_000,
        single_process: bool = False,
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Create an empty store.

        ``max_entries``: the largest number of tokens to remember, at about 240 bytes each; default
            1,000,000. A full store refuses further tokens with ``ReplayStoreUnavailableError``
            (503), because dropping an entry would allow a replay. Only verified tokens are counted.
        ``single_process``: True if the program has a single process. False (the default) logs a
            warning at the first claim that other processes are not covered.
        ``on_event``: a function that takes each ``Event``. Default None.
        ``clock``: a function that returns epoch seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._max_entries = whole_number("max_entries", max_entries, 1)
        self._clock = clock
        self._used: dict[tuple[str, str], float] = {}
        self._expiries: list[tuple[float, tuple[str, str]]] = []
        self._single_process = self._warned = flag("single_process", single_process)
        self._lock = PerProcess(threading.Lock)
        self._report = Reporter(type(self).__name__, on_event)
        self._refused = 0

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
        if not self._report.active:
            return self._claim((issuer, jti), expires_at + CLOCK_TOLERANCE)
        began, outcome, reason = monotonic_clock(), "unavailable", ""
        try:
            first = self._claim((issuer, jti), expires_at + CLOCK_TOLERANCE)
            outcome = "claimed" if first else "replayed"
        except ReplayStoreUnavailableError as error:
            reason = reason_of(error)
            raise
        finally:
            seconds = monotonic_clock() - began
            self._report(EventName.CLAIM, outcome=outcome, seconds=seconds, reason=reason)
        return first

    def _claim(self, entry: tuple[str, str], kept_until: float) -> bool:
        now = self._clock()
        with self._lock():
            self._forget_expired(now)
            if entry in self._used and not self._used[entry] <= now:
                return False
            full = len(self._used) >= self._max_entries
            self._refused = self._refused + 1 if full else 0
            if not full:
                self._used[entry] = kept_until
                heapq.heappush(self._expiries, (kept_until, entry))
        if not self._warned:
            self._warned = True
            self._report.log(
                WARNING,
                "MemoryReplayStore covers this process only: with several worker processes use "
                "hookkey_verify.valkey.ValkeyReplayStore; with one pass single_process=True",
            )
        if full:
            raise ReplayStoreUnavailableError(_FULL)
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

    def health(self) -> ReplayHealth:
        """Return whether the store has been full since the last new token."""
        full = self._refused > 0
        return ReplayHealth(
            source=self._report.source,
            status="failing" if full else "healthy",
            problem=_FULL if full else None,
            failures=self._refused,
        )

    def _forget_expired(self, now: float) -> None:
        for _ in range(FORGOTTEN_PER_CLAIM):
            if not self._expiries or self._expiries[0][0] > now:
                return
            kept_until, entry = heapq.heappop(self._expiries)
            if self._used.get(entry) == kept_until:  # otherwise it was claimed again
                del self._used[entry]
