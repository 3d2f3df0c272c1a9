"""What key sources tell: one frozen ``Event`` at a time, to one callable. Pure.

The callable is called by whichever thread caused the event, also by that of an event loop, and no
lock is held: it should count and return, and look up no key. What it raises is logged and goes no
further.
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

    ``hit``: A look-up was answered from memory; outcome fresh, stale or negative.
    ``miss``: A look-up waits for a fetch that it began.
    ``coalesced``: A look-up waits for a fetch that another one began.
    ``fetch``: A fetch ended; outcome ok, shared (another worker's record) or the reason of the
        error; seconds it took. Without a kid: of the directory.
    ``refresh_ahead``: A fetch in background began while the key is still fresh.
    ``stale_served``: A key was served beyond ``fresh_for``; outcome why it could not be
        refreshed; its age.
    ``limited``: No fetch was begun; outcome first_seen (the budget for unheard-of kids is
        spent), refresh (a known key's next attempt is not due yet) or breaker; seconds until
        the next chance.
    ``breaker``: Outcome open (unknown kids are not fetched, for that many seconds) or
        closed.
    ``key_revoked``: The source said that a key which it had is gone.
    ``key_changed``: Other key material under a known kid; outcome refused or accepted. An
        alarm.
    ``config_error``: The source refuses us or is not what it should be; outcome the reason. An
        alarm.
    ``evicted``: A key was dropped because there are more than ``max_keys``.
    ``replay_unchecked``: The replay store could not be asked, and the token was accepted all the
        same, because ``when_unreachable`` says so; outcome the problem. An alarm.
    ``shared``: The store that workers share; outcome hit, miss, stored, waited, unavailable or
        garbage.
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
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of one source.

    ``source`` is its URL. ``kid`` may be the sender's choice: never make it a metric's label.
    ``outcome`` and ``seconds`` are as ``EventName`` says.
    """

    name: EventName
    source: str
    kid: str | None = None
    outcome: str = ""
    seconds: float | None = None


OnEvent = Callable[[Event], object]


class Reporter:
    """Hands events of one source to ``on_event``, whatever that does."""

    __slots__ = ("_on_event", "active", "source")

    def __init__(self, source: str, on_event: OnEvent | None) -> None:
        """Raises ``ConfigurationError`` when ``on_event`` cannot be called."""
        if on_event is not None and not callable(on_event):
            raise ConfigurationError("on_event must be a function of one Event, or None")
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
    """A kid for a log line: escaped, because senders choose it, and cut to 40 characters."""
    return repr(kid if len(kid) <= 40 else kid[:40] + "…")
