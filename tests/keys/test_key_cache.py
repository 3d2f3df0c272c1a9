"""KeyCache: how long what is believed, with a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
import copy
import gc
import itertools
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time

from hookkey_verify import CachePolicy, HookSigner, PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.keys.cache import Fetch, Fetched, KeyCache

from ..faults import ManualClock

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


@pytest.fixture
def source(signer: HookSigner) -> Source:
    return Source(signer.public_jwk())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000)


@pytest.fixture
def cache(source: Source, clock: ManualClock) -> KeyCache:
    return KeyCache(source, POLICY, clock=clock, age_clock=clock)


def _unknown(cache: KeyCache, kid: str) -> None:
    with pytest.raises(UnknownKeyError, match="not here"):
        cache.get(kid)


def test_a_key_is_fetched_once(cache: KeyCache, source: Source) -> None:
    """The second look-up is served from memory, with the same object."""
    assert cache.get("a") is cache.get("a")
    assert cache.get("b").kid == "b"
    assert [kid for kid, _ in source.asked] == ["a", "b"]


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (99.999, 1), (100, 2), (100.001, 2)])
def test_a_key_is_fresh_for_so_long(
    cache: KeyCache, source: Source, clock: ManualClock, age: float, fetches: int
) -> None:
    """At ``fresh_for`` seconds exactly it is asked for again."""
    cache.get("a")
    clock.now += age
    cache.get("a")
    assert len(source.asked) == fetches


def test_reading_a_key_does_not_prolong_it(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """``fresh_for`` bounds how long a deleted key is served, however often it is used."""
    for _ in range(4):
        cache.get("a")
        clock.now += 33
    source.known.clear()
    clock.now += 1
    _unknown(cache, "a")


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (9.999, 1), (10, 2), (10.001, 2)])
def test_an_unknown_kid_is_remembered_for_so_long(
    cache: KeyCache, source: Source, clock: ManualClock, age: float, fetches: int
) -> None:
    """Within ``negative_for`` the verdict is repeated without asking, with the same words."""
    _unknown(cache, "x")
    clock.now += age
    _unknown(cache, "x")
    assert len(source.asked) == fetches


def test_negative_for_zero_asks_every_time(source: Source, clock: ManualClock) -> None:
    """0 switches the memory of unknown kids off."""
    cache = KeyCache(source, CachePolicy(negative_for=0), clock=clock, age_clock=clock)
    _unknown(cache, "x")
    _unknown(cache, "x")
    assert len(source.asked) == 2


def test_a_key_that_appears_is_served_after_negative_for(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """A new key waits no longer than that."""
    _unknown(cache, "x")
    source.known.add("x")
    clock.now += 10
    assert cache.get("x").kid == "x"


@pytest.mark.parametrize("kind", OTHER_ERRORS, ids=lambda kind: kind.__name__)
def test_other_errors_last_as_long_as_their_backoff(
    cache: KeyCache, source: Source, clock: ManualClock, kind: type[Exception]
) -> None:
    """45. The error is repeated without asking; after the backoff the next look-up asks again."""
    source.error = kind("broken")
    for _ in range(3):
        with pytest.raises(
            kind if issubclass(kind, HookVerificationError) else KeyUnavailableError
        ):
            cache.get("a")
    assert len(source.asked) == 1
    source.error = None
    clock.now += 1
    assert cache.get("a").kid == "a"


@pytest.mark.parametrize("kind", OTHER_ERRORS, ids=lambda kind: kind.__name__)
def test_other_errors_never_remove_a_key(
    cache: KeyCache, source: Source, clock: ManualClock, kind: type[Exception]
) -> None:
    """A failed refresh leaves the key: it is served on, unless somebody else seems to answer."""
    key = cache.get("a")
    clock.now += 100
    source.error = kind("broken")
    if kind is KeyRejectedError:
        with pytest.raises(KeyRejectedError):
            cache.get("a")
    else:
        assert cache.get("a") is key
    assert "a" in cache.health().keys


def test_an_authoritative_unknown_removes_a_key(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """19, 47. When the source says that the key is gone it is not served stale."""
    cache.get("a")
    source.known.clear()
    clock.now += 100
    _unknown(cache, "a")
    assert cache.health().keys == {}
    source.error = KeyUnavailableError("broken")
    clock.now += 10
    with pytest.raises(KeyUnavailableError):
        cache.get("a")


@pytest.mark.parametrize("kid", ["a", "x"], ids=["a key", "an unknown kid"])
def test_invalidate_forgets(cache: KeyCache, source: Source, kid: str) -> None:
    """Key or verdict: the next look-up asks; other kids are not touched."""
    for each in ("a", "x"):
        if each in source.known:
            cache.get(each)
        else:
            _unknown(cache, each)
    cache.invalidate(kid)
    cache.invalidate("never seen")
    source.asked.clear()
    source.known.add("x")
    for each in {"a", "x"} - {kid}:
        _outcome(cache, each)
    assert source.asked == []
    assert cache.get(kid).kid == kid
    assert len(source.asked) == 1


def _outcome(cache: KeyCache, kid: str, deadline: float | None = None) -> str:
    try:
        return cache.get(kid, deadline=deadline).kid
    except HookVerificationError as error:
        return str(error.reason)


def test_peek_never_fetches(cache: KeyCache, source: Source) -> None:
    """It tells what is known, and None when nothing is."""
    assert cache.peek("a") is None
    assert source.asked == []
    assert cache.get("a") is cache.peek("a")


def test_unknown_kids_do_not_push_out_keys(source: Source, clock: ManualClock) -> None:
    """Senders choose kids, so they must not choose what is cached."""
    cache = KeyCache(
        source,
        CachePolicy(max_keys=1, max_unknown_kids=2, first_seen_burst=99),
        clock=clock,
        age_clock=clock,
    )
    cache.get("a")
    for number in range(50):
        _unknown(cache, f"x{number}")
    source.asked.clear()
    cache.get("a")
    _unknown(cache, "x49")
    _unknown(cache, "x48")
    assert source.asked == []
    _unknown(cache, "x47")
    assert len(source.asked) == 1


def test_max_keys_bounds_the_keys(source: Source, clock: ManualClock) -> None:
    """Beyond ``max_keys`` an older one goes, never the one that has just been fetched."""
    cache = KeyCache(source, CachePolicy(max_keys=2), clock=clock, age_clock=clock)
    source.known.add("c")
    for kid in ("a", "b", "c"):
        cache.get(kid)
        clock.now += 1
    kept = [kid for kid in ("a", "b", "c") if cache.peek(kid) is not None]
    assert len(kept) == 2
    assert "c" in kept


def test_expected_kids_spend_no_budget(source: Source, clock: ManualClock) -> None:
    """Whoever names the kids beforehand is no sender: the budget is left for those."""
    cache = KeyCache(source, CachePolicy(first_seen_burst=1), clock=clock, age_clock=clock)
    cache.expect(["a", "b"])
    assert [_outcome(cache, kid) for kid in "abxy"] == [
        "a",
        "b",
        "unknown_key",
        "key_lookup_limited",
    ]


@pytest.mark.parametrize("given", [None, 1_001, 1_002.5, 2_000])
def test_the_fetch_has_its_own_deadline(
    cache: KeyCache, source: Source, given: float | None
) -> None:
    """5. Whatever the first caller's deadline is: others may wait for the same fetch."""
    cache.get("a", deadline=given)
    assert source.asked == [("a", 1_002.5)]


