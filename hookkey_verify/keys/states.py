"""KeyStates: what is known of every kid, and what follows from it. Pure: the time is an argument.

::

    look-up of a kid that is        becomes
    fresh                           the key
    in its last part (ahead)        the key, and a fetch in background
    past fresh_for                  a fetch that everybody waits for
      … and that failed             the key, up to stale_if_error; then the error
    unknown (the source said so)    UnknownKeyError for negative_for
    absent, its fetch failed        that error until the backoff is over
    absent                          a fetch, if the directory and the budget allow one
    absent, breaker open            the error that opened it

What a fetch may change: only its success stores a key; only ``UnknownKeyError`` removes one; any
other error leaves what is there and delays the next attempt.

There is no lock in here: ``KeyCache`` holds its own around every call.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Collection, Container
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar

from cachetools import LRUCache

from .._jose.jwk import PublicKey
from ..errors import (
    HookVerificationError,
    KeyChangedError,
    KeyLookupLimitedError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    UnknownKeyError,
)
from ..events import EventName
from .budget import Backoff, Budget
from .health import Health, KeyHealth, State, Status
from .policy import CachePolicy

__all__ = ["DIRECTORY", "Decision", "FetchOutcome", "Fetched", "KeyStates", "Reported", "again"]

DIRECTORY: Final = "\0"
"""Stands where a kid would, for the list of kids; kids are printable."""

LONGEST_PAUSE: Final = 30
"""Maximum seconds that the breaker stays open after repeated 401 responses."""

_NOT_LISTED: Final = (
    "the org's list of hook keys lacks it; a new key is found when the list is renewed, or by "
    "warm_up()"
)
_NEVER: Final = float("-inf")
_Error = TypeVar("_Error", bound=HookVerificationError)


class Fetched(NamedTuple):
    """What a fetch brought: the key, its age in seconds, and other keys that came along.

    ``complete``: together they are all that the source has. ``problem`` is why there is no key, or
    no younger one when that was tried. ``from_shared_store``: another worker asked the source.
    """

    key: PublicKey | None
    age: float = 0.0
    others: tuple[PublicKey, ...] = ()
    complete: bool = False
    problem: HookVerificationError | None = None
    from_shared_store: bool = False


FetchOutcome = Fetched | frozenset[str] | HookVerificationError
"""How a fetch ended: with keys, with the directory, or with an error."""


class Reported(NamedTuple):
    """An event in the making."""

    name: EventName
    kid: str | None = None
    outcome: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a look-up: a key, or an error, or a fetch to wait for.

    ``launch`` names the kid whose fetch is to begin (beside a key: in background), ``join`` the one
    whose fetch is under way; both may be ``DIRECTORY``, after which the look-up is decided anew.
    """

    reports: tuple[Reported, ...] = ()
    key: PublicKey | None = None
    error: HookVerificationError | None = None
    launch: str | None = None
    join: str | None = None


class Entry:
    """A key that the source had; it is kept until it is revoked or pushed out."""

    __slots__ = (
        "as_of",
        "born",
        "error",
        "failures",
        "fresh_until",
        "key",
        "refresh_at",
        "rejected_since",
        "retry_at",
    )  # fmt: skip

    def __init__(self, key: PublicKey, as_of: int, born: float, policy: CachePolicy) -> None:
        self.key: PublicKey | None = key  # None: invalidated, and still a kid that is known
        self.as_of = as_of  # the number of the fetch that brought it
        self.born = born
        self.fresh_until = born + policy.fresh_for
        self.rejected_since = False  # the source has since said something that is not acceptable
        self.failures = 0
        self.spread(policy)
        self.retry_at = born
        self.error: HookVerificationError | None = None

    def spread(self, policy: CachePolicy) -> None:
        """Choose by chance when the refresh begins, apart from other processes."""
        ahead = policy.fresh_for * policy.refresh_ahead * random.uniform(0.5, 1)  # noqa: S311
        self.refresh_at = self.fresh_until - ahead


class _Refusal(NamedTuple):
    """What to say of a kid without a key, and until when without asking."""

    error: HookVerificationError
    until: float
    failures: int = 0


