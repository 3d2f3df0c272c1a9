"""The condition of a key source: ``Health`` for probes, ``Stats`` for dashboards. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..health import Part, Status
from .policy import CachePolicy

__all__ = ["STATES", "Health", "KeyHealth", "State", "Stats"]

State = Literal["fresh", "stale", "expired"]
"""The condition of a cached key."""
STATES: tuple[State, ...] = ("fresh", "stale", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHealth:
    """The condition of one cached key.

    ``age``: the seconds since the source confirmed it.
    ``state``: fresh; stale, which is served only while the key cannot be refreshed; or expired,
        which is never served. By the monotonic clock.
    ``failures``: the number of consecutive failed attempts to refresh it.

    For example:

    >>> from hookkey_verify import IssuerKeys
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, IssuerKeys(okta.issuer) as keys:
    ...     keys.warm_up()
    ...     [key.state for key in keys.health().keys.values()]
    ['fresh']
    """

    age: float
    state: State
    failures: int

    @classmethod
    def of(cls, now: float, born: float, policy: CachePolicy, failures: int) -> KeyHealth:
        """Return the condition at ``now`` of a key that was confirmed at ``born``."""
        age = now - born
        expired = age >= policy.fresh_for + policy.stale_if_error
        state: State = "fresh" if age < policy.fresh_for else "expired" if expired else "stale"
        return cls(age=age, state=state, failures=failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The condition of a source.

    ``source``: its URL.
    ``status``: ``healthy`` if there is no current problem, also before the first attempt;
        ``degraded`` if an attempt failed or a key could not be refreshed, but keys can be served;
        ``failing`` if there is no key to serve either. A problem is current until the next attempt
        could have ended.
    ``keys``: the condition of each cached key, by kid.
    ``last_success``: the seconds since the source last answered; None if it never did.
    ``breaker_open_for``: the seconds for which unknown kids are not fetched, after a 401 or 429;
        otherwise 0.
    ``problem``: why the last attempt failed, in words that are safe to show; empty if there is no
        current problem.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeys
    >>> with HookKeys("https://acme.okta.com", ApiToken("a-token")) as keys:
    ...     health = keys.health()
    >>> health.source, health.status, health.problem
    ('https://acme.okta.com', 'healthy', '')
    """

    part: ClassVar[Part] = "keys"

    source: str
    status: Status
    keys: Mapping[str, KeyHealth]
    last_success: float | None
    breaker_open_for: float
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts since the source was created. Hits are counted without a lock.

    ``hits``: look-ups that returned a key from memory.
    ``stale_hits``: hits that returned a key older than ``fresh_for``.
    ``negative_hits``: look-ups that were refused from memory, because there is no such key.
    ``misses``: look-ups that started a fetch and waited for it.
    ``coalesced``: look-ups that waited for a fetch that another look-up had started.
    ``fetches``: fetches that ended, including background refreshes, but not those that took a value
        from the shared store.
    ``failures``: fetches that ended without a key and without the answer that there is none.
    ``limited``: look-ups for which a fetch was due but not allowed.
    ``keys``: the number of cached keys.
    ``unknown_kids``: the number of remembered kids without a key.

    For example:

    >>> from hookkey_verify import IssuerKeys
    >>> with IssuerKeys("https://acme.okta.com/oauth2/default") as keys:
    ...     stats = keys.stats()
    >>> stats.hits, stats.fetches
    (0, 0)
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