def test_a_cached_key_needs_no_time(cache: KeyCache) -> None:
    """A deadline in the past matters to a fetch only."""
    key = cache.get("a")
    assert cache.get("a", deadline=0) is key


def test_a_slow_fetch_delays_nobody_else(source: Source, clock: ManualClock) -> None:
    """4. While one kid is fetched, another one is fetched, served, peeked at and invalidated."""
    begun, finish = threading.Event(), threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched:
        if kid == "a":
            begun.set()
            assert finish.wait(5)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.get, "a")
        try:
            assert begun.wait(5)
            assert cache.get("b") is cache.get("b")
            _unknown(cache, "x")
            assert cache.peek("a") is None
            cache.invalidate("b")
            assert not slow.done()
        finally:
            finish.set()
        assert slow.result(5).kid == "a"


def test_many_threads_on_one_cache(source: Source, clock: ManualClock) -> None:
    """Eviction, expiry and look-ups at once end in keys or in verdicts, never in other errors."""
    cache = KeyCache(
        source,
        CachePolicy(max_keys=1, max_unknown_kids=1, first_seen_burst=9_999),
        age_clock=clock,
    )

    def use(number: int) -> str:
        clock.now += 60
        return _outcome(cache, "abxy"[number % 4])

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(use, range(2_000)))
    assert outcomes == ["a", "b", "unknown_key", "unknown_key"] * 500


