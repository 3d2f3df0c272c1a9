"""The cache: deadlines of callers and of fetches."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.events import EventName
from hookkey_verify.keys.flight import Fetched

from ..faults import ManualClock
from .controlled_fetches import BOTH_WAYS, PATIENT, POLICY, EventLog, Held, KeyCache, LookUp, Source


@pytest.mark.parametrize("given", [None, 1_001, 1_002.5, 2_000])
def test_the_fetch_has_its_own_deadline(
    cache: KeyCache, source: Source, given: float | None
) -> None:
    """The deadline of a fetch does not depend on that of its first caller."""
    cache.get("a", deadline=given)
    assert source.asked == [("a", 1_002.5)]


def test_a_cached_key_needs_no_time(cache: KeyCache) -> None:
    """A cached key is returned although the deadline has passed."""
    key = cache.get("a")
    assert cache.get("a", deadline=0) is key


@pytest.mark.parametrize("look_up", BOTH_WAYS)
def test_a_caller_leaves_at_its_deadline(
    source: Source, clock: ManualClock, look_up: LookUp
) -> None:
    """A caller stops waiting at its deadline; the fetch continues, and its key is cached."""
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log, clock=clock, age_clock=clock)
    with held:
        for _ in range(2):
            with pytest.raises(KeyUnavailableError, match="did not come in time"):
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
    """A caller whose deadline passes gets the stale key if there is one."""
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
    """A caller whose deadline has already passed gets the stale key."""
    key = cache.get("a")
    clock.now += 100
    assert cache.get("a", deadline=clock.now) is key


def test_no_time_at_all_spends_nothing(source: Source, clock: ManualClock) -> None:
    """A look-up whose deadline has passed starts no fetch and spends no budget."""
    policy = CachePolicy(first_seen_burst=1)
    cache = KeyCache(source, policy, clock=clock, age_clock=clock)
    with pytest.raises(KeyUnavailableError, match="the deadline has passed"):
        cache.get("a", deadline=clock.now)
    assert source.asked == []
    assert cache.get("b").kid == "b"


def test_a_fetch_that_never_ends_is_given_up(source: Source, clock: ManualClock) -> None:
    """A hanging fetch is abandoned a minute after its deadline; then another one may start."""
    hanging = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched[Any]:
        if not source.asked:
            source.asked.append((kid, deadline))
            hanging.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)
    with pytest.raises(KeyUnavailableError):
        cache.get("a", deadline=clock.now + 0.01)
    clock.now += 5
    with pytest.raises(KeyUnavailableError, match="did not come in time"):
        cache.get("a")
    clock.now += 60
    assert cache.get("a").kid == "a"
    hanging.set()


@pytest.mark.parametrize("deadline", ["soon", b"1", [1], object()])
def test_what_is_no_deadline(cache: KeyCache, deadline: Any) -> None:
    """A deadline that is not a number raises ``KeyUnavailableError``, and nothing is fetched."""
    with pytest.raises(KeyUnavailableError, match="deadline must be"):
        cache.get("a", deadline=deadline)
