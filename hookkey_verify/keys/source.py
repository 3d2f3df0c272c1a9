"""SourceState: what the caches of one key source share: its lock, breaker, events and condition."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .. import errors
from .._runtime.backoff import Backoff
from .._runtime.clock import Clock, monotonic_clock
from .._runtime.forking import PerProcess
from ..events import EventName, OnEvent, Reporter
from .breaker import Breaker
from .policy import CachePolicy

if TYPE_CHECKING:
    from ..health import Status
    from .health import Health, KeyHealth, Stats

__all__ = ["SourceState"]

_REASONS = frozenset(errors.Reason)
_NO_FAILURE = ("ok", "unknown_key", "discarded")


class SourceState:
    """What is known of a source as a whole. ``with state.changing():`` holds its lock.

    Events are recorded while the lock is held and reported after it has been released.
    """

    def __init__(
        self,
        source: str,
        policy: CachePolicy,
        on_event: OnEvent | None,
        clock: Clock = monotonic_clock,
    ) -> None:
        """Create the state.

        ``source``: the URL of the source, for events and logs.
        ``policy``: the numbers for back-off and time limits.
        ``on_event``: a function that takes events. None for none.
        ``clock``: returns monotonic seconds, for logs. Default: ``time.monotonic``.

        Raises ``ConfigurationError`` if ``on_event`` is not callable.
        """
        self.breaker = Breaker(Backoff(policy.backoff, policy.max_backoff))
        self.report = Reporter(source, on_event, clock)
        self._lock = PerProcess(threading.Lock)
        self._told: list[tuple[EventName, str | None, str, float | None]] = []
        self._counts: Counter[tuple[EventName, str]] = Counter()
        self._timeout = policy.fetch_timeout
        self._last_success: float | None = None
        self._problem: errors.HookVerificationError | None = None
        self._problem_until = 0.0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock, and then report the events that were told.

        The lock is released even if a signal handler raises at any moment, because Python closes
        this generator then.
        """
        told: list[tuple[EventName, str | None, str, float | None]] = []
        try:
            with self._lock():
                try:
                    yield
                finally:
                    told, self._told = self._told, []
        finally:
            if self.report.active:
                for name, kid, outcome, seconds in told:
                    reason = outcome if outcome in _REASONS else ""
                    self.report(name, kid, outcome, seconds, reason=reason)

    def tell(
        self,
        name: EventName,
        kid: str | None = None,
        outcome: str = "",
        seconds: float | None = None,
    ) -> None:
        """Count an event, and report it when the lock is released. Hold the lock."""
        self._counts[name, outcome] += 1
        self._told.append((name, kid, outcome, seconds))

    def succeeded(self, epoch: int, now: float) -> None:
        """Note that the source answered a fetch of this epoch. Hold the lock."""
        self._last_success, self._problem = now, None
        if self.breaker.succeeded(epoch):
            self.tell(EventName.BREAKER, outcome="closed")

    def failed(self, error: errors.HookVerificationError, retry_at: float, now: float) -> None:
        """Note a failure that may be repeated at ``retry_at``. Hold the lock."""
        if isinstance(error, errors.KeyLookupLimitedError):
            return  # our own limit says nothing about the source
        if isinstance(error, errors.KeySourceConfigurationError):
            self.tell(EventName.CONFIG_ERROR, outcome=str(error.reason))
        pause = self.breaker.failed(error, now)
        if pause is not None:
            self.tell(EventName.BREAKER, outcome="open", seconds=pause)
        # The problem counts until the next attempt could have ended: a readiness probe that fails
        # keeps away the traffic that would notice the recovery.
        again_at = max(retry_at, now + self.breaker.open_for(now))
        self._problem, self._problem_until = error, again_at + self._timeout

    def stats(self, *, fresh_hits: int, keys: int, unknown_kids: int) -> Stats:
        """Return the counts so far, with these hits that were counted elsewhere, and sizes."""
        from .health import Stats  # noqa: PLC0415 - 3 ms, not needed to verify

        of, total, fetch = self._counts.copy(), Counter[EventName](), EventName.FETCH
        for (name, _), times in of.items():
            total[name] += times
        fetches = total[fetch] - of[fetch, "shared"]
        return Stats(
            hits=fresh_hits + total[EventName.HIT] - of[EventName.HIT, "negative"],
            stale_hits=of[EventName.HIT, "stale"],
            negative_hits=of[EventName.HIT, "negative"],
            misses=total[EventName.MISS],
            coalesced=total[EventName.COALESCED],
            fetches=fetches,
            failures=fetches - sum(of[fetch, word] for word in _NO_FAILURE),
            limited=total[EventName.LIMITED],
            keys=keys,
            unknown_kids=unknown_kids,
        )

    def health(
        self, keys: Mapping[str, KeyHealth], *, serves: bool, late: bool, now: float
    ) -> Health:
        """Return the condition of the source.

        ``keys``: the condition of each key, by kid.
        ``serves``: whether a key may be served.
        ``late``: whether a key could not be refreshed in time.
        ``now``: the monotonic time.
        """
        from .health import Health  # noqa: PLC0415

        problem = self._problem if now < self._problem_until else None
        status: Status = "healthy"
        if problem is not None or late:
            status = "degraded" if serves else "failing"
        return Health(
            source=self.report.source,
            status=status,
            keys=keys,
            last_success=None if self._last_success is None else now - self._last_success,
            breaker_open_for=self.breaker.open_for(now),
            problem="" if problem is None else str(problem),
        )