# --- threads


def test_fifty_threads_make_one_fetch(source: Source) -> None:
    """1. Fifty threads ask for one kid at once: it is fetched once, and all get the same key."""
    log = EventLog()
    cache = KeyCache(log.before(source, 49), PATIENT, on_event=log)
    with ThreadPoolExecutor(50) as pool:
        keys = list(pool.map(cache.get, ["a"] * 50))
    assert {id(key) for key in keys} == {id(cache.peek("a"))}
    assert len(source.asked) == 1


def test_fifty_threads_share_one_failure(source: Source) -> None:
    """2. Nobody tries again in turn; each thread raises an object of its own, as short as any."""
    source.error = KeyUnavailableError("broken")
    log = EventLog()
    cache = KeyCache(log.before(source, 49), PATIENT, on_event=log)
    with ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(cache.get, "a") for _ in range(50)]
        errors = [future.exception() for future in futures]
    assert {type(error) for error in errors} == {KeyUnavailableError}
    assert {error.detail for error in errors if isinstance(error, KeyUnavailableError)} == {
        "broken"
    }
    assert len({id(error) for error in [*errors, source.error]}) == 51
    assert len({len(traceback.extract_tb(error.__traceback__)) for error in errors if error}) == 1
    assert source.error.__traceback__ is None
    assert len(source.asked) == 1


def test_two_kids_are_fetched_side_by_side(source: Source) -> None:
    """3. Fifty threads ask for two kids: two fetches, and both are under way at the same time."""
    log, both = EventLog(), threading.Barrier(2)

    def fetch(kid: str, deadline: float) -> Fetched:
        both.wait(PATIENCE)
        return log.before(source, 48)(kid, deadline)

    cache = KeyCache(fetch, PATIENT, on_event=log)
    with ThreadPoolExecutor(50) as pool:
        keys = list(pool.map(cache.get, ["a", "b"] * 25))
    assert [key.kid for key in keys] == ["a", "b"] * 25
    assert sorted(kid for kid, _ in source.asked) == ["a", "b"]


@pytest.mark.parametrize("look_up", BOTH_WAYS)
def test_a_caller_leaves_at_its_deadline(
    source: Source, clock: ManualClock, look_up: LookUp
) -> None:
    """5. It need not wait for the fetch that it began; the fetch goes on, and its key is kept."""
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log, clock=clock, age_clock=clock)
    with held:
        for _ in range(2):
            with pytest.raises(KeyUnavailableError, match="did not come within the deadline"):
                look_up(cache, "a", clock.now + 0.02)
        assert cache.peek("a") is None
    log.wait_for(EventName.FETCH)
    assert cache.peek("a") is not None
    assert log.named(EventName.MISS, EventName.COALESCED, EventName.FETCH) == [
        ("a", ""),
        ("a", ""),
        ("a", "ok"),
    ]


@pytest.mark.parametrize("look_up", BOTH_WAYS)
def test_a_caller_leaves_with_the_old_key(
    source: Source, clock: ManualClock, look_up: LookUp
) -> None:
    """5. A key that may be served stale is better than no answer by the deadline."""
    held, log = Held(source, free=1), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log, clock=clock, age_clock=clock)
    key = cache.get("a")
    clock.now += 100
    with held:
        assert look_up(cache, "a", clock.now + 0.02) is key
    log.wait_for(EventName.FETCH, 2)
    assert log.named(EventName.STALE_SERVED) == [("a", "key_unavailable")]
    assert cache.health().keys["a"].age == 0


