"""CachePolicy: the numbers of a key cache, each with its unit and its reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import ConfigurationError

__all__ = ["CachePolicy", "checked_policy"]

_RANGES = {
    "fresh_for": (1, 86_400),
    "refresh_ahead": (0, 0.9),
    "stale_if_error": (0, 86_400),
    "negative_for": (0, 86_400),
    "directory_for": (1, 3_600),
    "fetch_timeout": (0.05, 60),
    "backoff": (0.1, 3_600),
    "max_backoff": (0.1, 3_600),
    "first_seen_burst": (1, 10_000),
    "first_seen_interval": (0.001, 3_600),
    "max_keys": (1, 10_000),
    "max_unknown_kids": (1, 1_000_000),
}
_COUNTS = ("first_seen_burst", "max_keys", "max_unknown_kids")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """How long keys are believed, and how often a source is asked. Times are in seconds.

    Raises ``ConfigurationError`` naming the field that is out of range.

    ``fresh_for``: A key is served this long without asking again: the bound on serving a
        deleted key while the source can be reached. Its material never changes, so longer costs
        nothing else; two keys in a hundred processes make 3 calls a minute, of the 50 that a
        small org may have in all.
    ``refresh_ahead``: In this last part of ``fresh_for`` (0 to 0.9) a look-up starts a fetch in
        background, so that no hook waits for it. When exactly is spread over half of that part,
        by chance, so that many processes do not ask in the same second. 0 switches it off.
    ``stale_if_error``: A key is served this much longer while the source cannot be asked (RFC
        5861 section 4); never once the source has said that it is gone. 0 switches it off.
    ``negative_for``: "There is no such key" is believed this long. It covers the moment between
        the creation of a key and its first look-up; 0 asks every time.
    ``directory_for``: With ``directory=True`` the list of keys is fetched at most once in this
        time, and believed for as long: a new key waits no longer than that.
    ``fetch_timeout``: One fetch in all, and the longest that a look-up waits. Okta waits 3
        seconds for a hook (https://developer.okta.com/docs/concepts/inline-hooks/); a cold call
        was seen to take 1.3.
    ``backoff``: After a failed fetch of a key the next one waits this long, then twice as long
        up to ``max_backoff``, less up to a half by chance. Short at first, because Okta repeats
        a hook that was answered with 503 only once.
    ``max_backoff``: The longest wait between two attempts: how late the end of an outage may be
        noticed.
    ``first_seen_burst``: So many kids that were never heard of may be asked for at once. A
        sender can make kids up, and the calls come out of the org's rate limit; keys that are
        known are not counted here. The budget is per process: divide by the number of workers
        where that is large.
    ``first_seen_interval``: One more such call every so many seconds.
    ``max_keys``: Keys that are kept; beyond it the oldest goes. An org has at most 50.
    ``max_unknown_kids``: Kids without a key that are remembered, in a store of their own: they
        never displace keys.
    """

    fresh_for: float = 3600
    refresh_ahead: float = 0.2
    stale_if_error: float = 3600
    negative_for: float = 60
    directory_for: float = 30
    fetch_timeout: float = 2.5
    backoff: float = 1
    max_backoff: float = 300
    first_seen_burst: int = 5
    first_seen_interval: float = 10
    max_keys: int = 64
    max_unknown_kids: int = 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = _RANGES[field.name]
            kinds = (int,) if field.name in _COUNTS else (int, float)
            if type(value) not in kinds or not least <= value <= most:
                raise ConfigurationError(f"{field.name} must be a number from {least} to {most}")
        if self.backoff > self.max_backoff:
            raise ConfigurationError("backoff must not be greater than max_backoff")


def checked_policy(policy: object) -> CachePolicy:
    """Return the policy, or the default one for None. Raises ``ConfigurationError``."""
    if policy is not None and not isinstance(policy, CachePolicy):
        raise ConfigurationError("policy must be a CachePolicy")
    return policy or CachePolicy()