class KeyStates:
    """The states of all kids of one source, its directory, its breaker and its budget."""

    def __init__(
        self,
        policy: CachePolicy,
        *,
        expected: Collection[str] = (),
        has_directory: bool = False,
        keys_may_change: bool = False,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._policy = policy
        self.expected = set(expected)
        self._has_directory = has_directory
        self._keys_may_change = keys_may_change
        self._backoff = Backoff(policy.backoff, policy.max_backoff)
        self._listed: Collection[str] = ()
        self._listed_until = self._list_again_at = _NEVER
        self._last_success: float | None = None
        self._problem: HookVerificationError | None = None
        self._problem_until = _NEVER
        self._fetches = 0
        self._others_since = 0
        self.forget_refusals()

    def forget_refusals(self) -> None:
        """Forget everything but keys and directory."""
        self._refusals: LRUCache[str, _Refusal] = LRUCache(self._policy.max_unknown_kids)
        self._budget = Budget(self._policy.first_seen_burst, self._policy.first_seen_interval)
        self._close_breaker()

    def reset_after_fork(self) -> None:
        """In a forked child: whatever was under way is not, and refreshes are spread anew."""
        self.forget_refusals()
        for entry in self.entries.values():
            if entry.key is not None:
                entry.spread(self._policy)

    def _close_breaker(self) -> None:
        self._breaker_error: HookVerificationError | None = None
        self._breaker_until = _NEVER
        self._breaker_since = 0
        self._refused_in_a_row = 0

    # --- a look-up

    def look_up(self, kid: str, now: float, flying: Container[str]) -> Decision:
        """Decide what becomes of a look-up; ``flying`` are the fetches under way."""
        entry = self.entries.get(kid)
        if entry is not None and now < entry.fresh_until:
            return self._fresh(kid, entry, now, flying)
        if kid in flying:
            return Decision(reports=(Reported(EventName.COALESCED, kid),), join=kid)
        if entry is not None:
            return self._expired(kid, entry, now)
        return self._absent(kid, now, flying)

    def lookup_without_waiting(self, kid: str, now: float, flying: Container[str] = ()) -> Decision:
        """Decide on a look-up that has no time to wait; a stale key is renewed behind its back."""
        entry, refusal = self.entries.get(kid), self._refusals.get(kid)
        if entry is not None and now < entry.fresh_until:
            return Decision(reports=(Reported(EventName.HIT, kid, "fresh"),), key=entry.key)
        if entry is None and refusal is not None and now < refusal.until:
            return self._refused(kid, refusal, now)
        late = KeyUnavailableError("the deadline has passed")
        kept = self.stale(kid, late, now)
        if entry is None or kept is None:
            return Decision(error=late)
        due = entry.retry_at <= now and kid not in flying
        return replace(kept, launch=kid) if due else kept

    def _fresh(self, kid: str, entry: Entry, now: float, flying: Container[str]) -> Decision:
        hit = Reported(EventName.HIT, kid, "fresh")
        due = max(entry.refresh_at, entry.retry_at) <= now
        if not due or kid in flying:
            return Decision(reports=(hit,), key=entry.key)
        return Decision(
            reports=(hit, Reported(EventName.REFRESH_AHEAD, kid)), key=entry.key, launch=kid
        )

    def _expired(self, kid: str, entry: Entry, now: float) -> Decision:
        # Whatever became of other kids, which anybody can make up: a known key is asked for.
        error, until = entry.error, entry.retry_at
        if error is None or until <= now:
            return Decision(reports=(Reported(EventName.MISS, kid),), launch=kid)
        limited = Reported(EventName.LIMITED, kid, "refresh", until - now)
        kept = self.stale(kid, error, now)
        if kept is not None:
            return Decision(reports=(limited, *kept.reports), key=kept.key)
        return Decision(reports=(limited,), error=again(error, until - now))

    def _absent(self, kid: str, now: float, flying: Container[str]) -> Decision:
        refusal = self._refusals.get(kid)
        if refusal is not None and now < refusal.until:
            return self._refused(kid, refusal, now)
        if self._breaker_error is not None and now < self._breaker_until:
            return _limited(kid, "breaker", self._breaker_error, self._breaker_until - now)
        if kid in self.expected:
            return _miss(kid, kid)
        if self._has_directory:
            if now < self._listed_until:
                if kid in self._listed:
                    return _miss(kid, kid)
                return _unknown(kid, UnknownKeyError(_NOT_LISTED))
            if DIRECTORY in flying:
                return Decision(reports=(Reported(EventName.COALESCED, kid),), join=DIRECTORY)
            if self._list_again_at <= now:
                return _miss(kid, DIRECTORY)
        wait = self._budget.spend(now)
        if wait > 0:
            error = KeyLookupLimitedError(
                "the budget for kids never seen before is spent; warm_up(), allowed_key_ids or "
                "directory=True spare keys of yours from it"
            )
            return _limited(kid, "first_seen", error, wait)
        return _miss(kid, kid)

    def _refused(self, kid: str, refusal: _Refusal, now: float) -> Decision:
        if isinstance(refusal.error, UnknownKeyError):
            return _unknown(kid, refusal.error)
        wait = max(refusal.until, self._breaker_until) - now
        return _limited(kid, "refresh", refusal.error, wait)

    def stale(self, kid: str, error: HookVerificationError, now: float) -> Decision | None:
        """Return the kept key if it may be served in spite of the error that a refresh met.

        Not after ``KeyRejectedError``: that is no outage but an answer which is not to be trusted.
        """
        entry = self.entries.get(kid)
        if entry is None or entry.key is None or entry.rejected_since:
            return None
        if isinstance(error, KeyRejectedError):
            return None
        if now >= entry.fresh_until + self._policy.stale_if_error:
            return None
        hit = Reported(EventName.HIT, kid, "stale")
        age = Reported(EventName.STALE_SERVED, kid, str(error.reason), now - entry.born)
        return Decision(reports=(hit, age), key=entry.key)

    def wait(self, kid: str, now: float) -> float | None:
        """Return the seconds until this kid may be asked for again; None: it may be, or is not."""
        entry, refusal = self.entries.get(kid), self._refusals.get(kid)
        if entry is not None:
            until = entry.retry_at
        else:
            until = max(self._breaker_until, _NEVER if refusal is None else refusal.until)
        return until - now if until > now else None

    # --- the end of a fetch

    def begin(self) -> int:
        """Number a fetch that begins."""
        self._fetches += 1
        return self._fetches

    def landed(
        self, kid: str, outcome: FetchOutcome, now: float, number: int
    ) -> tuple[FetchOutcome, list[Reported]]:
        """Keep what fetch ``number`` brought; return what to tell who waits, and what happened.

        The caller sees to it that the fetch is still the one for this kid.
        """
        reports: list[Reported] = []
        entry = self.entries.get(kid)
        if entry is not None and entry.key is not None and entry.as_of > number:
            # It came along with another kid's fetch, which began later.
            return Fetched(entry.key), reports
        if isinstance(outcome, Fetched):
            self._others_came(kid, outcome, number, now, reports)
            key = outcome.key
            refused = outcome.problem if key is None else self._changed(kid, key, reports)
            if key is not None and refused is None:
                self._fetched(key, outcome, number, now, reports)
                return outcome, reports
            outcome = refused or KeyUnavailableError("the fetch brought no key")
        if isinstance(outcome, frozenset):
            self._answered(number, now, reports)
            self._listed = outcome
            self._listed_until = self._list_again_at = now + self._policy.directory_for
        elif isinstance(outcome, UnknownKeyError) and kid != DIRECTORY:
            if outcome.age == 0:
                self._answered(number, now, reports)
            if self.entries.pop(kid, None) is not None:
                reports.append(Reported(EventName.KEY_REVOKED, kid))
            until = now + self._policy.negative_for - max(0.0, outcome.age)
            self._refusals[kid] = _Refusal(outcome, until)
            self._others_since = self._fetches
        else:
            self._failed(kid, outcome, now, reports)
        return outcome, reports

    def _fetched(
        self, key: PublicKey, fetched: Fetched, number: int, now: float, reports: list[Reported]
    ) -> None:
        earlier = self.entries.get(key.kid)
        self._store(key, number, max(0.0, fetched.age), now, reports)
        if not fetched.from_shared_store:
            self._answered(number, now, reports)
        elif earlier is not None:
            # What another worker was told does not take back what this one was.
            self.entries[key.kid].rejected_since = earlier.rejected_since
        if fetched.problem is not None:
            if earlier is not None:
                self.entries[key.kid].failures = earlier.failures
            self._failed(key.kid, fetched.problem, now, reports)

    def adopt(self, fetched: Fetched, now: float, number: int) -> list[Reported]:
        """Keep the keys of fetch ``number``, which nobody asked for by kid."""
        reports: list[Reported] = []
        self._answered(number, now, reports)
        self._others_came("", fetched, number, now, reports)
        return reports

    def _others_came(
        self, kid: str, fetched: Fetched, number: int, now: float, reports: list[Reported]
    ) -> None:
        # Since that fetch began a key was invalidated or found to be gone, perhaps one of these.
        if number <= self._others_since:
            return
        others = [key for key in fetched.others if key.kid != kid]
        self._store_others(others, number, now, reports)
        if fetched.complete:
            there = {kid, *(key.kid for key in others)}
            for gone in [each for each in self.entries if each not in there]:
                if self.entries[gone].as_of < number:
                    del self.entries[gone]
                    reports.append(Reported(EventName.KEY_REVOKED, gone))

    def invalidate(self, kid: str) -> None:
        """Forget the key, but not that its kid is known: fetching it anew spends no budget."""
        self._refusals.pop(kid, None)
        self._others_since = self._fetches  # it may be coming along with another kid's fetch
        entry = self.entries.get(kid)
        if entry is not None:
            entry.key = entry.error = None
            entry.refresh_at = entry.fresh_until = entry.retry_at = _NEVER

    def _changed(self, kid: str, key: PublicKey, reports: list[Reported]) -> KeyChangedError | None:
        entry = self.entries.get(kid)
        if entry is None or entry.key is None or entry.key.thumbprint == key.thumbprint:
            return None
        verdict = "accepted" if self._keys_may_change else "refused"
        reports.append(Reported(EventName.KEY_CHANGED, kid, verdict))
        return None if self._keys_may_change else KeyChangedError("invalidate(kid) accepts it")

    def _store_others(
        self, keys: Collection[PublicKey], number: int, now: float, reports: list[Reported]
    ) -> None:
        for key in keys:
            entry = self.entries.get(key.kid)
            newer = entry is not None and entry.as_of > number
            if not newer and self._changed(key.kid, key, reports) is None:
                self._store(key, number, 0.0, now, reports)

    def _store(
        self, key: PublicKey, number: int, age: float, now: float, reports: list[Reported]
    ) -> None:
        self._refusals.pop(key.kid, None)
        if key.kid not in self.entries and len(self.entries) >= self._policy.max_keys:
            oldest = min(self.entries, key=lambda kid: self.entries[kid].born)
            del self.entries[oldest]
            reports.append(Reported(EventName.EVICTED, oldest))
        entry = self.entries[key.kid] = Entry(key, number, now - age, self._policy)
        if entry.refresh_at <= now:  # another worker's, which renews it
            entry.retry_at = now + self._backoff.after(1)

    def _answered(self, number: int, now: float, reports: list[Reported]) -> None:
        self._last_success, self._problem = now, None
        # What was asked before the breaker opened says nothing about the time since.
        if self._breaker_error is not None and number > self._breaker_since:
            self._close_breaker()
            reports.append(Reported(EventName.BREAKER, outcome="closed"))

    def _failed(
        self, kid: str, error: HookVerificationError, now: float, reports: list[Reported]
    ) -> None:
        self._problem = error
        entry, refusal = self.entries.get(kid), self._refusals.get(kid)
        if kid == DIRECTORY:
            again_at = self._list_again_at = now + self._policy.directory_for
        elif entry is not None:
            entry.failures += 1
            entry.rejected_since = entry.rejected_since or isinstance(error, KeyRejectedError)
            again_at = now + self._pause(error, entry.failures)
            entry.error, entry.retry_at = error, again_at
        else:
            failures = 1 if refusal is None else refusal.failures + 1
            again_at = now + self._pause(error, failures)
            self._refusals[kid] = _Refusal(error, again_at, failures)
        if isinstance(error, KeySourceThrottledError):
            if error.whole_source:
                self._open_breaker(error, error.retry_after, now, reports)
        elif isinstance(error, KeySourceConfigurationError):
            reports.append(Reported(EventName.CONFIG_ERROR, outcome=str(error.reason)))
            if error.whole_source:
                self._refused_in_a_row += 1
                pause = min(LONGEST_PAUSE, self._backoff.after(self._refused_in_a_row))
                self._open_breaker(error, pause, now, reports)
        self._problem_until = max(again_at, self._breaker_until) + self._policy.fetch_timeout

    def _pause(self, error: HookVerificationError, failures: int) -> float:
        pause = self._backoff.after(failures)
        if isinstance(error, KeySourceThrottledError):
            return max(pause, error.retry_after)
        return pause

    def _open_breaker(
        self, error: HookVerificationError, pause: float, now: float, reports: list[Reported]
    ) -> None:
        self._breaker_since = self._fetches
        if now + pause <= self._breaker_until:  # a shorter pause does not end a longer one
            return
        self._breaker_error, self._breaker_until = error, now + pause
        reports.append(Reported(EventName.BREAKER, outcome="open", seconds=pause))

    # --- telling

    @property
    def unknown_kids(self) -> int:
        """How many kids without a key are remembered."""
        return len(self._refusals)

    def health(self, source: str, now: float) -> Health:
        """Tell how the source is doing, per kid."""
        keys = {
            kid: KeyHealth(
                age=now - entry.born, state=self._state(entry, now), failures=entry.failures
            )
            for kid, entry in self.entries.items()
            if entry.key is not None
        }
        # A problem is believed until the next attempt could have ended: a probe that says
        # "failing" keeps the traffic away that would find out that it is over.
        problem = self._problem if now < self._problem_until else None
        served = any(
            key.state == "fresh" or (key.state == "stale" and not self.entries[kid].rejected_since)
            for kid, key in keys.items()
        )
        late = any(
            entry.failures
            and entry.fresh_until <= now < entry.retry_at + self._policy.fetch_timeout
            for entry in self.entries.values()
        )
        status: Status = "healthy"
        if problem is not None or late:
            status = "degraded" if served else "failing"
        return Health(
            source=source,
            status=status,
            keys=keys,
            last_success=None if self._last_success is None else now - self._last_success,
            breaker_open_for=max(0.0, self._breaker_until - now),
            problem="" if problem is None else str(problem),
        )

    def _state(self, entry: Entry, now: float) -> State:
        if now < entry.fresh_until:
            return "fresh"
        return "stale" if now < entry.fresh_until + self._policy.stale_if_error else "expired"


def again(error: _Error, wait: float | None = None) -> _Error:
    """Return a copy, because a raised exception collects its raiser's frames.

    ``wait`` is what is left of the time after which another attempt makes sense, in seconds.
    """
    twin = copy.copy(error)
    if wait is not None and isinstance(twin, KeyUnavailableError):
        twin.retry_after = wait
    return twin


def _miss(kid: str, launch: str) -> Decision:
    return Decision(reports=(Reported(EventName.MISS, kid),), launch=launch)


def _unknown(kid: str, error: UnknownKeyError) -> Decision:
    return Decision(reports=(Reported(EventName.HIT, kid, "negative"),), error=again(error))


def _limited(kid: str, which: str, error: HookVerificationError, wait: float) -> Decision:
    return Decision(
        reports=(Reported(EventName.LIMITED, kid, which, wait),), error=again(error, wait)
    )