def test_no_time_at_all_and_an_old_key(cache: KeyCache, source: Source, clock: ManualClock) -> None:
    """5. A deadline that has passed already is one that comes too soon: the old key is served."""
    key = cache.get("a")
    clock.now += 100
    assert cache.get("a", deadline=clock.now) is key


def test_no_time_at_all_spends_nothing(source: Source, clock: ManualClock) -> None:
    """A look-up that begins no fetch, because its deadline has passed, takes none from others."""
    policy = CachePolicy(first_seen_burst=1)
    cache = KeyCache(source, policy, clock=clock, age_clock=clock)
    with pytest.raises(KeyUnavailableError, match="the deadline has passed"):
        cache.get("a", deadline=clock.now)
    assert source.asked == []
    assert cache.get("b").kid == "b"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GreenletExit])
def test_an_interrupted_fetch_releases_everybody(
    source: Source, clock: ManualClock, kind: type[BaseException]
) -> None:
    """6. Whoever waits gets KeyUnavailableError, and after the backoff a look-up fetches again."""
    source.error = kind()
    log = EventLog()
    cache = KeyCache(log.before(source, 4), PATIENT, on_event=log, clock=clock, age_clock=clock)
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(cache.get, "a") for _ in range(5)]
        errors = [future.exception() for future in futures]
    assert [str(error).partition(": ")[2] for error in errors] == [
        f"the fetch raised {kind.__name__}"
    ] * 5
    assert {type(error) for error in errors} == {KeyUnavailableError}
    source.error = None
    clock.now += 1
    assert cache.get("a").kid == "a"
    assert len(source.asked) == 2


def test_invalidate_while_it_is_fetched(source: Source) -> None:
    """7. Whoever waits gets what was fetched; it is not kept, and the next look-up fetches."""
    log, held = EventLog(), Held(source)
    cache = KeyCache(held, PATIENT, on_event=log)
    with ThreadPoolExecutor(1) as pool, held:
        waiting = pool.submit(cache.get, "a")
        held.wait_for_fetches(1)
        cache.invalidate("a")
        held.release(0)
        assert waiting.result(PATIENCE).kid == "a"
        assert cache.peek("a") is None
    assert cache.get("a").kid == "a"
    assert len(source.asked) == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "out of order"])
def test_the_newer_fetch_wins(
    signer: HookSigner, stranger: HookSigner, order: tuple[int, int]
) -> None:
    """8. Of two fetches of one kid the one that began later is kept, whichever ends first."""
    documents = [signer.public_jwk(), stranger.public_jwk()]
    kid = signer.kid

    def fetch(asked: str, deadline: float) -> Fetched:
        return Fetched(PublicKey.from_document(documents[held.number], expected_kid=asked))

    held = Held(fetch)
    cache = KeyCache(held, PATIENT)
    with ThreadPoolExecutor(2) as pool, held:
        waiting = [pool.submit(cache.get, kid)]
        held.wait_for_fetches(1)
        cache.invalidate(kid)
        waiting.append(pool.submit(cache.get, kid))
        held.wait_for_fetches(2)
        for number in order:
            held.release(number)
            got = waiting[number].result(PATIENCE)
            assert got.as_jwk() == documents[number]
    kept = cache.peek(kid)
    assert kept is not None
    assert kept.as_jwk() == documents[1]


def _set_of_a_and_b(source: Source) -> Callable[[str, float], Fetched]:
    """As ``IssuerKeys`` fetches: what is asked for comes with all that the source has then."""

    def fetch(kid: str, deadline: float) -> Fetched:
        key = source(kid, deadline).key
        others = (source(each, deadline).key for each in source.known)
        return Fetched(key, others=tuple(each for each in others if each is not None))

    return fetch


def test_invalidate_while_it_comes_along_with_another(source: Source) -> None:
    """7. What a fetch in flight brings besides its own kid is not believed either."""
    held = Held(_set_of_a_and_b(source), before=False)
    cache = KeyCache(held, PATIENT)
    with ThreadPoolExecutor(1) as pool, held:
        waiting = pool.submit(cache.get, "a")
        held.wait_for_fetches(1)
        cache.invalidate("b")
        held.release(0)
        waiting.result(PATIENCE)
    assert cache.peek("b") is None


