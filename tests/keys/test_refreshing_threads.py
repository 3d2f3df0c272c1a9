"""The cache: concurrent look-ups in threads."""

from __future__ import annotations

import copy
import itertools
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hookkey_verify import CachePolicy
from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.keys.flight import Fetched

from ..faults import ManualClock
from .controlled_fetches import (
    PATIENCE,
    PATIENT,
    POLICY,
    EventLog,
    KeyCache,
    Source,
    outcome,
    unknown,
)


def test_a_slow_fetch_delays_no_other(source: Source, clock: ManualClock) -> None:
    """While one kid is fetched, other kids can be fetched, served, peeked at and invalidated."""
    begun, finish = threading.Event(), threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched[Any]:
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
            unknown(cache, "x")
            assert cache.peek("a") is None
            cache.invalidate("b")
            assert not slow.done()
        finally:
            finish.set()
        assert slow.result(5).kid == "a"


def test_many_threads_on_one_cache(source: Source, clock: ManualClock) -> None:
    """Concurrent eviction, expiry and look-ups return keys or "no such key", no other errors."""
    cache = KeyCache(
        source,
        CachePolicy(max_keys=1, max_unknown_kids=1, first_seen_burst=9_999),
        age_clock=clock,
    )

    def use(number: int) -> str:
        clock.now += 60
        return outcome(cache, "abxy"[number % 4])

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(use, range(2_000)))
    assert outcomes == ["a", "b", "unknown_key", "unknown_key"] * 500


def test_fifty_threads_make_one_fetch(source: Source) -> None:
    """Fifty threads that look up one kid share one fetch and get the same key."""
    log = EventLog()
    cache = KeyCache(log.before(source, 49), PATIENT, on_event=log)
    with ThreadPoolExecutor(50) as pool:
        keys = list(pool.map(cache.get, ["a"] * 50))
    assert {id(key) for key in keys} == {id(cache.peek("a"))}
    assert len(source.asked) == 1


def test_fifty_threads_share_one_failure(source: Source) -> None:
    """Fifty threads share one failed fetch; each raises its own copy of the error."""
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
    """Fifty threads that look up two kids cause two concurrent fetches."""
    log, both = EventLog(), threading.Barrier(2)

    def fetch(kid: str, deadline: float) -> Fetched[Any]:
        both.wait(PATIENCE)
        return log.before(source, 48)(kid, deadline)

    cache = KeyCache(fetch, PATIENT, on_event=log)
    with ThreadPoolExecutor(50) as pool:
        keys = list(pool.map(cache.get, ["a", "b"] * 25))
    assert [key.kid for key in keys] == ["a", "b"] * 25
    assert sorted(kid for kid, _ in source.asked) == ["a", "b"]


def test_hammered(source: Source) -> None:
    """Concurrent use returns keys or our errors only, and the counts add up."""
    errors = itertools.cycle([None, None, KeyUnavailableError("1"), None, RuntimeError("2")])
    age_clock, raised = ManualClock(), []

    def fetch(kid: str, deadline: float) -> Fetched[Any]:
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
        return outcome(cache, "abxy"[number % 4])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(use, range(800)))
    finally:
        sys.setswitchinterval(interval)
    assert set(outcomes) == {"a", "b", "unknown_key", "key_unavailable"}
    stats = cache.stats()
    decided = stats.hits + stats.negative_hits + stats.misses + stats.coalesced + stats.limited
    assert decided >= 800
    assert stats.failures <= len(raised)  # fewer, because this clock makes fetches look frozen
    assert stats.fetches == len(source.asked) + len(raised)
    assert cache.pending == {}
