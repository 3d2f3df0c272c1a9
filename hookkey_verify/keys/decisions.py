"""What a look-up gets: the decision table of the cache. Pure; the time is an argument.

The first row that applies decides:

===  ==========================================================  =============================
row  what is known of the name                                   decision
===  ==========================================================  =============================
1    a fresh value that is due for a refresh, which may start,   ``SERVE_AND_REFRESH``
     and the caller has time
2    a fresh value                                               ``SERVE``
3    a stale value, and a refresh failed since it expired or     ``SERVE_STALE_AND_REFRESH``
     the caller has no time; a refresh may start
4    a stale value, and a refresh failed since it expired, or    ``SERVE_STALE``
     the back-off is not over, or the caller has no time
5    the back-off is not over, or the caller has no time         ``REFUSE``
6    anything else                                               ``WAIT``
===  ==========================================================  =============================

*Fresh* means younger than ``fresh_for``, by the monotonic and by the wall clock: the monotonic
clock may have stood still while a snapshot was restored. *Stale* means expired for less than
``stale_if_error`` by the monotonic clock, and not contradicted by the source since. A refresh may
start if no fetch is in flight and the back-off is over; it runs in the background. All callers that
wait share one fetch.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, Generic, TypeVar

from .._runtime.backoff import jitter
from ..errors import HookVerificationError
from .policy import CachePolicy

__all__ = ["Decision", "Entry", "decide"]

V = TypeVar("V")
NEVER: Final = float("-inf")


class Decision(Enum):
    """What a look-up gets: the value served, if any, and whether a fetch starts."""

    SERVE = ("fresh", False)
    SERVE_AND_REFRESH = ("fresh", True)
    SERVE_STALE = ("stale", False)
    SERVE_STALE_AND_REFRESH = ("stale", True)
    REFUSE = ("", False)
    WAIT = ("", True)

    def __init__(self, served: str, fetches: bool) -> None:
        self.served = served
        self.fetches = fetches


class Entry(Generic[V]):
    """What is known of one name: its value if any, and how the attempts since then ended.

    ``value``: None if it was never fetched, does not exist, or was invalidated.
    ``born``: when the source confirmed the value, by the monotonic clock.
    ``refresh_at``, ``wall_refresh_at``: when a background refresh is due, by either clock.
    ``error``: the last failure since the value was fetched.
    ``retry_at``: when the next attempt is allowed.
    ``failures``: consecutive failures.
    ``failed_expired``: an attempt failed after the value had expired.
    ``contradicted``: the source has since sent something unacceptable in its place.
    """

    __slots__ = (
        "born", "contradicted", "error", "failed_expired", "failures", "fresh_until", "refresh_at",
        "retry_at", "stale_until", "value", "wall_fresh_until", "wall_refresh_at",
    )  # fmt: skip

    def __init__(self) -> None:
        self.failures = 0
        self.failed_expired = self.contradicted = False
        self.forget()

    def forget(self) -> None:
        """Forget the value, but not that it existed."""
        self.value: V | None = None
        self.error: HookVerificationError | None = None
        self.born = self.refresh_at = self.fresh_until = self.stale_until = NEVER
        self.wall_refresh_at = self.wall_fresh_until = self.retry_at = NEVER

    def store(self, value: V, now: float, wall: float, age: float, policy: CachePolicy) -> None:
        """Take a value that was confirmed ``age`` seconds ago."""
        self.value, self.error = value, None
        self.failures, self.failed_expired = 0, False
        self.born = self.retry_at = now - age
        self.fresh_until = self.born + policy.fresh_for
        self.stale_until = self.fresh_until + policy.stale_if_error
        self.wall_fresh_until = wall - age + policy.fresh_for
        self.spread(NEVER, policy)

    def spread(self, now: float, policy: CachePolicy) -> None:
        """Choose a random time for the refresh, so that processes do not refresh together."""
        ahead = policy.fresh_for * policy.refresh_ahead * jitter(0.5, 1)
        if self.fresh_until - ahead < now:  # a forked child that looks up for the first time
            ahead = jitter(0, max(0.0, self.fresh_until - now))
        self.refresh_at = self.fresh_until - ahead
        self.wall_refresh_at = self.wall_fresh_until - (self.fresh_until - self.refresh_at)

    def is_fresh(self, now: float, wall: float) -> bool:
        """Whether there is a value younger than ``fresh_for``."""
        return self.value is not None and now < self.fresh_until and wall < self.wall_fresh_until

    def is_due(self, now: float, wall: float) -> bool:
        """Whether a background refresh is due."""
        return now >= self.refresh_at or wall >= self.wall_refresh_at

    def is_stale(self, now: float) -> bool:
        """Whether there is a value that may be served although it is expired."""
        return self.value is not None and now < self.stale_until and not self.contradicted

    def is_backing_off(self, now: float) -> bool:
        """Whether the last attempt failed and the next one is not allowed yet."""
        return self.error is not None and now < self.retry_at


def decide(
    entry: Entry[Any], now: float, wall: float, *, in_flight: bool, in_time: bool = True
) -> Decision:
    """Return what a look-up gets.

    ``entry``: what is known of the name.
    ``now``, ``wall``: the monotonic and the wall clock.
    ``in_flight``: whether a fetch of the name is in flight.
    ``in_time``: whether the caller has time to wait. Default True.
    """
    may_refresh = not in_flight and now >= entry.retry_at
    if entry.is_fresh(now, wall):
        refresh = may_refresh and in_time and entry.is_due(now, wall)
        return Decision.SERVE_AND_REFRESH if refresh else Decision.SERVE
    blocked = entry.is_backing_off(now) or not in_time
    if entry.is_stale(now) and (blocked or entry.failed_expired):
        return Decision.SERVE_STALE_AND_REFRESH if may_refresh else Decision.SERVE_STALE
    return Decision.REFUSE if blocked else Decision.WAIT