def test_a_revoked_key_does_not_come_back_with_an_older_answer(source: Source) -> None:
    """8. The source said that b is gone; an answer that is older than that and ends later lost."""
    held = Held(_set_of_a_and_b(source), before=False)
    cache = KeyCache(held, PATIENT)
    with ThreadPoolExecutor(2) as pool, held:
        older = pool.submit(cache.get, "a")
        held.wait_for_fetches(1)
        source.known = {"a"}
        newer = pool.submit(cache.get, "b")
        assert isinstance(newer.exception(PATIENCE), UnknownKeyError)
        held.release(0)
        older.result(PATIENCE)
    assert cache.peek("b") is None


def test_no_fetch_is_left_behind(
    cache: KeyCache, source: Source, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9. After failures of all kinds nothing counts as being fetched, and a fetch still works."""
    errors = [kind("broken") for kind in OTHER_ERRORS]
    for error in [*errors, KeyboardInterrupt(), SystemExit(), GreenletExit()]:
        source.error = error
        _outcome(cache, "a")
        clock.now += 1_000
    source.error = None
    _outcome(cache, "x")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        _outcome(cache, "b")
    _outcome(cache, "b", deadline=0)
    assert cache._pending == {}
    clock.now += 1_000
    assert (cache.get("a").kid, cache.get("b").kid) == ("a", "b")


def test_an_interrupt_while_a_miss_is_told(source: Source, clock: ManualClock) -> None:
    """9. A signal handler or a gevent time-out raises what is no Exception, anywhere."""
    interrupts = iter([KeyboardInterrupt()])

    def on_event(event: Event) -> None:
        if event.name is EventName.MISS:
            for interrupt in interrupts:
                raise interrupt

    cache = KeyCache(source, POLICY, on_event=on_event, clock=clock, age_clock=clock)
    with pytest.raises(KeyboardInterrupt):
        cache.get("a")
    assert cache.get("a").kid == "a"


@pytest.mark.parametrize("started", [False, True])
def test_an_interrupt_while_a_fetch_begins(
    cache: KeyCache,
    source: Source,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    started: bool,
) -> None:
    """9. Before its thread runs or just after: no pending is left that never lands."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if started:
            start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.get("a")
    clock.now += 1
    assert cache.get("a").kid == "a"
    assert cache._pending == {}


def test_a_fetch_that_never_ends_is_given_up(source: Source, clock: ManualClock) -> None:
    """A minute after its time another one may begin; nobody waits for the old one meanwhile."""
    hanging = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched:
        if not source.asked:
            source.asked.append((kid, deadline))
            hanging.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)
    with pytest.raises(KeyUnavailableError):
        cache.get("a", deadline=clock.now + 0.01)
    clock.now += 5
    with pytest.raises(KeyUnavailableError, match="within the deadline"):
        cache.get("a")
    clock.now += 60
    assert cache.get("a").kid == "a"
    hanging.set()


