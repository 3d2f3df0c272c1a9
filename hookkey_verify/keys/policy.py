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
    """How long keys are served, and how often their source is asked. All fields have a default.

    ``fresh_for``: how long a key is served without a new request, 1 to 86,400 seconds, default
        3,600. It bounds how long a deleted key is accepted while the source is reachable. With the
        default, two keys in 100 processes cost about 4 requests a minute; a small org may have only
        50 requests a minute.
    ``refresh_ahead``: the last part of ``fresh_for`` in which a look-up starts a background
        refresh, 0 to 0.9, default 0.2. The refresh becomes due at a random time in the first half
        of that part, so that processes do not refresh together. 0 disables it.
    ``stale_if_error``: how much longer a key is served while it cannot be refreshed (RFC 5861
        section 4), 0 to 86,400 seconds, default 3,600. It does not apply after the source has said
        that the key does not exist. 0 disables it.
    ``negative_for``: how long "there is no such key" is remembered, 0 to 86,400 seconds, default
        60. A key that is looked up before it exists is refused for this long. 0 remembers nothing.
    ``directory_for``: with ``directory=True``, how long the list of keys is used and the shortest
        time between two requests for it, 1 to 3,600 seconds, default 30. A new key waits at most
        this long.
    ``fetch_timeout``: the time limit of one fetch and of one look-up, 0.05 to 60 seconds, default
        2.5. Okta waits 3 seconds for a hook
        (https://developer.okta.com/docs/concepts/inline-hooks/), and its first response has been
        seen to take 1.3 seconds.
    ``backoff``: the pause after the first failed fetch of a key, 0.1 to 3,600 seconds, default 1.
        It doubles with each failure. Each pause is shortened by a random amount, up to half. It is
        short at first, because Okta retries a hook only once after a 503.
    ``max_backoff``: the longest pause between two attempts, 0.1 to 3,600 seconds, default 300, and
        not less than ``backoff``. It bounds how late the end of an outage is noticed.
    ``first_seen_burst``: the maximum burst of look-ups for unknown kids, 1 to 10,000, default 5.
        Senders can make up kids, and each request counts against the org's rate limit. Known keys
        do not need the budget. It is the budget of one process; with a shared store, it is also
        that of the fleet.
    ``first_seen_interval``: the time in which the budget regains one look-up, 0.001 to 3,600
        seconds, default 10.
    ``max_keys``: the number of keys kept, 1 to 10,000, default 64. The oldest is dropped to make
        space. An org has at most 50.
    ``max_unknown_kids``: the number of kids without a key that are remembered, 1 to 1,000,000,
        default 1,024. They are stored separately and never displace keys.

    Raises ``ConfigurationError`` naming the field that is out of range.

    For example:

    >>> from hookkey_verify import CachePolicy
    >>> CachePolicy(fresh_for=600, stale_if_error=0).fresh_for
    600
    >>> CachePolicy(fresh_for=0)
    Traceback (most recent call last):
        ...
    hookkey_verify.errors.ConfigurationError: hookkey_verify is not configured correctly...
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
