"""Events that key sources and replay stores pass to your callable, one at a time. Pure.

The callable runs in the thread that caused the event, which may be the thread of an event loop. No
lock is held. It should count and return; it must not look up keys. Exceptions that it raises are
logged and otherwise ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ._runtime.log import logger
from .errors import ConfigurationError

__all__ = ["Event", "EventName", "OnEvent", "Reporter", "shown"]


class EventName(StrEnum):
    """What happened. Members are added in minor releases and never renamed.

    ``hit``: A look-up was answered from memory. Outcome: fresh, stale or negative.
    ``miss``: A look-up started a fetch and waits for it.
    ``coalesced``: A look-up waits for a fetch that another look-up started.
    ``fetch``: A fetch ended. Outcome: ok, shared (a value that another worker fetched), discarded
        (the process was frozen, so the failure does not count) or the error's reason. Seconds: its
        duration. Here and in the events above, no kid means that the look-up or fetch concerns the
        directory or the key set.
    ``refresh_ahead``: A background refresh of a fresh key started.
    ``stale_served``: A key older than ``fresh_for`` was served. Outcome: why it could not be
        refreshed. Seconds: its age.
    ``limited``: No fetch was started. Outcome: first_seen (the budget for unknown kids is spent),
        refresh (the next attempt for a known key is not due) or breaker. Seconds: until the next
        attempt is possible.
    ``breaker``: Outcome: open (no fetches for unknown kids, or no claims, for that many seconds) or
        closed.
    ``key_revoked``: The source no longer has a key that it had before.
    ``key_changed``: A known kid has different key material. Outcome: refused or accepted. Alert on
        it.
    ``config_error``: The source rejects our credentials or is the wrong kind of server. Outcome:
        the reason. Alert on it.
    ``evicted``: A key was dropped because the cache held more than ``max_keys``.
    ``replay_unchecked``: The replay store was unreachable and ``when_unreachable="accept"``, so the
        token was accepted unchecked. Outcome: the problem. Alert on it.
    ``claim``: A replay store on a network was asked about a token. Outcome: claimed, replayed,
        unchecked (accepted without an answer), unreachable, unavailable or misconfigured (the last
        three were refused). Seconds: the duration.
    ``shared``: The shared key store was used. Outcome: hit (a record was used), miss (this worker
        asks the source), stored, waited (for the lease holder), failed (another worker's failure
        was used), unavailable (the store is bypassed for a while) or garbage (a record is not
        valid).
    """

    HIT = "hit"
    MISS = "miss"
    COALESCED = "coalesced"
    FETCH = "fetch"
    REFRESH_AHEAD = "refresh_ahead"
    STALE_SERVED = "stale_served"
    LIMITED = "limited"
    BREAKER = "breaker"
    KEY_REVOKED = "key_revoked"
    KEY_CHANGED = "key_changed"
    CONFIG_ERROR = "config_error"
    EVICTED = "evicted"
    REPLAY_UNCHECKED = "replay_unchecked"
    CLAIM = "claim"
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a key source or replay store.

    ``name``: what happened.
    ``source``: the URL of the source.
    ``kid``: the kid concerned, if any. Senders choose kids: never use them as metric labels.
    ``outcome``, ``seconds``: as described for each ``EventName``.
    """

    name: EventName
    source: str
    kid: str | None = None
    outcome: str = ""
    seconds: float | None = None


OnEvent = Callable[[Event], object]


class Reporter:
    """Passes the events of one source to ``on_event`` and logs the exceptions that it raises."""

    __slots__ = ("_on_event", "active", "source")

    def __init__(self, source: str, on_event: OnEvent | None) -> None:
        """Create a reporter. Raises ``ConfigurationError`` if ``on_event`` is not callable."""
        if on_event is not None and not callable(on_event):
            raise ConfigurationError("on_event must be a function that takes an Event, or None")
        self.source = source
        self.active = on_event is not None
        self._on_event = on_event

    def __call__(
        self,
        name: EventName,
        kid: str | None = None,
        outcome: str = "",
        seconds: float | None = None,
    ) -> None:
        """Report an event."""
        if self._on_event is None:
            return
        event = Event(name=name, source=self.source, kid=kid, outcome=outcome, seconds=seconds)
        try:
            self._on_event(event)
        except Exception as error:
            logger.error("on_event raised %s", type(error).__name__)


def shown(kid: str) -> str:
    """Return a kid for a log line, escaped (senders choose it) and cut to 40 characters."""
    return repr(kid if len(kid) <= 40 else kid[:40] + "…")
