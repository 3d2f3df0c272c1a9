"""Admission: which unknown kid may cause a request to the source.

Anyone can send tokens with made-up kids, and each request comes out of a rate limit that the org's
administrators share. So an unknown kid passes three gates: the allow-list, the directory of all
keys if there is one, and a budget for kids that neither of them names.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from .._jose.jwk import PublicKey
from ..errors import HookVerificationError, UnknownKeyError
from ..events import EventName
from .budget import Budget
from .flight import Lookup
from .policy import CachePolicy
from .refreshing import RefreshingCache
from .source import SourceState

__all__ = ["DIRECTORY", "Admission"]

DIRECTORY = "*"
"""The name of the directory in its cache and in a shared store; a keyId has no asterisk."""

_NOT_ALLOWED = "the kid is not in allowed_key_ids; add it there if the key is yours"
_NOT_LISTED = (
    "the list of the org's hook keys does not contain it; a new key is found after the next "
    "refresh of the list, or with warm_up(key_id)"
)


class Admission:
    """Decides which kids may be fetched. Thread-safe."""

    def __init__(
        self,
        cache: RefreshingCache[PublicKey],
        source: SourceState,
        policy: CachePolicy,
        *,
        allowed: Collection[str] | None = None,
        directory: RefreshingCache[frozenset[str]] | None = None,
    ) -> None:
        """Create the gates before a cache.

        ``cache``: the cache of keys by kid.
        ``source``: the state of its source.
        ``policy``: the budget for unknown kids.
        ``allowed``: the only kids that are fetched. Default None: any.
        ``directory``: the cache of the kids that exist. Default None: there is none.
        """
        self._cache = cache
        self._source = source
        self._allowed = None if allowed is None else frozenset(allowed)
        self._directory = directory
        self._named: set[str] = set()
        self._budget = Budget(policy.first_seen_burst, policy.first_seen_interval)

    def expect(self, kids: Collection[str]) -> None:
        """Let these kids pass without the directory and the budget."""
        self._named.update(kids)

    def is_free(self, kid: str) -> bool:
        """Whether a fetch of this kid does not need the budget."""
        listed = None if self._directory is None else self._directory.current(DIRECTORY)
        named = self._allowed is not None or kid in self._named
        return named or self._cache.knows(kid) or (listed is not None and kid in listed)

    def refuse_foreign(self, kid: str) -> None:
        """Raise ``UnknownKeyError`` for a kid that is not on the allow-list."""
        if self._allowed is not None and kid not in self._allowed:
            raise UnknownKeyError(_NOT_ALLOWED)

    def look_up(self, kid: str, latest: float) -> Lookup[PublicKey]:
        """Look up a key if the gates let it pass. Raises what ``RefreshingCache.look_up`` raises.

        ``kid``: a kid that ``refuse_foreign`` let pass.
        ``latest``: when this caller stops waiting, in monotonic seconds.
        """
        if self._directory is not None and not self.is_free(kid) and self._cache.is_new(kid):
            # Without the list, the budget applies.
            listed = self._directory.current(DIRECTORY)
            if listed is None:
                with suppress(HookVerificationError):
                    listed = yield from self._directory.look_up(DIRECTORY, latest)
            if listed is not None and kid not in listed:
                with self._source.changing():
                    self._source.tell(EventName.HIT, kid, "negative")
                raise UnknownKeyError(_NOT_LISTED)
        spend = None if self.is_free(kid) else self._budget.spend
        return (yield from self._cache.look_up(kid, latest, spend=spend))