def test_no_thread_can_be_started(
    cache: KeyCache, source: Source, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process at its limit of threads gets our error, and a key as soon as there is a thread."""
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        with pytest.raises(KeyUnavailableError, match="no thread could be started"):
            cache.get("a")
        with pytest.raises(KeyUnavailableError, match="no thread could be started"):
            asyncio.run(cache.aget("b"))
    assert (source.asked, cache._pending, cache.stats().fetches) == ([], {}, 2)
    clock.now += 1
    assert cache.get("a").kid == "a"


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_hammered(source: Source) -> None:
    """10. Keys or our errors come out, whatever is done at once, and the counts add up."""
    errors = itertools.cycle([None, None, KeyUnavailableError("1"), None, RuntimeError("2")])
    age_clock, raised = ManualClock(), []

    def fetch(kid: str, deadline: float) -> Fetched:
        error = next(errors)
        if error is not None:
            raised.append(error)
            raise copy.copy(error)
        return source(kid, deadline)

    policy = CachePolicy(
        fresh_for=100, refresh_ahead=0, first_seen_burst=9_999, max_keys=2, fetch_timeout=60
    )
    cache = KeyCache(fetch, policy, age_clock=age_clock)

    def use(number: int) -> str:
        age_clock.now += 7
        if number % 11 == 0:
            cache.invalidate("ab"[number % 2])
            cache.health()
        return _outcome(cache, "abxy"[number % 4])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(use, range(800)))
    finally:
        sys.setswitchinterval(interval)
    assert set(outcomes) == {"a", "b", "unknown_key", "key_unavailable"}
    stats = cache.stats()
    fresh_hits = stats.hits - stats.stale_hits
    decided = fresh_hits + stats.negative_hits + stats.misses + stats.coalesced + stats.limited
    assert decided == 800
    assert (stats.fetches, stats.failures) == (stats.misses, len(raised))
    assert stats.fetches == len(source.asked) + len(raised)
    assert cache._pending == {}


# --- clocks


def test_the_wall_clock_does_not_matter(source: Source) -> None:
    """37. Somebody sets the clock of the machine back or forth by a day."""
    today = datetime.now(UTC)
    with freeze_time(today) as frozen:
        cache = KeyCache(source, CachePolicy(fetch_timeout=60))
        cache.get("a")
        for days in (1, -1, 0):
            frozen.move_to(today + timedelta(days=days))
            cache.get("a")
            assert cache.health().keys["a"].age < 600
    assert len(source.asked) == 1


def test_sleep_ages_a_key(source: Source) -> None:
    """38. A laptop sleeps for 8 hours: the clock of deadlines stands still, that of ages not."""
    clock, age_clock = ManualClock(), ManualClock()
    cache = KeyCache(source, CachePolicy(), clock=clock, age_clock=age_clock)
    cache.get("a")
    age_clock.now += 8 * 3600
    cache.get("a")
    assert len(source.asked) == 2


def test_the_clock_of_deadlines_ages_nothing(source: Source) -> None:
    """38. A key is as old as the one clock says, and the other one is never asked for it."""
    clock, age_clock = ManualClock(), ManualClock()
    cache = KeyCache(source, CachePolicy(), clock=clock, age_clock=age_clock)
    cache.get("a")
    clock.now += 8 * 3600
    cache.get("a")
    assert (len(source.asked), cache.health().keys["a"].age) == (1, 0)
    assert cache.stats().misses == 1


# --- refresh-ahead


def test_refresh_ahead(source: Source, clock: ManualClock) -> None:
    """In its last part a key is served at once, and one fetch in background renews it."""
    held, log = Held(source, free=1), EventLog()
    cache = KeyCache(held, AHEAD, on_event=log, clock=clock, age_clock=clock)
    key = cache.get("a")
    clock.now += 79
    cache.get("a")
    assert len(source.asked) == 1
    clock.now += 16
    with held:
        assert [cache.get("a"), asyncio.run(cache.aget("a")), cache.get("a")] == [key] * 3
        assert log.named(EventName.REFRESH_AHEAD) == [("a", "")]
    log.wait_for(EventName.FETCH, 2)
    assert cache.health().keys["a"].age == 0
    assert (len(source.asked), cache.stats().misses, cache.stats().hits) == (2, 1, 4)


def test_a_refresh_that_fails_is_not_noticed(source: Source, clock: ManualClock) -> None:
    """The caller has the key, and the next attempt waits for its backoff."""
    log = EventLog()
    cache = KeyCache(source, AHEAD, on_event=log, clock=clock, age_clock=clock)
    key = cache.get("a")
    source.error = KeyUnavailableError("broken")
    clock.now += 95
    assert cache.get("a") is key
    log.wait_for(EventName.FETCH, 2)
    assert [cache.get("a"), cache.get("a")] == [key, key]
    assert cache.health().keys["a"].failures == 1
    assert len(source.asked) == 2
    source.error = None
    clock.now += 1
    assert cache.get("a") is key
    log.wait_for(EventName.FETCH, 3)
    assert cache.health().keys["a"].age == 0


def test_a_refresh_without_a_thread(
    source: Source, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is served although nothing can be fetched in background."""
    cache = KeyCache(source, AHEAD, clock=clock, age_clock=clock)
    key = cache.get("a")
    clock.now += 95
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    assert cache.get("a") is key
    assert cache._pending == {}


# --- asyncio


def test_the_loop_goes_on_while_the_source_hangs(source: Source) -> None:
    """52. The fetch ends only because the event loop beats on and releases it."""
    held = Held(source)
    cache = KeyCache(held, PATIENT)

    async def main() -> str:
        task = asyncio.create_task(cache.aget("a"))
        await held.fetching()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        held.release(0)
        return (await task).kid

    with held:
        assert asyncio.run(main()) == "a"


def test_tasks_and_threads_make_one_fetch(source: Source) -> None:
    """53. A hundred tasks and twenty threads ask for one kid at once."""
    log = EventLog()
    cache = KeyCache(log.before(source, 119), PATIENT, on_event=log)

    async def main(pool: ThreadPoolExecutor) -> set[int]:
        futures = [pool.submit(cache.get, "a") for _ in range(20)]
        keys = await asyncio.gather(*(cache.aget("a") for _ in range(100)))
        return {id(key) for key in [*keys, *(future.result(PATIENCE) for future in futures)]}

    with ThreadPoolExecutor(20) as pool:
        assert asyncio.run(main(pool)) == {id(cache.peek("a"))}
    assert len(source.asked) == 1


@pytest.mark.parametrize("cancelled", [1, 5], ids=["one", "all"])
@pytest.mark.parametrize("error", [None, KeyUnavailableError("broken")], ids=["key", "error"])
def test_cancelled_tasks(
    source: Source, caplog: pytest.LogCaptureFixture, cancelled: int, error: Exception | None
) -> None:
    """54. The fetch goes on for the others and for later; asyncio has nothing to complain about."""
    source.error = error
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log)
    complaints: list[dict[str, Any]] = []

    async def main() -> list[PublicKey | BaseException]:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
        tasks = [asyncio.create_task(cache.aget("a")) for _ in range(5)]
        await held.fetching()
        for task in tasks[:cancelled]:
            task.cancel()
        await asyncio.wait(tasks[:cancelled])
        assert not any(task.done() for task in tasks[cancelled:])
        held.release(0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(log.wait_for, EventName.FETCH)
        return outcomes

    with held:
        outcomes = asyncio.run(main())
    gc.collect()
    left = {KeyUnavailableError} if error is not None else {PublicKey}
    assert {type(outcome) for outcome in outcomes[:cancelled]} == {asyncio.CancelledError}
    assert {type(outcome) for outcome in outcomes[cancelled:]} <= left
    assert (cache.peek("a") is None) == (error is not None)
    assert len(source.asked) == 1
    assert complaints == []
    assert {record.name for record in caplog.records} <= {"hookkey_verify"}


def test_two_loops_share_one_cache(source: Source) -> None:
    """55. Two event loops in two threads wait for the same fetch."""
    log = EventLog()
    cache = KeyCache(log.before(source, 1), PATIENT, on_event=log)
    with ThreadPoolExecutor(2) as pool:
        keys = list(pool.map(lambda kid: asyncio.run(cache.aget(kid)), "aa"))
    assert keys[0] is keys[1] is cache.peek("a")
    assert len(source.asked) == 1


def test_one_loop_after_the_other(source: Source, clock: ManualClock) -> None:
    """56. A later ``asyncio.run`` finds the key of an earlier one, and can fetch."""
    cache = KeyCache(source, PATIENT, clock=clock, age_clock=clock)
    first = asyncio.run(cache.aget("a"))
    assert asyncio.run(cache.aget("a")) is first
    clock.now += 100
    asyncio.run(cache.aget("a"))
    assert asyncio.run(cache.aget("b")).kid == "b"
    assert [kid for kid, _ in source.asked] == ["a", "a", "b"]


def test_a_later_loop_waits_for_the_fetch_of_an_earlier_one(
    source: Source, clock: ManualClock
) -> None:
    """56. The loop that began the fetch is gone, and its end reaches the one that waits now."""
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log, clock=clock, age_clock=clock)

    async def later() -> str:
        task = asyncio.create_task(cache.aget("a"))
        await asyncio.sleep(0)
        held.release(0)
        return (await task).kid

    with held:
        with pytest.raises(KeyUnavailableError):
            asyncio.run(cache.aget("a", deadline=clock.now + 0.02))
        assert asyncio.run(later()) == "a"
    assert len(source.asked) == 1


