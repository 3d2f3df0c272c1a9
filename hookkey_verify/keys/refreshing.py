"""RefreshingCache: a cache of named values whose source may be slow or unavailable.

It knows neither HTTP nor keys. What a look-up gets is decided in ``decisions``, under a lock and
without I/O. Each fetch runs in a thread of its own and holds no lock. A caller who stops waiting,
by deadline or by cancellation, does not affect the others, and a slow name does not delay another.

Okta marks its responses ``no-store``, which would mean one API call per token, while the material
under one keyId never changes. The lifetime is therefore ours: it bounds how long a deleted key is
still accepted.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Collection
from contextvars import copy_context
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from cachetools import LRUCache

from .. import errors
from .._runtime import clock as clocks
from .._runtime.backoff import Backoff
from .._runtime.clock import Clock
from .._runtime.forking import PerProcess
from ..events import Event, EventName, reason_of, shown
from .decisions import Decision, Entry, decide
from .flight import Fetched, Lookup, Outcome, PendingFetch, Wait
from .policy import CachePolicy
from .source import SourceState

if TYPE_CHECKING:
    from .health import Health

__all__ = ["BUDGET_SPENT", "Compare", "Fetch", "RefreshingCache", "Spend"]

V = TypeVar("V")
_Error = TypeVar("_Error", bound=errors.HookVerificationError)

Fetch: TypeAlias = Callable[[str, float], Fetched[V]]
"""``fetch(name, deadline)`` in monotonic seconds: a value, or raises ``HookVerificationError``."""

Compare: TypeAlias = Callable[[str, V, V], errors.HookVerificationError | None]
"""``compare(name, old, new)``: why the new value is refused, or None."""

Spend: TypeAlias = Callable[[float], float]
"""``spend(now)``: take a fetch from a budget and return 0, or the seconds until there is one."""

_HIT = EventName.HIT
GRACE = 0.1
"""Seconds that a look-up waits beyond ``fetch_timeout``, for the error of the fetch itself."""
OVERRUN = 0.5
"""A fetch that exceeds its deadline by more seconds than this indicates a frozen process."""
ABANDONED = 60
"""Seconds after which an overdue fetch is given up, and another one may start."""
BUDGET_SPENT = (
    "the budget for unknown kids is spent; warm_up(), allowed_key_ids or directory=True exempt "
    "your own keys from it"
)


def start_thread(function: Callable[..., None], *arguments: object) -> None:
    """Call a function in a daemon thread; the interpreter would wait for an executor's threads.

    It gets a copy of the caller's context, so that a trace shows which request caused the fetch.
    """
    run, arguments = copy_context().run, (function, *arguments)
    threading.Thread(target=run, args=arguments, name="hookkey-fetch", daemon=True).start()


class RefreshingCache(Generic[V]):
    """Values by name behind a ``Fetch``. For any number of threads and event loops."""

    def __init__(
        self,
        fetch: Fetch[V],
        policy: CachePolicy,
        source: SourceState,
        *,
        what: str | None = None,
        compare: Compare[V] = lambda *_: None,
        clock: Clock = clocks.monotonic_clock,
        age_clock: Clock | None = None,
        wall_clock: Clock = clocks.wall_clock,
        start: Callable[..., None] = start_thread,
    ) -> None:
        """Create an empty cache.

        ``fetch``: fetches a value from the source.
        ``policy``: how long values are served and how often they are fetched.
        ``source``: the state of the source, which several caches may share.
        ``what``: what a value is called in logs. Default None: names are kids, which are logged.
        ``compare``: compares a new value with the old one. Default: accepts it.
        ``clock``: returns the monotonic seconds of deadlines. Default: ``time.monotonic``.
        ``age_clock``: returns the monotonic seconds of ages. Default None: a clock that includes
            the time for which the machine sleeps.
        ``wall_clock``: returns epoch seconds. Default: ``time.time``.
        ``start``: calls a function in the background, with arguments. Raises ``RuntimeError`` if
            that is impossible. Default: in a thread of its own.
        """
        self.fresh_hits = 0
        """How often ``peek`` returned a value, counted without the lock."""
        self._fetch = fetch
        self._policy = policy
        self._source = source
        self._reports_hits = source.report.active
        self._what = what
        self._compare = compare
        self._clock = clock
        self._age_clock = clocks.age_clock if age_clock is None else age_clock
        self._wall_clock = wall_clock
        self._has_system_time = wall_clock is clocks.wall_clock
        self._start = start
        self._backoff = Backoff(policy.backoff, policy.max_backoff)
        self._entries: dict[str, Entry[V]] = {}
        self._absent: LRUCache[str, Entry[V]] = LRUCache(policy.max_unknown_kids)
        self._discarded: LRUCache[str, None] = LRUCache(policy.max_unknown_kids)
        self._in_flight: PerProcess[dict[str, PendingFetch[V]]] = PerProcess(self._new_process)

    def _new_process(self) -> dict[str, PendingFetch[V]]:
        """Start a process with no fetches in flight and its own random refresh times."""
        now = self._age_clock()
        for entry in self._entries.values():
            if now < entry.fresh_until:
                entry.spread(now, self._policy)
        return {}

    # --- look-ups

    def peek(self, name: str) -> V | None:
        """Return the value if it is here and not due for a refresh. No lock, no I/O."""
        try:
            entry = self._entries.get(name)
        except TypeError:  # not a string
            return None
        if entry is None:
            return None
        value = entry.value
        if value is None or self._age_clock() >= entry.refresh_at:
            return None
        # time.time is called here, because a call of wall_clock costs a fifth of a look-up more.
        wall = time.time() if self._has_system_time else self._wall_clock()
        if wall >= entry.wall_refresh_at:
            return None
        self.fresh_hits += 1
        if self._reports_hits:
            report = self._source.report  # at once: a method would take a tenth of the look-up
            kid = name if self._what is None else None
            report.send(Event(_HIT, report.source, "fresh", "", "", kid))
        return value

    def current(self, name: str) -> V | None:
        """Return the value if it is fresh. Counts nothing and starts nothing."""
        entry = self._entries.get(name) if isinstance(name, str) else None
        fresh = entry is not None and entry.is_fresh(self._age_clock(), self._wall_clock())
        return entry.value if entry is not None and fresh else None

    def latest(self, deadline: float | None) -> float:
        """Return when a look-up that starts now must end, by the clock of this cache.

        ``deadline``: a reading of ``time.monotonic``, or None.
        """
        left = self._policy.fetch_timeout + GRACE
        if deadline is not None:
            try:
                left = min(left, deadline - clocks.monotonic_clock())
            except (TypeError, OverflowError):
                wrong = "deadline must be a reading of time.monotonic"
                raise errors.KeyUnavailableError(wrong) from None
        return self._clock() + left

    def look_up(
        self, name: str, latest: float, *, spend: Spend | None = None, newer_than: V | None = None
    ) -> Lookup[V]:
        """Return the value, and fetch it if necessary. Raises what the fetch raised.

        ``name``: the name of the value.
        ``latest``: when this caller stops waiting, in monotonic seconds. The fetch continues.
        ``spend``: pays for the fetch of an unknown name. Default None: it is free.
        ``newer_than``: a value to replace although it may be fresh; stale values are not served.
            Default None.
        """
        value: V | None = None
        while value is None:
            value, pending = self._begin(name, latest, spend, newer_than)
            if pending is not None:
                yield Wait(pending, max(0.0, min(latest, pending.until) - self._clock()))
                value = self._end(name, pending, serve_stale=newer_than is None)
            spend = None  # it has been paid
        return value

    def is_new(self, name: str) -> bool:
        """Whether only a fetch can tell if the name exists, and the source may be asked now."""
        with self._source.changing():
            now = self._age_clock()
            refused = self._entry(name).is_backing_off(now) or self._source.breaker.open_for(now)
            return not (refused or name in self._entries or name in self._in_flight())

    def knows(self, name: str) -> bool:
        """Whether the source had this name at the last fetch."""
        return name in self._entries

    def invalidate(self, name: str) -> None:
        """Forget the value. The next look-up fetches; a fetch in flight does not count."""
        with self._source.changing():
            self._in_flight().pop(name, None)
            self._absent.pop(name, None)
            self._entry(name).forget()

    def _entry(self, name: str) -> Entry[V]:
        return self._entries.get(name) or self._absent.get(name) or Entry()

    def _kid(self, name: str) -> str | None:
        return name if self._what is None else None

    def _begin(
        self, name: str, latest: float, spend: Spend | None, newer_than: V | None
    ) -> tuple[V | None, PendingFetch[V] | None]:
        """Return the value to serve or the fetch to wait for, or raise. May start a fetch."""
        started: PendingFetch[V] | None = None
        value: V | None = None
        pending: PendingFetch[V] | None = None
        try:
            with self._source.changing():
                pending = self._pending(name)
                value, fetches = self._decide(name, latest, spend, newer_than, pending)
                if fetches and pending is None:
                    until = self._clock() + self._policy.fetch_timeout + GRACE
                    pending = started = PendingFetch(
                        until, self._age_clock(), self._source.breaker.epoch
                    )
                    self._in_flight()[name] = started
            if started is not None:
                self._start(self._carry_out, name, started)
        except BaseException as error:  # other callers may wait for what would never start
            if started is None:
                raise
            no_thread = isinstance(error, RuntimeError)  # or the interpreter is exiting
            problem = errors.KeyUnavailableError("no thread could be started")
            self._complete(name, started, problem if no_thread else None, 0.0)
            if not no_thread:
                raise
        return value, pending if value is None else None

    def _decide(
        self,
        name: str,
        latest: float,
        spend: Spend | None,
        newer_than: V | None,
        pending: PendingFetch[V] | None,
    ) -> tuple[V | None, bool]:
        """Return the value to serve if any, and whether to fetch; or raise. Hold the lock."""
        now, kid, tell = self._age_clock(), self._kid(name), self._source.tell
        entry, in_time = self._entry(name), self._clock() < latest
        decision = decide(
            entry, now, self._wall_clock(), in_flight=pending is not None, in_time=in_time
        )
        if newer_than is not None and entry.value is newer_than:
            spared = not in_time or entry.is_backing_off(now)
            decision = Decision.REFUSE if spared else Decision.WAIT
        if decision is Decision.REFUSE:
            self._refuse(name, entry, now)
        if decision.served == "stale":
            if entry.is_backing_off(now):
                tell(EventName.LIMITED, kid, "refresh", entry.retry_at - now)
            self._tell_stale(kid, entry, now)
        elif decision.served:
            tell(EventName.HIT, kid, "fresh")
            if decision.fetches:
                tell(EventName.REFRESH_AHEAD, kid)
        elif pending is not None:
            tell(EventName.COALESCED, kid)
        else:
            if name not in self._entries or newer_than is not None:
                self._pay(kid, now, spend)
            tell(EventName.MISS, kid)
        return entry.value if decision.served else None, decision.fetches

    def _pending(self, name: str) -> PendingFetch[V] | None:
        pending = self._in_flight().get(name)
        if pending is not None and pending.until + ABANDONED < self._clock():
            del self._in_flight()[name]  # it may never end
            return None
        return pending

    def _tell_stale(self, kid: str | None, entry: Entry[V], now: float) -> None:
        self._source.tell(EventName.HIT, kid, "stale")
        why = str((entry.error or errors.KeyUnavailableError).reason)
        self._source.tell(EventName.STALE_SERVED, kid, why, now - entry.born)

    def _refuse(self, name: str, entry: Entry[V], now: float) -> None:
        """Raise the last error, or ``KeyUnavailableError`` if the deadline has passed."""
        if entry.error is None or not entry.is_backing_off(now):
            raise errors.KeyUnavailableError("the deadline has passed")
        wait, kid = self._wait(name, entry, now), self._kid(name)
        if isinstance(entry.error, errors.UnknownKeyError):
            self._source.tell(EventName.HIT, kid, "negative")
        else:
            self._source.tell(EventName.LIMITED, kid, "refresh", wait)
        raise _again(entry.error, wait)

    def _wait(self, name: str, entry: Entry[V], now: float) -> float:
        """Return the seconds until the name may be fetched."""
        wait = max(0.0, entry.retry_at - now)
        return wait if name in self._entries else max(wait, self._source.breaker.open_for(now))

    def _pay(self, kid: str | None, now: float, spend: Spend | None) -> None:
        """Raise if a fetch for an unknown name must not start."""
        wait = self._source.breaker.open_for(now)
        error, which = self._source.breaker.error, "breaker"
        if wait == 0 and spend is not None:
            wait, error, which = spend(now), None, "first_seen"
        if wait > 0:
            self._source.tell(EventName.LIMITED, kid, which, wait)
            raise _again(error or errors.KeyLookupLimitedError(BUDGET_SPENT), wait)

    def _end(self, name: str, pending: PendingFetch[V], *, serve_stale: bool) -> V | None:
        """Return the value after the wait, or raise; None means to look up again."""
        outcome: Outcome[V] = errors.KeyUnavailableError("the key did not come in time")
        if pending.done():
            outcome = pending.result()
        else:  # the fetch is overdue, unless the process was frozen
            pending.overdue |= -GRACE <= self._clock() - pending.until < OVERRUN
        if outcome is None or isinstance(outcome, Fetched):
            return outcome and outcome.value
        with self._source.changing():
            now, entry = self._age_clock(), self._entry(name)
            if serve_stale and entry.is_stale(now):
                self._tell_stale(self._kid(name), entry, now)
                return entry.value
            raise _again(outcome, self._wait(name, entry, now) or None)

    # --- fetches

    def _carry_out(self, name: str, pending: PendingFetch[V]) -> None:
        started = self._clock()
        outcome: Outcome[V] = errors.KeyUnavailableError("the fetch was interrupted")
        try:
            outcome = self._fetch(name, started + self._policy.fetch_timeout)
        except errors.HookVerificationError as error:
            outcome = error.with_traceback(None)  # its frames would live as long as it does
        except BaseException as error:  # callers must be released, whatever happened
            outcome = errors.KeyUnavailableError(f"the fetch raised {type(error).__name__}")
        finally:
            self._complete(name, pending, outcome, max(0.0, self._clock() - started))

    def _complete(
        self, name: str, pending: PendingFetch[V], outcome: Outcome[V], seconds: float
    ) -> None:
        """Take the result and release all callers. Once for each pending fetch."""
        with self._source.changing():
            if pending.completed:
                return
            pending.completed = True
        try:
            with self._source.changing():
                in_flight = self._in_flight()
                # If it is not there, the name was invalidated: the result is not kept.
                if in_flight.get(name) is pending:
                    del in_flight[name]
                    outcome = self._take(name, pending, outcome)
                self._source.tell(EventName.FETCH, self._kid(name), _word(outcome), seconds)
        finally:
            pending.complete(outcome)
        self._log(name, outcome, seconds)

    def _log(self, name: str, outcome: Outcome[V], seconds: float) -> None:
        problem = outcome.problem if isinstance(outcome, Fetched) else outcome
        if problem is None:
            return
        report, what = self._source.report, self._what or f"the key {shown(name)}"
        level = logging.INFO if isinstance(problem, errors.UnknownKeyError) else logging.WARNING
        report.log(
            level,
            f"{report.source}: fetching {what}: {problem}",
            topic=f"fetching {self._what}: {problem}",
            reason=reason_of(problem),
            kid=self._kid(name),
            seconds=seconds,
        )

    def _take(self, name: str, pending: PendingFetch[V], outcome: Outcome[V]) -> Outcome[V]:
        """Keep the result of a fetch, and return what its callers get."""
        now, wall = self._age_clock(), self._wall_clock()
        took = max(0.0, now - pending.started)  # the source may have answered at its beginning
        overran = took > self._policy.fetch_timeout + OVERRUN
        if (
            isinstance(outcome, errors.KeyUnavailableError)
            and overran
            and not pending.overdue
            and name not in self._discarded
        ):
            # The process was frozen, which says nothing about the source. Only once in a row,
            # because a resolver that hangs looks the same.
            self._discarded[name] = None
            return None
        self._discarded.pop(name, None)
        if isinstance(outcome, Fetched):
            return self._store(name, outcome._replace(age=outcome.age + took), pending, now, wall)
        if isinstance(outcome, errors.UnknownKeyError):
            if outcome.age == 0:
                self._source.succeeded(pending.epoch, now)
            if self._entries.pop(name, None) is not None:
                self._source.tell(EventName.KEY_REVOKED, self._kid(name))
            entry = self._absent[name] = Entry[V]()
            entry.error = outcome
            entry.retry_at = now + self._policy.negative_for - max(0.0, outcome.age + took)
        elif outcome is not None:
            self._fail(name, outcome, now, wall)
        return outcome

    def _store(
        self, name: str, fetched: Fetched[V], pending: PendingFetch[V], now: float, wall: float
    ) -> Outcome[V]:
        entry = self._entry(name)
        refused = None
        if entry.value is not None:
            refused = self._compare(name, entry.value, fetched.value)
        if refused is not None:
            self._fail(name, refused, now, wall)
            return refused
        if name not in self._entries and len(self._entries) >= self._policy.max_keys:
            oldest = min(self._entries, key=lambda name: self._entries[name].born)
            del self._entries[oldest]
            self._source.tell(EventName.EVICTED, self._kid(oldest))
        failures = entry.failures
        entry.store(fetched.value, now, wall, max(0.0, fetched.age), self._policy)
        self._entries[name] = entry
        self._absent.pop(name, None)
        if not fetched.from_shared_store:
            entry.contradicted = False  # a record does not prove that the source has recovered
            self._source.succeeded(pending.epoch, now)
        elif entry.is_due(now, wall):
            entry.retry_at = now + self._backoff.after(1)  # the other worker refreshes it
        if fetched.problem is not None:
            entry.failures = failures
            self._fail(name, fetched.problem, now, wall)
        return fetched

    def _fail(
        self, name: str, error: errors.HookVerificationError, now: float, wall: float
    ) -> None:
        entry = self._entry(name)
        if name not in self._entries:
            self._absent[name] = entry
        entry.failures += 1
        entry.error = error
        entry.contradicted |= isinstance(error, errors.KeyRejectedError)
        entry.failed_expired |= not entry.is_fresh(now, wall)
        pause = self._backoff.after(entry.failures)
        if isinstance(error, errors.KeyLookupLimitedError):
            pause = error.retry_after
            self._source.tell(EventName.LIMITED, self._kid(name), "first_seen", pause)
        elif isinstance(error, errors.KeySourceThrottledError):
            pause = max(pause, error.retry_after)
        entry.retry_at = now + pause
        self._source.failed(error, entry.retry_at, now)

    # --- condition

    def size(self) -> tuple[int, int]:
        """Return how many values are kept, and how many names without one are remembered."""
        kept = sum(entry.value is not None for entry in list(self._entries.values()))
        return kept, len(self._absent)

    def health(self, kids: Callable[[str, V], Collection[str]] = lambda name, _: (name,)) -> Health:
        """Return the condition of the source.

        ``kids``: returns the kids of a value. Default: its name.
        """
        from .health import KeyHealth  # noqa: PLC0415 - 3 ms, not needed to verify

        with self._source.changing():
            now, conditions = self._age_clock(), dict[str, KeyHealth]()
            serves = late = False
            for name, entry in self._entries.items():
                serves |= entry.is_stale(now) or (
                    entry.value is not None and now < entry.fresh_until
                )
                attempted_until = entry.retry_at + self._policy.fetch_timeout
                late |= entry.failures > 0 and entry.fresh_until <= now < attempted_until
                if entry.value is not None:
                    condition = KeyHealth.of(now, entry.born, self._policy, entry.failures)
                    conditions |= dict.fromkeys(kids(name, entry.value), condition)
            return self._source.health(conditions, serves=serves, late=late, now=now)


def _word(outcome: Outcome[V]) -> str:
    """Return the outcome of a fetch for its event."""
    if outcome is None:
        return "discarded"
    problem = outcome.problem if isinstance(outcome, Fetched) else outcome
    if problem is not None:
        return str(problem.reason)
    return "shared" if isinstance(outcome, Fetched) and outcome.from_shared_store else "ok"


def _again(error: _Error, wait: float | None = None) -> _Error:
    """Return a copy, because a raised exception collects the frames of its callers.

    ``wait``: the seconds until another attempt makes sense. Default None: keeps the error's own.
    """
    twin = copy.copy(error)
    if wait is not None and isinstance(twin, errors.KeyUnavailableError):
        twin.retry_after = wait
    return twin
