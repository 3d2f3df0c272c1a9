"""Fetches whose results, start and end a test controls, and a log of a cache's events."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable

import pytest

from hookkey_verify import CachePolicy, PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.keys.cache import Fetch, Fetched, KeyCache

POLICY = CachePolicy(fresh_for=100, refresh_ahead=0, negative_for=10, fetch_timeout=2.5)
PATIENT = CachePolicy(fresh_for=100, refresh_ahead=0, fetch_timeout=60)
AHEAD = CachePolicy(fresh_for=100, refresh_ahead=0.2, fetch_timeout=60)
PATIENCE = 20
"""Seconds after which a test gives up; none waits so long unless something is broken."""


OTHER_ERRORS = [KeyUnavailableError, KeySourceConfigurationError, KeyRejectedError, RuntimeError]


class Source:
    """What the cache fetches from: it knows ``known``, and does ``then`` with each answer."""

    def __init__(self, jwk: dict[str, str]) -> None:
        self._jwk = jwk
        self.known = {"a", "b"}
        self.asked: list[tuple[str, float]] = []
        self.error: BaseException | None = None

    def __call__(self, kid: str, deadline: float) -> Fetched:
        self.asked.append((kid, deadline))
        if self.error is not None:
            raise self.error
        if kid not in self.known:
            raise UnknownKeyError("not here")
        return Fetched(PublicKey.from_document({**self._jwk, "kid": kid}, expected_kid=kid))


class EventLog:
    """Keeps the events of a cache, and lets a thread wait until so many of a kind have come."""

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

    def before(self, fetch: Fetch, waiters: int) -> Fetch:
        """A fetch that begins when so many look-ups wait for it besides the one that began it."""

        def fetching(kid: str, deadline: float) -> Fetched:
            self.wait_for(EventName.COALESCED, waiters)
            return fetch(kid, deadline)

        return fetching


class Held:
    """A fetch that hangs until it is released by its number, or at the latest on ``__exit__``.

    The first ``free`` fetches do not hang; ``before`` says on which side of it they do.
    """

    def __init__(self, fetch: Fetch, *, free: int = 0, before: bool = True) -> None:
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
        """That of the fetch which this thread carries out, from 0."""
        return int(self._own.number)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def __call__(self, kid: str, deadline: float) -> Fetched:
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
    """As gevent raises it: no Exception."""


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