def test_a_loop_that_is_closed_early(
    source: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """57. Nothing is raised or logged by the thread that fetches when a waiter's loop is gone."""
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log)
    loop = asyncio.new_event_loop()
    with held:
        waiting = loop.create_task(cache.aget("a"))
        loop.run_until_complete(held.fetching())
        pending = asyncio.all_tasks(loop)
        loop.close()
    log.wait_for(EventName.FETCH)
    assert waiting in pending
    assert cache.peek("a") is not None
    assert (raised, caplog.records) == ([], [])
    for task in pending:  # that the loop was closed too early is the test's own doing
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_waiters_leave_nothing_on_a_hanging_flight(source: Source, clock: ManualClock) -> None:
    """54. However many come and go, and also when its time is over."""
    hanging = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched:
        hanging.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)

    async def main() -> None:
        for later in (0, 5):
            clock.now += later
            for _ in range(20):
                with pytest.raises(KeyUnavailableError):
                    await cache.aget("a", deadline=clock.now + 0.001)
        [pending] = cache._pending.values()
        assert pending.wakers == set()

    asyncio.run(main())
    hanging.set()


def test_a_cancellation_is_never_swallowed(source: Source, clock: ManualClock) -> None:
    """54. Not even when it comes between the landing and the waiter's next turn."""
    proceed = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched:
        proceed.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)

    async def main(turns: int) -> bool:
        task = asyncio.ensure_future(cache.aget("a"))
        await asyncio.sleep(0)
        proceed.set()
        while cache._pending:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        asked = task.cancel()
        await asyncio.wait([task])
        return task.cancelled() if asked else True

    for turns in range(5):
        proceed.clear()
        cache.invalidate("a")
        assert asyncio.run(main(turns)), turns


