"""What a key source says about itself: ``Health`` for probes, ``Stats`` for dashboards. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

__all__ = [
    "STATES",
    "STATUSES",
    "HasHealth",
    "Health",
    "KeyHealth",
    "State",
    "Stats",
    "Status",
    "healths",
]

Status = Literal["healthy", "degraded", "failing"]
State = Literal["fresh", "stale", "expired"]
STATUSES: tuple[Status, ...] = ("healthy", "degraded", "failing")
STATES: tuple[State, ...] = ("fresh", "stale", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHealth:
    """One kept key.

    ``age``: Seconds since the source said so.
    ``state``: Stale keys are served only while the source cannot be asked, expired ones never.
    ``failures``: Attempts to refresh it that have failed in a row.
    """

    age: float
    state: State
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a source is doing.

    ``healthy``: the last attempt succeeded, or nobody has tried since another one was possible.
    ``degraded``: it failed, or a key could not be refreshed, but keys are being served.
    ``failing``: it failed and there is no key to serve.

    ``source``: Its URL.
    ``keys``: By kid.
    ``last_success``: Seconds since the source last answered, None if it never did.
    ``breaker_open_for``: Seconds for which unknown kids are not fetched, after a 401 or 429;
        otherwise 0.
    ``problem``: Why the last attempt failed, in words that are safe to show; empty when it did
        not.
    """

    source: str
    status: Status
    keys: Mapping[str, KeyHealth]
    last_success: float | None
    breaker_open_for: float
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts since the source was made. Hits are counted without a lock.

    ``hits``: Look-ups of keys that were answered from memory.
    ``stale_hits``: Those among them that were served beyond ``fresh_for``.
    ``negative_hits``: Look-ups that were refused from memory.
    ``misses``: Look-ups that began a fetch and waited for it.
    ``coalesced``: Look-ups that waited for a fetch which another one had begun.
    ``fetches``: Fetches that ended, in background ones too.
    ``failures``: Fetches that neither brought a key nor the news that there is none.
    ``limited``: Look-ups for which a fetch was due and not allowed.
    ``keys``: Keys that are kept.
    ``unknown_kids``: Kids without a key that are remembered.
    """

    hits: int
    stale_hits: int
    negative_hits: int
    misses: int
    coalesced: int
    fetches: int
    failures: int
    limited: int
    keys: int
    unknown_kids: int


@runtime_checkable
class HasHealth(Protocol):
    """``HookKeys``, ``IssuerKeys``."""

    def health(self) -> Health:
        """Tell how the source is doing."""
        ...


def healths(sources: Iterable[HasHealth]) -> list[Health]:
    """Return the health of each source; of several with one URL, the worst."""
    worst: dict[str, Health] = {}
    for health in (source.health() for source in sources):
        other = worst.get(health.source)
        if other is None or STATUSES.index(other.status) < STATUSES.index(health.status):
            worst[health.source] = health
    return list(worst.values())
