"""Fetches whose results, start and end a test controls, and a log of a cache's events."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Collection
from typing import Any

import pytest

from hookkey_verify import CachePolicy, PublicKey
from hookkey_verify._runtime.clock import Clock, monotonic_clock, wall_clock
from hookkey_verify.errors import (
    HookVerificationError,
    KeyChangedError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName, OnEvent
from hookkey_verify.keys.admission import Admission
from hookkey_verify.keys.flight import Fetched, PendingFetch, arun, run
from hookkey_verify.keys.health import Health, Stats
from hookkey_verify.keys.hook_keys import for_directory
from hookkey_verify.keys.refreshing import Fetch, RefreshingCache, start_thread
from hookkey_verify.keys.source import SourceState

POLICY = CachePolicy(fresh_for=100, refresh_ahead=0, negative_for=10, fetch_timeout=2.5)
PATIENT = CachePolicy(fresh_for=100, refresh_ahead=0, fetch_timeout=60)
AHEAD = CachePolicy(fresh_for=100, refresh_ahead=0.2, fetch_timeout=60)
PATIENCE = 20
"""Seconds after which a test gives up; none waits so long unless something is broken."""


class KeyCache:
    """Keys behind a cache and admission, as in ``HookKeys`` but without HTTP."""

    def __init__(
        self,
        fetch: Fetch[PublicKey],
        policy: CachePolicy,
        *,
        source: str = "",
        expected: Collection[str] = (),
        list_kids: Callable[[float], Collection[str]] | None = None,
        on_event: OnEvent | None = None,
        clock: Clock = monotonic_clock,
        age_clock: Clock | None = None,
        wall_clock: Clock = wall_clock,
        start: Callable[..., None] = start_thread,
    ) -> None:
        self.state = SourceState(source, policy, on_event, clock)
        clocks: Any = {
            "clock": clock,
            "age_clock": age_clock,
            "wall_clock": wall_clock,
            "start": start,
        }
        self.cache = RefreshingCache(fetch, policy, self.state, compare=self._compare, **clocks)
        directory = None
        if list_kids is not None:
            directory = RefreshingCache(
                lambda _, deadline: Fetched(frozenset(list_kids(deadline))),
                for_directory(policy),
                self.state,
                what="its list of keys",
                **clocks,
            )
        self.admission = Admission(self.cache, self.state, policy, directory=directory)
        self.admission.expect(expected)
        self.peek = self.cache.peek
        self.expect = self.admission.expect
        self.invalidate = self.cache.invalidate

    @property
    def pending(self) -> dict[str, PendingFetch[PublicKey]]:
        """The fetches in flight."""
        return self.cache._in_flight()

    def _compare(self, kid: str, old: PublicKey, new: PublicKey) -> KeyChangedError | None:
        if old.thumbprint == new.thumbprint:
            return None
        self.state.tell(EventName.KEY_CHANGED, kid, "refused")
        return KeyChangedError("other material")

    def _latest(self, deadline: float | None) -> float:
        if not isinstance(deadline, int | float):
            return self.cache.latest(deadline)
        return min(deadline, self.cache.latest(None))

    def get(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Look up a key. ``deadline`` is a reading of the cache's clock."""
        return self.peek(kid) or run(self.admission.look_up(kid, self._latest(deadline)))

    async def aget(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        key = self.peek(kid)
        if key is None:
            key = await arun(self.admission.look_up(kid, self._latest(deadline)))
        return key

    def health(self) -> Health:
        return self.cache.health()

    def stats(self) -> Stats:
        keys, unknown_kids = self.cache.size()
        hits = self.cache.fresh_hits
        return self.state.stats(fresh_hits=hits, keys=keys, unknown_kids=unknown_kids)


OTHER_ERRORS = [KeyUnavailableError, KeySourceConfigurationError, KeyRejectedError, RuntimeError]


class Source:
    """A source for the cache: it has the kids in ``known``, or raises ``error``."""

    def __init__(self, jwk: dict[str, str]) -> None:
        self._jwk = jwk
        self.known = {"a", "b"}
        self.asked: list[tuple[str, float]] = []
        self.error: BaseException | None = None

    def __call__(self, kid: str, deadline: float) -> Fetched[PublicKey]:
        self.asked.append((kid, deadline))
        if self.error is not None:
            raise self.error
        if kid not in self.known:
            raise UnknownKeyError("not here")
        return Fetched(PublicKey.from_document({**self._jwk, "kid": kid}, expected_kid=kid))


class EventLog:
    """A log of the events of a cache, which can wait for a number of events of one kind."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def named(self, *names: EventName) -> list[tuple[str | None, str]]:
        return [(event.kid, event.outcome) for event in self.events if event.name in names]

    def wait_for(self, name: EventName, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.named(name)) >= times, PATIENCE)

    def before(self, fetch: Fetch[PublicKey], waiters: int) -> Fetch[PublicKey]:
        """Return a fetch that starts when this many other look-ups wait for it."""

        def fetching(kid: str, deadline: float) -> Fetched[PublicKey]:
            self.wait_for(EventName.COALESCED, waiters)
            return fetch(kid, deadline)

        return fetching


class Held:
    """A fetch that blocks until it is released by its number, or until ``__exit__``.

    The first ``free`` fetches do not block. ``before`` says whether the others block before or
    after they ask the source.
    """

    def __init__(self, fetch: Fetch[PublicKey], *, free: int = 0, before: bool = True) -> None:
        self._fetch = fetch
        self._free = free
        self._before = before
        self._own = threading.local()
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._hanging = 0
        self._released: set[int] = set()
        self._over = False

    @property
    def number(self) -> int:
        """The number of the fetch that this thread runs, from 0."""
        return int(self._own.number)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def __call__(self, kid: str, deadline: float) -> Fetched[PublicKey]:
        number = self._own.number = next(self._numbers)
        fetched = None if self._before else self._fetch(kid, deadline)
        with self._changed:
            self._hanging += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._may_go(number), PATIENCE)
        return self._fetch(kid, deadline) if fetched is None else fetched

    def _may_go(self, number: int) -> bool:
        return self._over or number < self._free or number in self._released

    def release(self, number: int) -> None:
        with self._changed:
            self._released.add(number)
            self._changed.notify_all()

    def wait_for_fetches(self, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._hanging >= times, PATIENCE)

    async def fetching(self) -> None:
        """Wait for the first fetch without blocking the loop."""
        while self._hanging == 0:
            await asyncio.sleep(0)


LookUp = Callable[[KeyCache, str, float], PublicKey]


def _get(cache: KeyCache, kid: str, deadline: float) -> PublicKey:
    return cache.get(kid, deadline=deadline)


def _aget(cache: KeyCache, kid: str, deadline: float) -> PublicKey:
    return asyncio.run(cache.aget(kid, deadline=deadline))


BOTH_WAYS = [pytest.param(_get, id="get"), pytest.param(_aget, id="aget")]


class GreenletExit(BaseException):
    """An exception like gevent's, which does not derive from ``Exception``."""


def unknown(cache: KeyCache, kid: str) -> None:
    with pytest.raises(UnknownKeyError, match="not here"):
        cache.get(kid)


def outcome(cache: KeyCache, kid: str, deadline: float | None = None) -> str:
    try:
        return cache.get(kid, deadline=deadline).kid
    except HookVerificationError as error:
        return str(error.reason)


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