def test_an_interrupt_before_anything_is_decided(source: Source) -> None:
    """9. There is nothing to release then, and nothing is left."""
    interrupts = iter([KeyboardInterrupt()])
    clock = ManualClock()

    def age_clock() -> float:
        for interrupt in interrupts:
            raise interrupt
        return clock()

    cache = KeyCache(source, POLICY, clock=clock, age_clock=age_clock)
    with pytest.raises(KeyboardInterrupt):
        cache.get("a")
    assert cache.get("a").kid == "a"


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (UnknownKeyError("not in the set"), UnknownKeyError("not in the set")),
        (None, KeyUnavailableError("the fetch brought no key")),
    ],
)
def test_invalidate_while_it_turns_out_not_to_exist(
    source: Source,
    clock: ManualClock,
    problem: HookVerificationError | None,
    told: HookVerificationError,
) -> None:
    """7. Whoever waits is told so, in the words of the fetch."""

    def fetch(kid: str, deadline: float) -> Fetched:
        of_a_set.invalidate(kid)
        return Fetched(None, problem=problem)

    of_a_set = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)
    with pytest.raises(type(told), match=told.detail):
        of_a_set.get("a")


@pytest.mark.parametrize("deadline", ["soon", b"1", [1], object()])
def test_what_is_no_deadline(cache: KeyCache, deadline: Any) -> None:
    """It ends in an error of ours, and nothing is fetched."""
    with pytest.raises(KeyUnavailableError, match="deadline must be"):
        cache.get("a", deadline=deadline)


def test_a_key_that_is_invalidated_as_it_is_looked_at(
    cache: KeyCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not served, and no hit is counted."""
    cache.get("a")
    clock = cache._age_clock

    def tick() -> float:
        monkeypatch.setattr(cache._entries["a"], "key", None)
        return clock()

    monkeypatch.setattr(cache, "_age_clock", tick)
    assert cache.peek("a") is None
    assert cache.stats().hits == 0
